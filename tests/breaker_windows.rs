//! Which calls a closed breaker judges by, and for how long: its windows at their boundaries.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    CircuitBreaker, Outcome,
    breaker::{State, Window},
    telemetry::EventKind,
};
use support::{Dice, advance, built, call, calls, counting, counts, paused, reconfigure, state};

const SECOND: u64 = 1_000_000_000;

/// Ten pieces of a second; judged from the first call on.
fn timing(failure_ratio: f64) -> CircuitBreaker {
    built(
        CircuitBreaker::builder()
            .time_window(Duration::from_secs(10))
            .min_calls(1)
            .failure_ratio(failure_ratio),
    )
}

#[test]
fn a_count_window_forgets_a_thousand_successes_after_ten_failures() {
    paused(async {
        let breaker = counting(10, 1.0);
        calls(&breaker, 1_000, Outcome::Success);
        for failed in 1..=9 {
            call(&breaker, Outcome::Failure);
            assert_eq!(counts(&breaker), (10, failed, 0));
            assert_eq!(state(&breaker), State::Closed);
        }
        call(&breaker, Outcome::Failure);
        assert_eq!(state(&breaker), State::Open);
        assert_eq!(counts(&breaker), (10, 10, 0), "as it was when it opened");
    });
}

#[test]
fn a_count_window_is_exact_after_a_million_calls() {
    paused(async {
        let breaker = built(
            CircuitBreaker::builder()
                .count_window(1_000)
                .failure_ratio(0.9),
        );
        let failed = |n: u32| n % 7 == 0 || n.is_power_of_two();
        for n in 1..=1_000_000 {
            let outcome = match failed(n) {
                true => Outcome::Failure,
                false => Outcome::Success,
            };
            call(&breaker, outcome);
            if n % 99_991 == 0 || n == 1_000_000 {
                let last = (n.saturating_sub(1_000) + 1..=n).filter(|n| failed(*n));
                assert_eq!(counts(&breaker), (1_000, last.count() as u64, 0));
            }
        }
    });
}

#[test]
fn successes_that_come_in_bulk_push_out_exactly_as_many() {
    let mut dice = Dice(1);
    paused(async {
        // Lengths around those of machine words, where a bulk ends in the middle of one.
        for length in [1, 7, 63, 64, 65, 127, 128, 130, 200] {
            let breaker = counting(length, 1.0);
            let mut all = vec![false];
            call(&breaker, Outcome::Success);
            for _ in 0..50 {
                // Nobody looks between the successes, so the window hears of them all at once.
                let bulk = dice.between(0, 3 * u64::from(length)) as u32;
                calls(&breaker, bulk, Outcome::Success);
                all.resize(all.len() + bulk as usize, false);
                // One success among them, so that this does not open it.
                for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success] {
                    if length > 2 || outcome == Outcome::Success {
                        call(&breaker, outcome);
                        all.push(outcome == Outcome::Failure);
                    }
                }
                let window = &all[all.len().saturating_sub(length as usize)..];
                let failed = window.iter().filter(|failed| **failed).count();
                assert_eq!(counts(&breaker), (window.len() as u64, failed as u64, 0));
            }
        }
    });
}

#[test]
fn a_count_window_goes_by_the_order_of_completion() {
    paused(async {
        let breaker = counting(2, 1.0);
        let [first, second, third] = [0; 3].map(|_| breaker.try_acquire().expect("closed"));
        third.failure();
        second.success();
        assert_eq!(counts(&breaker), (2, 1, 0));
        first.success();
        assert_eq!(counts(&breaker), (2, 0, 0), "the third ended first");
    });
}

#[test]
fn an_outcome_at_the_start_of_a_piece_lives_the_whole_span() {
    paused(async {
        let breaker = timing(1.0);
        advance(3 * SECOND).await;
        call(&breaker, Outcome::Success);
        advance(10 * SECOND - 1).await;
        assert_eq!(counts(&breaker), (1, 0, 0));
        advance(1).await;
        assert_eq!(counts(&breaker), (0, 0, 0));
    });
}

#[test]
fn an_outcome_at_the_end_of_a_piece_lives_more_than_nine_tenths() {
    paused(async {
        let breaker = timing(1.0);
        advance(4 * SECOND - 1).await;
        call(&breaker, Outcome::Success);
        advance(9 * SECOND).await;
        assert_eq!(counts(&breaker), (1, 0, 0));
        advance(1).await;
        assert_eq!(counts(&breaker), (0, 0, 0));
    });
}

#[test]
fn a_call_judges_without_what_has_just_left_the_window() {
    paused(async {
        for (wait, then) in [(SECOND - 1, State::Closed), (SECOND, State::Open)] {
            let breaker = timing(1.0);
            call(&breaker, Outcome::Success);
            advance(9 * SECOND).await;
            call(&breaker, Outcome::Failure);
            assert_eq!(state(&breaker), State::Closed);
            advance(wait).await;
            call(&breaker, Outcome::Failure);
            assert_eq!(state(&breaker), then);
        }
    });
}

#[test]
fn successes_belong_to_the_piece_in_which_they_completed() {
    paused(async {
        let breaker = timing(1.0);
        // Nobody looks in between: the window hears of them later, each still in its own piece.
        for n in 1..=10 {
            calls(&breaker, n, Outcome::Success);
            advance(SECOND).await;
        }
        let mut left = 55;
        for n in 1..=10 {
            left -= n;
            assert_eq!(counts(&breaker), (left, 0, 0));
            advance(SECOND).await;
        }
    });
}

#[test]
fn pieces_are_counted_from_the_breakers_making() {
    paused(async {
        advance(SECOND / 3).await;
        let breaker = timing(1.0);
        advance(SECOND - 1).await;
        call(&breaker, Outcome::Success);
        advance(9 * SECOND).await;
        assert_eq!(counts(&breaker), (1, 0, 0));
        advance(1).await;
        assert_eq!(counts(&breaker), (0, 0, 0));
    });
}

