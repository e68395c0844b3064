//! How long an opened breaker waits, and how it lets callers back in: jitter, growth, ramp.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

use std::{collections::HashSet, time::Duration};

use buttress::{CircuitBreaker, Outcome, Reason, breaker::State};
use support::{Dice, advance, call, calls, paused, planned_wait, state};

const SECOND: u64 = 1_000_000_000;

/// Closed a moment ago, after one probe, with this ramp; failures do not open it.
fn ramping(ramp: u64) -> CircuitBreaker {
    let breaker = CircuitBreaker::builder()
        .time_window(Duration::from_secs(3_600))
        .min_calls(u32::MAX)
        .probes(1)
        .ramp(Duration::from_nanos(ramp))
        .build()
        .expect("valid");
    breaker.force_open_for(Duration::ZERO);
    call(&breaker, Outcome::Success);
    assert_eq!(state(&breaker), State::Closed);
    breaker
}

#[test]
fn a_ramp_lets_in_its_share_within_one_call() {
    let mut dice = Dice(3);
    paused(async {
        for _ in 0..1_000 {
            let ramp = dice.between(1_000, 10_000_000);
            let (busy, flaky) = (dice.between(5, 100), dice.between(4, 1_000));
            let breaker = ramping(ramp);
            let (mut t, mut share, mut admitted) = (0, 0.0, 0);
            while t < ramp {
                assert!(breaker.snapshot().recovering);
                share += (t as f64 / ramp as f64).max(0.1);
                match breaker.try_acquire() {
                    Ok(permit) if dice.once_in(flaky) => {
                        permit.failure();
                        t /= 2;
                        admitted += 1;
                    }
                    Ok(permit) => {
                        permit.success();
                        admitted += 1;
                    }
                    Err(no) => assert_eq!(no.reason(), Reason::Recovering),
                }
                let off = f64::from(admitted) - share;
                assert!(off.abs() <= 1.000_001, "{admitted} admitted of {share}");
                let gap = dice.between(0, ramp / busy);
                advance(gap).await;
                t += gap;
            }
            assert!(!breaker.snapshot().recovering);
            calls(&breaker, 20, Outcome::Success);
        }
    });
}

#[test]
fn a_ramp_ends_exactly_when_its_time_is_over() {
    paused(async {
        let breaker = ramping(SECOND);
        advance(SECOND - 1).await;
        assert!(breaker.snapshot().recovering);
        advance(1).await;
        assert!(!breaker.snapshot().recovering);
    });
}

/// Opens it at the first failure and tells how long it is to wait, so many times in a row.
async fn waits(breaker: &CircuitBreaker, times: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    while waits.len() < times {
        call(breaker, Outcome::Failure);
        let wait = planned_wait(breaker);
        waits.push(wait);
        tokio::time::advance(wait).await;
    }
    waits
}

#[test]
fn jitter_spreads_the_wait_and_a_seed_repeats_it() {
    let breaker = |seed: Option<u64>| {
        let mut builder = CircuitBreaker::builder().min_calls(1).probes(1);
        if let Some(seed) = seed {
            builder = builder.seed(seed);
        }
        builder.build().expect("valid")
    };
    paused(async {
        let (low, high) = (Duration::from_millis(4_500), Duration::from_millis(5_500));
        let drawn = waits(&breaker(None), 2_000).await;
        assert!(drawn.iter().all(|wait| (low..=high).contains(wait)));
        // All of the room is used, and evenly.
        assert!(
            drawn
                .iter()
                .any(|wait| *wait < Duration::from_millis(4_520))
        );
        assert!(
            drawn
                .iter()
                .any(|wait| *wait > Duration::from_millis(5_480))
        );
        let mean = drawn.iter().sum::<Duration>() / 2_000;
        assert!(mean.abs_diff(Duration::from_secs(5)) < Duration::from_millis(50));

        let mut fleet = HashSet::new();
        for _ in 0..20 {
            fleet.insert(waits(&breaker(None), 4).await);
        }
        assert_eq!(fleet.len(), 20, "without a seed no two are alike");
        let seeded = waits(&breaker(Some(7)), 50).await;
        assert_eq!(seeded, waits(&breaker(Some(7)), 50).await);
        assert_ne!(seeded, waits(&breaker(Some(8)), 50).await);
        // One breaker does not draw the same wait again and again.
        assert!(seeded.windows(2).all(|pair| pair[0] != pair[1]));
    });
}

fn growing() -> CircuitBreaker {
    CircuitBreaker::builder()
        .min_calls(1)
        .probes(1)
        .open_for(Duration::from_secs(1))
        .open_jitter(0.0)
        .open_growth(2.0, Duration::from_secs(5))
        .ramp(Duration::from_secs(3))
        .build()
        .expect("valid")
}

async fn whole_seconds(breaker: &CircuitBreaker, times: usize) -> Vec<u64> {
    let waits = waits(breaker, times).await;
    assert!(waits.iter().all(|wait| wait.subsec_nanos() == 0));
    waits.iter().map(Duration::as_secs).collect()
}

#[test]
fn the_wait_grows_up_to_its_cap_until_it_stayed_closed_as_long() {
    paused(async {
        for (closed_for, then) in [(5 * SECOND, 1), (5 * SECOND - 1, 5)] {
            let breaker = growing();
            assert_eq!(whole_seconds(&breaker, 6).await, [1, 2, 4, 5, 5, 5]);
            call(&breaker, Outcome::Success);
            assert_eq!(state(&breaker), State::Closed);
            // The time of the ramp, three seconds, is part of it.
            advance(closed_for).await;
            assert_eq!(whole_seconds(&breaker, 1).await, [then]);
        }
    });
}

#[test]
fn orders_forget_the_growth_and_do_not_count_for_it() {
    paused(async {
        let orders: [fn(&CircuitBreaker); 4] = [
            CircuitBreaker::reset,
            |breaker| breaker.force_open_for(Duration::ZERO),
            |breaker| {
                breaker.force_open();
                breaker.force_open_for(Duration::from_secs(0));
            },
            |breaker| {
                breaker.disable();
                breaker.reset();
            },
        ];
        for order in orders {
            let breaker = growing();
            assert_eq!(whole_seconds(&breaker, 3).await, [1, 2, 4]);
            order(&breaker);
            assert_eq!(whole_seconds(&breaker, 3).await, [1, 2, 4]);
        }
    });
}
