//! What the circuit breaker's tests share: paused time, a look at a breaker as plain data, dice.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub(crate) mod edges;
pub(crate) mod lists;
pub(crate) mod pair;
pub(crate) mod reference;
pub(crate) mod steps;

use std::{future::Future, time::Duration};

use buttress::{
    CircuitBreaker, Outcome,
    breaker::{Builder, Config, Snapshot, State},
};
use tokio::time::Instant;

/// Runs it on a clock that stands still unless it is moved.
pub(crate) fn paused<F: Future>(body: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(body)
}

/// Moves the clock, exactly.
pub(crate) async fn advance(nanos: u64) {
    tokio::time::advance(Duration::from_nanos(nanos)).await;
}

/// Builds it, to wait exactly as long as it is told.
pub(crate) fn built(builder: Builder) -> CircuitBreaker {
    builder.open_jitter(0.0).build().expect("valid settings")
}

/// Judges by the last so many calls, once there are as many.
pub(crate) fn counting(calls: u32, failure_ratio: f64) -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(calls);
    built(builder.min_calls(calls).failure_ratio(failure_ratio))
}

pub(crate) fn reconfigure(breaker: &CircuitBreaker, change: impl FnOnce(&mut Config)) {
    let mut config = breaker.config();
    change(&mut config);
    breaker.reconfigure(config).expect("valid settings");
}

/// A call that takes no time.
pub(crate) fn call(breaker: &CircuitBreaker, outcome: Outcome) {
    breaker.try_acquire().expect("admitted").settle(outcome);
}

pub(crate) fn calls(breaker: &CircuitBreaker, n: u32, outcome: Outcome) {
    for _ in 0..n {
        call(breaker, outcome);
    }
}

/// Calls, failed and slow ones among them.
pub(crate) fn counts(breaker: &CircuitBreaker) -> (u64, u64, u64) {
    let seen = breaker.snapshot();
    (seen.calls, seen.failed, seen.slow)
}

pub(crate) fn state(breaker: &CircuitBreaker) -> State {
    breaker.snapshot().state
}

/// How long the opening that is shown was planned to last.
pub(crate) fn planned_wait(breaker: &CircuitBreaker) -> Duration {
    let seen = breaker.snapshot();
    seen.next_probe_at.expect("it is open") - seen.since
}

/// A snapshot with its times as nanoseconds since the breaker was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) state: State,
    pub(crate) since: u64,
    pub(crate) generation: u64,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
    pub(crate) failure_ratio: f64,
    pub(crate) slow_ratio: f64,
    /// Running, judged, failed, slow.
    pub(crate) probes: Option<[u32; 4]>,
    pub(crate) recovering: bool,
    pub(crate) rejected: u64,
    pub(crate) would_have_rejected: u64,
    pub(crate) late_results: u64,
    pub(crate) next_probe_at: Option<u64>,
}

impl Seen {
    pub(crate) fn of(snapshot: &Snapshot, origin: Instant) -> Self {
        let nanos = |at: Instant| u64::try_from((at - origin).as_nanos()).expect("a time in reach");
        Self {
            state: snapshot.state,
            since: nanos(snapshot.since),
            generation: snapshot.generation,
            calls: snapshot.calls,
            failed: snapshot.failed,
            slow: snapshot.slow,
            failure_ratio: snapshot.failure_ratio,
            slow_ratio: snapshot.slow_ratio,
            probes: snapshot
                .probes
                .map(|probes| [probes.running, probes.judged, probes.failed, probes.slow]),
            recovering: snapshot.recovering,
            rejected: snapshot.rejected,
            would_have_rejected: snapshot.would_have_rejected,
            late_results: snapshot.late_results,
            next_probe_at: snapshot.next_probe_at.map(nanos),
        }
    }
}

/// Random schedules by the thousand, the same ones every time (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.between(0, of.len() as u64 - 1) as usize]
    }

    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.between(1, n) == 1
    }
}
