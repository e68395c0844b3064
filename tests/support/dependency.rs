//! A dependency that is well, fails, hangs or is slow, as it is told, and callers that come at a steady rate
//! through a pipeline, in virtual time.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    f64::consts::TAU,
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress::{Error, Resilience, replay::Attempt, telemetry::EventKind};
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::Dice;

/// What it does to an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    /// Answers at once, but fails one in so many, at random; 0 for none.
    FailsOneIn(u64),
    /// Fails at once.
    Down,
    /// Never answers.
    Hangs,
    /// Answers, after this long.
    Takes(Duration),
    /// Answers after about 20 ms (log-normal, standard deviation 8 ms), one in so many ten times later.
    StragglesOneIn(u64),
}

pub(crate) const WELL: Mood = Mood::FailsOneIn(0);

#[derive(Debug, PartialEq)]
pub(crate) struct Down;

/// What the clones share.
struct Shared {
    now: Mutex<(Mood, Dice)>,
    attempts: AtomicU64,
}

#[derive(Clone)]
pub(crate) struct Dependency(Arc<Shared>);

impl Dependency {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Shared {
            now: Mutex::new((WELL, Dice(seed))),
            attempts: AtomicU64::new(0),
        }))
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.0.now.lock().unwrap().0 = mood;
    }

    /// Those that have arrived.
    pub(crate) fn attempts(&self) -> u64 {
        self.0.attempts.load(Relaxed)
    }

    /// One attempt: most are over when they are polled first.
    fn attempt(&self) -> Trial {
        self.0.attempts.fetch_add(1, Relaxed);
        let (mood, dice) = &mut *self.0.now.lock().unwrap();
        match *mood {
            Mood::FailsOneIn(0) => Trial::Over(Ok(())),
            Mood::FailsOneIn(n) if dice.once_in(n) => Trial::Over(Err(Down)),
            Mood::FailsOneIn(_) => Trial::Over(Ok(())),
            Mood::Down => Trial::Over(Err(Down)),
            Mood::Hangs => Trial::Runs(Box::pin(pending())),
            Mood::Takes(long) => Trial::Runs(Box::pin(async move {
                sleep(long).await;
                Ok(())
            })),
            Mood::StragglesOneIn(n) => {
                let usual = log_normal(20.0, 8.0, dice);
                let millis = usual * if dice.once_in(n) { 10.0 } else { 1.0 };
                Trial::Runs(Box::pin(async move {
                    sleep(Duration::from_secs_f64(millis / 1e3)).await;
                    Ok(())
                }))
            }
        }
    }
}

/// Of this mean and standard deviation.
fn log_normal(mean: f64, deviation: f64, dice: &mut Dice) -> f64 {
    let mut unit = || (dice.roll() >> 11) as f64 / (1_u64 << 53) as f64;
    let variance = (1.0 + (deviation / mean).powi(2)).ln();
    // Box and Muller.
    let radius = (-2.0 * (1.0 - unit()).ln()).sqrt();
    let normal = radius * (TAU * unit()).cos();
    (mean.ln() - variance / 2.0 + variance.sqrt() * normal).exp()
}

pub(crate) enum Trial {
    Over(Result<(), Down>),
    Runs(Pin<Box<dyn Future<Output = Result<(), Down>> + Send>>),
}

impl Future for Trial {
    type Output = Result<(), Down>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Over(result) => Poll::Ready(std::mem::replace(result, Ok(()))),
            Self::Runs(trial) => trial.as_mut().poll(cx),
        }
    }
}

/// How calls ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ended {
    pub(crate) calls: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// The longest that a call took.
    pub(crate) longest: Duration,
    /// How long each took that was answered, in milliseconds: of those that were not answered at once.
    pub(crate) took: Vec<f32>,
}

impl Ended {
    /// Of those that were answered and not at once, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f32 {
        let mut took = self.took.clone();
        took.sort_by(f32::total_cmp);
        took[(share * took.len() as f64) as usize]
    }
}

