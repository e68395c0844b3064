//! Rules that no pattern can check alone: whether the settings fit together.

use std::{fmt, time::Duration};

use super::config::Config;
use crate::{
    breaker::{self, Window},
    error::Violations,
    hedge::{Delay, Percentile},
    retry,
};

/// Checks settings that are valid each for itself.
pub(super) fn check(config: &Config, rules: &mut Violations) {
    let holds = config.retry.is_none() || config.hedge.is_none();
    let rule = "must not stand beside `retry`: one of them sends further attempts";
    rules.require(holds, "hedge", Said("given"), rule);
    in_time(config, rules);
    if let Some(attempt) = config.attempt_timeout {
        hedged(config, attempt, rules);
        if let Some(breaker) = &config.breaker {
            judged(config, breaker, attempt, rules);
        }
    }
}

/// Everything that a call may have to wait for fits its deadline.
fn in_time(config: &Config, rules: &mut Violations) {
    let Some(deadline) = config.deadline else {
        return;
    };
    let turn = config.rate_limit.as_ref().map(|limit| limit.max_wait);
    let place = config.bulkhead.as_ref().map(|bulkhead| bulkhead.max_wait);
    let mut one = config.attempt_timeout.unwrap_or_default();
    for wait in [turn, place].into_iter().flatten() {
        one = one.saturating_add(wait);
    }
    let rule = "must hold attempt_timeout and the longest wait for a turn and a place";
    rules.require(one <= deadline, "deadline", Short(deadline, one), rule);
    let (Some(retry), Some(_)) = (&config.retry, config.attempt_timeout) else {
        return;
    };
    let attempts = one.saturating_mul(retry.max_attempts);
    let all = attempts.saturating_add(longest_waits(retry));
    let holds = one > deadline || all <= deadline;
    let rule = "must hold retry.max_attempts x attempt_timeout and the longest waits";
    rules.require(holds, "deadline", Short(deadline, all), rule);
}

/// The longest waits between all attempts of a call, in sum.
fn longest_waits(retry: &retry::Config) -> Duration {
    let waits = retry.max_attempts - 1;
    let mut sum = Duration::ZERO;
    for failed in 1..=waits.min(COUNTED) {
        sum = sum.saturating_add(retry.backoff.longest(failed));
    }
    let others = waits.saturating_sub(COUNTED);
    if others > 0 {
        let last = retry.backoff.longest(waits);
        sum = sum.saturating_add(last.saturating_mul(others));
    }
    sum
}

/// There may be billions of waits. Those beyond this many are taken for as long as the last of them.
const COUNTED: u32 = 1_000;

/// A hedge is due before the attempt that it is to overtake has ended.
fn hedged(config: &Config, attempt: Duration, rules: &mut Violations) {
    let Some(hedge) = &config.hedge else {
        return;
    };
    let (field, delay) = match hedge.delay {
        Delay::Fixed(delay) => ("hedge.delay", delay),
        Delay::Percentile(Percentile { until, .. }) => ("hedge.until", until),
    };
    let rule = "must be less than attempt_timeout: later there is nothing to overtake";
    rules.require(delay < attempt, field, delay, rule);
}

/// The breaker hears of a dependency that hangs in time to judge it.
fn judged(config: &Config, breaker: &breaker::Config, attempt: Duration, rules: &mut Violations) {
    if let Some(slow) = breaker.slow_call_duration {
        let rule = "must be less than attempt_timeout: what takes longer has failed";
        rules.require(slow < attempt, "breaker.slow_call_duration", slow, rule);
    }
    let timeout = breaker.probe_timeout;
    let rule = "must be at least attempt_timeout: a probe may take what any attempt may";
    rules.require(timeout >= attempt, "breaker.probe_timeout", timeout, rule);
    let Window::Time(window) = breaker.window else {
        return;
    };
    let rule = "must be at least attempt_timeout";
    rules.require(window >= attempt, "breaker.window", window, rule);
    if let Some(bulkhead) = &config.bulkhead {
        // In a hang all places are taken, and come back once per attempt timeout.
        let places = u128::from(bulkhead.max_concurrent);
        let heard = places * window.as_nanos() / attempt.as_nanos();
        let holds = window < attempt || heard >= breaker.min_calls.into();
        let rule = "must be no more than a hang lets fail within the window: \
                    bulkhead.max_concurrent x window / attempt_timeout";
        let value = Heard(breaker.min_calls, heard);
        rules.require(holds, "breaker.min_calls", value, rule);
    }
}

/// What was given, in words.
struct Said(&'static str);

/// A time, and how long it would have to be.
struct Short(Duration, Duration);

/// How many calls are wanted, and how many there can be.
struct Heard(u32, u128);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (needed: {:?})", self.0, self.1)
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at most {})", self.0, self.1)
    }
}
