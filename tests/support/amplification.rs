//! A service that mostly fails, and what is sent to it: attempts, calls, and the budget's law over
//! every interval.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress::budget::Config;
use tokio::time::Instant;
use tower::{BoxError, Service};

use crate::{
    storm::{Phase, drive},
    support::Dice,
};

/// Fails at once, and writes down when it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Down {
    start: Instant,
    /// One in so many attempts it answers after all.
    answers_one_in: Option<u64>,
    log: Arc<Mutex<Log>>,
}

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Vec<(Duration, What)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A call is about to be made to the outermost layer.
    Call,
    /// An attempt has arrived.
    Attempt,
}

impl Down {
    /// Inside a runtime.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            answers_one_in: None,
            log: Arc::default(),
        }
    }

    /// The same, but one in so many attempts it answers.
    pub(crate) fn answering_one_in(mut self, attempts: u64) -> Self {
        self.answers_one_in = Some(attempts);
        self
    }

    /// How many events there are now.
    fn note(&self, what: What) -> u64 {
        let log = &mut self.log.lock().unwrap().0;
        log.push((self.start.elapsed(), what));
        log.len() as u64
    }

    /// Sends calls to this service through whatever stands before it, so many a second.
    pub(crate) async fn suffer<S>(self, client: S, rate: f64, seconds: u64) -> Log
    where
        S: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
        S::Future: Send,
    {
        let down = self.clone();
        let begins = move || {
            down.note(What::Call);
        };
        let report = drive(&client, &[Phase(rate, seconds)], 1, begins).await;
        let answers = report.calls.iter().any(|call| call.success);
        assert_eq!(answers, self.answers_one_in.is_some());
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

impl Service<()> for Down {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let event = self.note(What::Attempt);
        let answers = |every| Dice(event).once_in(every);
        ready(match self.answers_one_in {
            Some(every) if answers(every) => Ok(()),
            _ => Err("down".into()),
        })
    }
}

impl Log {
    fn count(&self, what: What) -> u64 {
        self.0.iter().filter(|(_, other)| *other == what).count() as u64
    }

    pub(crate) fn calls(&self) -> u64 {
        self.count(What::Call)
    }

    /// Attempts for each call.
    pub(crate) fn amplification(&self) -> f64 {
        self.count(What::Attempt) as f64 / self.calls() as f64
    }

    /// By how many attempts the law is broken in the worst of all intervals, at most zero if it holds:
    ///
    /// extra attempts - (ratio x calls + min_per_sec x seconds + reserve).
    pub(crate) fn excess(&self, config: &Config) -> f64 {
        // Up to an event, without the reserve. An interval's is the difference of its ends', and the
        // worst interval that ends here started where it was least.
        let mut sum = 0.0;
        let (mut least, mut worst) = (0.0_f64, f64::MIN);
        let mut before = Duration::ZERO;
        let mut begun = false;
        for (at, what) in &self.0 {
            sum -= config.min_per_sec * (*at - before).as_secs_f64();
            before = *at;
            least = least.min(sum);
            match what {
                What::Call => {
                    // May deposit when it is answered, and its first attempt comes next.
                    sum -= config.ratio;
                    begun = true;
                }
                What::Attempt if begun => begun = false,
                What::Attempt => sum += 1.0,
            }
            worst = worst.max(sum - least);
        }
        worst - f64::from(config.reserve)
    }
}
