//! When a closed breaker opens and when an open one sends probes, at the boundaries.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

use std::time::Duration;

use buttress::{CircuitBreaker, Outcome, Reason, breaker::State};
use support::{advance, built, call, calls, counting, counts, paused, reconfigure, state};

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

/// A call that takes so long.
async fn take(breaker: &CircuitBreaker, nanos: u64, outcome: Outcome) {
    let permit = breaker.try_acquire().expect("admitted");
    advance(nanos).await;
    permit.settle(outcome);
}

#[test]
fn a_probe_is_permitted_at_exactly_the_end_of_the_wait() {
    paused(async {
        let breaker = built(
            CircuitBreaker::builder()
                .min_calls(1)
                .open_for(Duration::from_millis(700)),
        );
        call(&breaker, Outcome::Failure);
        for (left, step) in [(700 * MILLI, 700 * MILLI - 1), (1, 1)] {
            let no = breaker.try_acquire().expect_err("open");
            assert_eq!(no.reason(), Reason::Open);
            assert_eq!(no.retry_after(), Some(Duration::from_nanos(left)));
            advance(step).await;
        }
        assert_eq!(state(&breaker), State::Open, "only a call ends it");
        assert!(breaker.try_acquire().is_ok());
        assert_eq!(state(&breaker), State::HalfOpen);
    });
}

#[test]
fn ratios_are_compared_as_divisions() {
    paused(async {
        let just_above = |ratio: f64| f64::from_bits(ratio.to_bits() + 1);
        for (failed, of, ratio, opens) in [
            (7, 10, 0.7, true),
            (7, 10, just_above(0.7), false),
            (1, 3, 1.0 / 3.0, true),
            (1, 3, just_above(1.0 / 3.0), false),
            (3, 10, 0.3, true),
            // A hair above 0.3.
            (3, 10, 0.1 + 0.2, false),
            // Multiplied out these would ask for a hair more than 7, 29 and 58 calls.
            (7, 100, 0.07, true),
            (29, 100, 0.29, true),
            (58, 100, 0.58, true),
            (57, 100, 0.58, false),
        ] {
            let breaker = counting(of, ratio);
            calls(&breaker, of - failed, Outcome::Success);
            calls(&breaker, failed, Outcome::Failure);
            let opened = state(&breaker) == State::Open;
            assert_eq!(opened, opens, "{failed} of {of} at {ratio}");
        }
    });
}

#[test]
fn a_fast_success_never_opens_it_but_the_next_failure_does() {
    paused(async {
        let breaker = counting(10, 1.0);
        calls(&breaker, 5, Outcome::Failure);
        calls(&breaker, 5, Outcome::Success);
        reconfigure(&breaker, |config| config.failure_ratio = 0.1);
        calls(&breaker, 3, Outcome::Success);
        assert_eq!(counts(&breaker), (10, 2, 0));
        assert_eq!(state(&breaker), State::Closed);
        call(&breaker, Outcome::Failure);
        assert_eq!(state(&breaker), State::Open);
    });
}

#[test]
fn nothing_is_judged_below_min_calls() {
    paused(async {
        let breaker = built(CircuitBreaker::builder().min_calls(20).failure_ratio(0.1));
        calls(&breaker, 19, Outcome::Failure);
        assert_eq!(state(&breaker), State::Closed);
        call(&breaker, Outcome::Success);
        assert_eq!(state(&breaker), State::Closed, "a success completes them");
        call(&breaker, Outcome::Failure);
        assert_eq!(state(&breaker), State::Open);

        let exactly = built(CircuitBreaker::builder().min_calls(20));
        calls(&exactly, 20, Outcome::Failure);
        assert_eq!(state(&exactly), State::Open);
    });
}

/// Slow is more than 100 ms.
fn with_slow_calls(failure_ratio: f64, slow_ratio: f64) -> CircuitBreaker {
    built(
        CircuitBreaker::builder()
            .time_window(Duration::from_secs(1_000))
            .min_calls(4)
            .failure_ratio(failure_ratio)
            .slow_call_duration(Duration::from_millis(100))
            .slow_call_ratio(slow_ratio),
    )
}

#[test]
fn a_call_is_slow_when_it_takes_longer_and_not_when_it_takes_as_long() {
    paused(async {
        let breaker = with_slow_calls(1.0, 1.0);
        take(&breaker, 100 * MILLI, Outcome::Success).await;
        assert_eq!(counts(&breaker), (1, 0, 0));
        take(&breaker, 100 * MILLI + 1, Outcome::Success).await;
        assert_eq!(counts(&breaker), (2, 0, 1));
    });
}

#[test]
fn a_slow_failure_counts_as_both() {
    paused(async {
        let breaker = with_slow_calls(1.0, 0.5);
        calls(&breaker, 3, Outcome::Success);
        take(&breaker, SECOND, Outcome::Failure).await;
        assert_eq!(counts(&breaker), (4, 1, 1));
        assert_eq!(state(&breaker), State::Closed);
        take(&breaker, SECOND, Outcome::Failure).await;
        take(&breaker, SECOND, Outcome::Failure).await;
        assert_eq!(counts(&breaker), (6, 3, 3));
        assert_eq!(state(&breaker), State::Open, "by the slow ones");
    });
}

#[test]
fn a_slow_success_has_both_ratios_judged() {
    paused(async {
        let breaker = with_slow_calls(1.0, 1.0);
        calls(&breaker, 2, Outcome::Failure);
        calls(&breaker, 2, Outcome::Success);
        reconfigure(&breaker, |config| config.failure_ratio = 0.3);
        call(&breaker, Outcome::Success);
        assert_eq!(state(&breaker), State::Closed);
        take(&breaker, SECOND, Outcome::Success).await;
        assert_eq!(counts(&breaker), (6, 2, 1));
        assert_eq!(state(&breaker), State::Open, "by the failed ones")
    });
}

#[test]
fn only_a_slow_one_of_the_abandoned_enters_the_window_and_no_ignored_one() {
    paused(async {
        let breaker = with_slow_calls(1.0, 0.5);
        take(&breaker, SECOND, Outcome::Ignored).await;
        take(&breaker, 100 * MILLI, Outcome::Abandoned).await;
        call(&breaker, Outcome::Abandoned);
        assert_eq!(counts(&breaker), (0, 0, 0));
        calls(&breaker, 2, Outcome::Success);
        for slow in 1..=2 {
            assert_eq!(state(&breaker), State::Closed);
            take(&breaker, 100 * MILLI + 1, Outcome::Abandoned).await;
            assert_eq!(counts(&breaker), (2 + slow, 0, slow));
        }
        assert_eq!(state(&breaker), State::Open, "impatience hides no hang");
    });
}