#[test]
fn a_span_is_rounded_up_to_ten_nanoseconds() {
    paused(async {
        let breaker = built(
            CircuitBreaker::builder()
                .time_window(Duration::from_nanos(91))
                .min_calls(1),
        );
        call(&breaker, Outcome::Success);
        advance(99).await;
        assert_eq!(counts(&breaker), (1, 0, 0));
        advance(1).await;
        assert_eq!(counts(&breaker), (0, 0, 0));
    });
}

#[test]
fn a_long_idle_time_window_is_empty_and_as_good_as_new() {
    paused(async {
        let year = 365 * 24 * 3_600 * SECOND;
        for idle in [20 * SECOND, 10 * year, 10 * year + SECOND / 2] {
            let breaker = built(CircuitBreaker::builder().min_calls(2).failure_ratio(0.5));
            calls(&breaker, 10, Outcome::Success);
            advance(idle).await;
            call(&breaker, Outcome::Failure);
            assert_eq!(counts(&breaker), (1, 1, 0));
            assert_eq!(state(&breaker), State::Closed);
            call(&breaker, Outcome::Success);
            call(&breaker, Outcome::Failure);
            assert_eq!(state(&breaker), State::Open);
        }
    });
}

#[test]
fn a_resized_count_window_keeps_its_latest_outcomes() {
    paused(async {
        let breaker = counting(6, 1.0);
        // Once around the ring, so that its oldest call lies in the middle.
        calls(&breaker, 4, Outcome::Success);
        calls(&breaker, 2, Outcome::Failure);
        calls(&breaker, 1, Outcome::Success);
        calls(&breaker, 1, Outcome::Failure);
        assert_eq!(counts(&breaker), (6, 3, 0));
        let resize = |calls| reconfigure(&breaker, |config| config.window = Window::Count(calls));
        reconfigure(&breaker, |config| config.min_calls = 1);
        resize(4);
        assert_eq!(counts(&breaker), (4, 3, 0));
        resize(3);
        assert_eq!(counts(&breaker), (3, 2, 0));
        resize(100);
        assert_eq!(counts(&breaker), (3, 2, 0), "what has left does not return");
        calls(&breaker, 97, Outcome::Success);
        assert_eq!(counts(&breaker), (100, 2, 0));
        call(&breaker, Outcome::Success);
        assert_eq!(counts(&breaker), (100, 1, 0), "the oldest leaves first");
        resize(1);
        assert_eq!(counts(&breaker), (1, 0, 0));
    });
}

#[test]
fn a_refused_reconfiguration_leaves_everything_as_it_is() {
    paused(async {
        let breaker = counting(10, 1.0);
        let running = breaker.try_acquire().expect("closed");
        calls(&breaker, 3, Outcome::Failure);
        let (config, seen) = (breaker.config(), breaker.snapshot());
        let mut bad = config.clone();
        (bad.window, bad.min_calls) = (Window::Count(5), 6);
        bad.failure_ratio = 0.1;
        let error = breaker
            .reconfigure(bad)
            .expect_err("min_calls above the window");
        assert_eq!(error.violations().len(), 1);
        assert_eq!((breaker.config(), breaker.snapshot()), (config, seen));
        running.failure();
        assert_eq!(counts(&breaker), (4, 4, 0));
    });
}

#[test]
fn only_another_kind_or_span_starts_empty_and_the_event_says_so() {
    paused(async {
        let breaker = counting(10, 1.0);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::clone(&heard);
        let _subscription = breaker.subscribe(move |event| {
            events.lock().unwrap().push(event.kind.clone());
        });
        let (count, time) = (Window::Count, |s| Window::Time(Duration::from_secs(s)));
        let mut generation = breaker.snapshot().generation;
        for (window, cleared) in [
            (count(12), false),
            (count(12), false),
            (time(10), true),
            (time(10), false),
            (time(20), true),
            (count(10), true),
        ] {
            let running = breaker.try_acquire().expect("closed");
            calls(&breaker, 2, Outcome::Success);
            let before = breaker.snapshot().calls;
            reconfigure(&breaker, |config| config.window = window);
            let kept = if cleared { 0 } else { before };
            assert_eq!(counts(&breaker), (kept, 0, 0), "{window:?}");
            let last = heard.lock().unwrap().pop();
            assert!(
                matches!(last, Some(EventKind::Reconfigured { window_cleared, .. })
                    if window_cleared == cleared),
                "{window:?}: {last:?}"
            );
            // Not a new generation: what runs still counts.
            running.success();
            assert_eq!(counts(&breaker), (kept + 1, 0, 0));
            assert_eq!(breaker.snapshot().generation, generation);
            assert_eq!(breaker.snapshot().late_results, 0);
        }
        breaker.reset();
        generation += 1;
        assert_eq!(counts(&breaker), (0, 0, 0));
        assert_eq!(breaker.snapshot().generation, generation);
    });
}

#[test]
fn closing_empties_the_window() {
    paused(async {
        let breaker = built(CircuitBreaker::builder().min_calls(4).probes(2));
        calls(&breaker, 4, Outcome::Failure);
        tokio::time::advance(breaker.config().open_for).await;
        calls(&breaker, 1, Outcome::Success);
        assert_eq!(counts(&breaker), (4, 4, 0), "half-open: as it was");
        calls(&breaker, 1, Outcome::Success);
        assert_eq!(state(&breaker), State::Closed);
        assert_eq!(counts(&breaker), (0, 0, 0));
        calls(&breaker, 3, Outcome::Failure);
        assert_eq!(state(&breaker), State::Closed);
    });
}