/// Callers of one dependency through one pipeline.
#[derive(Clone)]
pub(crate) struct Callers {
    pub(crate) all: Resilience,
    pub(crate) dependency: Dependency,
    ended: Arc<Mutex<Ended>>,
}

impl Callers {
    pub(crate) fn new(all: Resilience, seed: u64) -> Self {
        Self {
            all,
            dependency: Dependency::new(seed),
            ended: Arc::default(),
        }
    }

    /// What has ended since this was last asked.
    pub(crate) fn take(&self) -> Ended {
        std::mem::take(&mut *self.ended.lock().unwrap())
    }

    fn end(&self, begun: Instant, result: &Result<(), Error<Down>>) {
        let took = begun.elapsed();
        let mut ended = self.ended.lock().unwrap();
        ended.calls += 1;
        match result {
            Ok(()) => {
                ended.answered += 1;
                if !took.is_zero() {
                    ended.took.push(took.as_secs_f32() * 1e3);
                }
            }
            Err(Error::Rejected(no)) if !no.started() => ended.refused += 1,
            Err(_) => ended.failed += 1,
        }
        ended.longest = ended.longest.max(took);
    }

    /// One call, which takes a task of its own only if it is not answered at once.
    pub(crate) fn call(&self) {
        let begun = Instant::now();
        let dependency = self.dependency.clone();
        let mut call = Box::pin(self.all.call(move |_: Attempt| dependency.attempt()));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => self.end(begun, &result),
            Poll::Pending => {
                let this = self.clone();
                tokio::spawn(async move {
                    let result = call.await;
                    this.end(begun, &result);
                });
            }
        }
    }

    /// So many calls a second, evenly, for so long; the first one now.
    pub(crate) async fn come(&self, rate: u64, long: Duration) {
        self.come_in_groups(rate, 1, long, || true).await;
    }

    /// The same, but no longer than they want to.
    pub(crate) async fn come_while(&self, rate: u64, long: Duration, go_on: impl FnMut() -> bool) {
        self.come_in_groups(rate, 1, long, go_on).await;
    }

    /// The same, so many at a time.
    pub(crate) async fn come_in_groups(
        &self,
        rate: u64,
        group: u64,
        long: Duration,
        mut go_on: impl FnMut() -> bool,
    ) {
        let start = Instant::now();
        for n in 0.. {
            let due = Duration::from_nanos(1_000_000_000 * n * group / rate);
            if due >= long {
                break;
            }
            sleep_until(start + due).await;
            if !go_on() {
                return;
            }
            for _ in 0..group {
                self.call();
            }
        }
        sleep_until(start + long).await;
    }
}

/// When the breaker of a pipeline opened and closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<(Instant, EventKind)>>>);

impl Diary {
    pub(crate) fn of(builder: buttress::pipeline::Builder) -> (Resilience, Self) {
        let diary = Self::default();
        let kept = Arc::clone(&diary.0);
        let builder = builder.on_event(move |event| {
            let is_change = matches!(
                event.kind,
                EventKind::Opened { .. } | EventKind::HalfOpened { .. } | EventKind::Closed { .. }
            );
            if is_change {
                kept.lock().unwrap().push((event.at, event.kind.clone()));
            }
        });
        (builder.build().unwrap(), diary)
    }

    pub(crate) fn opened(&self) -> Vec<Instant> {
        self.of_kind(|kind| matches!(kind, EventKind::Opened { .. }))
    }

    pub(crate) fn closed(&self) -> Vec<Instant> {
        self.of_kind(|kind| matches!(kind, EventKind::Closed { .. }))
    }

    fn of_kind(&self, is: impl Fn(&EventKind) -> bool) -> Vec<Instant> {
        let entries = self.0.lock().unwrap();
        let those = entries.iter().filter(|(_, kind)| is(kind));
        those.map(|(at, _)| *at).collect()
    }
}
