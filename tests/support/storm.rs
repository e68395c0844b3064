//! A server of limited capacity and a crowd of callers, in virtual time.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Service, ServiceExt};

use crate::support::Dice;

/// What the server does for one request: so a thousand a second.
pub(crate) const WORK: Duration = Duration::from_millis(1);
/// How many requests it holds.
pub(crate) const ROOM: u32 = 600;

/// Serves one request at a time, in the order of arrival. Beyond [`ROOM`] it refuses at once; what it
/// holds it works off, though nobody may wait for it any more.
///
/// It needs no task: an arrival knows when its turn will be over. (Answers are up to a millisecond
/// late, as tokio's timers are.)
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// When all that it holds will be done.
    free_at: Arc<Mutex<Instant>>,
    arrivals: Arc<Mutex<u64>>,
}

impl Server {
    /// Idle. Inside a runtime.
    pub(crate) fn idle() -> Self {
        Self {
            free_at: Arc::new(Mutex::new(Instant::now())),
            arrivals: Arc::default(),
        }
    }

    /// Requests that came, refused ones included.
    pub(crate) fn arrivals(&self) -> u64 {
        *self.arrivals.lock().unwrap()
    }
}

impl Service<()> for Server {
    type Response = ();
    type Error = BoxError;
    type Future = Served;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Served {
        *self.arrivals.lock().unwrap() += 1;
        let free_at = &mut *self.free_at.lock().unwrap();
        let now = Instant::now();
        let start = now.max(*free_at);
        if start - now > WORK * (ROOM - 1) {
            return Served::Refused(ready(Err("the server is full".into())));
        }
        *free_at = start + WORK;
        Served::Queued(Box::pin(sleep_until(*free_at)))
    }
}

pub(crate) enum Served {
    Refused(Ready<Result<(), BoxError>>),
    Queued(Pin<Box<Sleep>>),
}

impl Future for Served {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Refused(no) => Pin::new(no).poll(cx),
            Self::Queued(turn) => turn.as_mut().poll(cx).map(Ok),
        }
    }
}

/// So many calls a second, in the mean, for so many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase(pub(crate) f64, pub(crate) u64);

/// What became of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// Since the start, as is its end.
    pub(crate) arrival: Duration,
    pub(crate) end: Duration,
    pub(crate) success: bool,
}

/// All calls of a run, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) calls: Vec<Call>,
}

impl Report {
    /// Of the calls that arrived in this second, the share that succeeded in the end.
    pub(crate) fn goodput(&self, second: u64) -> f64 {
        let there = |call: &&Call| call.arrival.as_secs() == second;
        let arrived = self.calls.iter().filter(there);
        let (mut all, mut good) = (0_u32, 0_u32);
        for call in arrived {
            all += 1;
            good += u32::from(call.success);
        }
        f64::from(good) / f64::from(all)
    }

    /// The same for each second of these.
    pub(crate) fn goodputs(&self, seconds: std::ops::Range<u64>) -> Vec<f64> {
        seconds.map(|second| self.goodput(second)).collect()
    }
}

/// Sends calls that arrive independently of each other and of what becomes of them (Poisson), phase
/// by phase, and waits for all of them. `begins` is told of each call right before it is made.
pub(crate) async fn drive<S>(
    service: &S,
    phases: &[Phase],
    seed: u64,
    begins: impl Fn() + Clone + Send + 'static,
) -> Report
where
    S: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut dice = Dice(seed);
    let start = Instant::now();
    let mut calls = Vec::new();
    let mut until = 0.0;
    for Phase(rate, seconds) in phases {
        // No memory: a gap may be drawn anew where the phase changes.
        let mut at = until;
        until += *seconds as f64;
        loop {
            let draw = ((dice.roll() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            at -= draw.ln() / rate;
            if at >= until {
                break;
            }
            let due = start + Duration::from_secs_f64(at);
            if due > Instant::now() {
                sleep_until(due).await;
            }
            let (mut service, begins) = (service.clone(), begins.clone());
            calls.push(tokio::spawn(async move {
                let arrival = start.elapsed();
                let success = match service.ready().await {
                    Ok(service) => {
                        begins();
                        service.call(()).await.is_ok()
                    }
                    Err(_) => false,
                };
                Call {
                    arrival,
                    end: start.elapsed(),
                    success,
                }
            }));
        }
    }
    let mut report = Report {
        calls: Vec::with_capacity(calls.len()),
    };
    for call in calls {
        report.calls.push(call.await.expect("it does not panic"));
    }
    report
}
