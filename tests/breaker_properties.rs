//! The circuit breaker against a naive reference, and what must hold whatever happens to it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

use std::{
    future::{Pending, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    time::Duration,
};

use buttress::{
    CircuitBreaker, Outcome,
    breaker::State,
    guard::{Call, Permit},
};
use futures::FutureExt;
use proptest::{
    prelude::*,
    test_runner::{Config as Runs, TestCaseError},
};
use support::{
    Dice, advance, call,
    pair::Pair,
    paused, state,
    steps::{History, history},
};
use tokio::time::Instant;

const OUTCOMES: [Outcome; 4] = [
    Outcome::Success,
    Outcome::Failure,
    Outcome::Ignored,
    Outcome::Abandoned,
];
const SECOND: u64 = 1_000_000_000;

async fn live(history: History) -> Result<(), TestCaseError> {
    advance(history.born).await;
    let mut pair = Pair::new(history.config, history.scale);
    for step in history.steps {
        pair.step(step).await?;
        if history.watched {
            pair.look()?;
        }
    }
    pair.end_all()?;
    pair.look()
}

proptest! {
    #![proptest_config(Runs { cases: 2_000, failure_persistence: None, ..Runs::default() })]

    #[test]
    fn does_what_the_naive_reference_does(history in history()) {
        paused(live(history))?;
    }
}

/// Random settings in small numbers, without orders to come: all that opens also closes.
fn any_breaker(dice: &mut Dice) -> CircuitBreaker {
    let nanos = |n| Duration::from_nanos(n);
    let mut builder = CircuitBreaker::builder()
        .min_calls(dice.between(1, 3) as u32)
        .failure_ratio(dice.pick(&[0.1, 0.5, 1.0]))
        .open_for(nanos(dice.between(1, 30)))
        .open_growth(dice.pick(&[1.0, 2.0]), nanos(100))
        .probes(dice.between(1, 5) as u32)
        .probe_timeout(nanos(dice.between(1, 30)))
        .seed(dice.roll());
    builder = match dice.pick(&[true, false]) {
        true => builder.count_window(dice.between(3, 10) as u32),
        false => builder.time_window(nanos(dice.between(1, 100))),
    };
    if dice.once_in(2) {
        builder = builder
            .slow_call_duration(nanos(dice.between(1, 20)))
            .slow_call_ratio(dice.pick(&[0.2, 0.6, 1.0]));
    }
    if dice.once_in(2) {
        builder = builder.ramp(nanos(dice.between(1, 50)));
    }
    builder.build().expect("valid")
}

type Hung = Pin<Box<Call<fn() -> Pending<Result<(), ()>>, CircuitBreaker>>>;

/// One of the worst things that callers and dependencies do.
async fn misbehave(
    breaker: &CircuitBreaker,
    hung: &mut Vec<Hung>,
    late: &mut Vec<Permit<CircuitBreaker>>,
    dice: &mut Dice,
) {
    let forever: fn() -> Pending<Result<(), ()>> = pending;
    // Unwinds like any panic, but past the hook that would print it.
    let unwind = || -> Result<(), ()> { resume_unwind(Box::new("the inner service panicked")) };
    match dice.between(0, 11) {
        0 | 1 => {
            let _ = breaker.call(|| ready(Err::<(), ()>(()))).now_or_never();
        }
        2 | 3 => {
            let mut call = Box::pin(breaker.call(forever));
            if call.as_mut().now_or_never().is_none() {
                hung.push(call);
            }
        }
        4 => drop(breaker.call(forever)),
        5 => {
            let in_future = AssertUnwindSafe(|| breaker.call(|| async { unwind() }).now_or_never());
            let _ = catch_unwind(in_future);
        }
        6 => {
            let at_once = AssertUnwindSafe(|| breaker.call(|| ready(unwind())).now_or_never());
            let _ = catch_unwind(at_once);
        }
        7 => late.extend(breaker.try_acquire()),
        8 => {
            if let Some(permit) = late.pop() {
                permit.settle(dice.pick(&OUTCOMES));
            }
        }
        9 => {
            let at = dice.roll() as usize;
            if let Some(at) = at.checked_rem(hung.len()) {
                drop(hung.swap_remove(at));
            }
        }
        10 => advance(dice.between(1, 30)).await,
        _ => match breaker.snapshot().next_probe_at {
            Some(at) => tokio::time::advance(at - Instant::now()).await,
            None => breaker.force_open_for(Duration::from_nanos(dice.between(0, 20))),
        },
    }
}

#[test]
fn a_healthy_dependency_is_always_reached_again() {
    let mut dice = Dice(1);
    let mut recoveries = 0;
    paused(async {
        for schedule in 0..10_000 {
            let breaker = any_breaker(&mut dice);
            let (mut hung, mut late) = (Vec::new(), Vec::new());
            for _ in 0..dice.between(5, 40) {
                misbehave(&breaker, &mut hung, &mut late, &mut dice).await;
            }
            // From here on all is well, but what hangs may hang for ever.
            if dice.once_in(2) {
                (hung, late) = (Vec::new(), Vec::new());
            }
            let config = breaker.config();
            recoveries += u32::from(state(&breaker) != State::Closed);
            let (mut succeeded, mut waits) = (0, 0);
            while state(&breaker) != State::Closed {
                match breaker.try_acquire() {
                    Ok(permit) => {
                        permit.success();
                        succeeded += 1;
                    }
                    Err(no) => {
                        let wait = no.retry_after().unwrap_or(config.probe_timeout);
                        tokio::time::advance(wait).await;
                        waits += 1;
                    }
                }
                // At worst the probes that hang take the breaker back to open once more.
                assert!(
                    succeeded <= 2 * config.probes && waits <= 2,
                    "schedule {schedule}: {:?} after {succeeded} successes and {waits} waits",
                    breaker.snapshot(),
                );
            }
            drop((hung, late));
        }
    });
    assert!(
        recoveries > 2_000,
        "the schedules are too tame: {recoveries}"
    );
}

#[test]
fn a_late_result_is_counted_as_late_and_changes_nothing() {
    let mut dice = Dice(2);
    let mut late_results = [0; OUTCOMES.len()];
    paused(async {
        for _ in 0..10_000 {
            let breaker = any_breaker(&mut dice);
            let mut running = Vec::new();
            for _ in 0..40 {
                match dice.between(0, 15) {
                    0..=4 => {
                        if let Ok(permit) = breaker.try_acquire() {
                            running.push((permit, breaker.snapshot().generation));
                        }
                    }
                    5 => breaker.reset(),
                    6 => breaker.force_closed(),
                    7 => breaker.force_open_for(Duration::from_nanos(dice.between(0, 20))),
                    8..=10 => advance(dice.between(1, 30)).await,
                    _ if running.is_empty() => {}
                    _ => {
                        let at = dice.roll() as usize % running.len();
                        let (permit, generation) = running.swap_remove(at);
                        let which = dice.between(0, 3) as usize;
                        let mut before = breaker.snapshot();
                        permit.settle(OUTCOMES[which]);
                        if generation != before.generation {
                            late_results[which] += 1;
                            before.late_results += 1;
                            assert_eq!(breaker.snapshot(), before);
                        }
                    }
                }
            }
        }
    });
    assert!(
        late_results.iter().all(|n| *n > 1_000),
        "the schedules are too punctual: {late_results:?}"
    );
}

/// Half-open with one probe of two hanging since a second, which is enough to open it.
async fn with_a_hung_probe(breaker: &CircuitBreaker) -> Permit<CircuitBreaker> {
    call(breaker, Outcome::Failure);
    advance(SECOND).await;
    let hung = breaker.try_acquire().expect("a probe");
    advance(SECOND).await;
    hung
}

fn for_hung_probes() -> CircuitBreaker {
    CircuitBreaker::builder()
        .min_calls(1)
        .probes(2)
        .open_for(Duration::from_secs(1))
        .open_jitter(0.0)
        .probe_timeout(Duration::from_secs(1))
        .build()
        .expect("valid")
}

#[test]
fn a_hung_probe_is_noticed_when_a_late_success_is_settled() {
    paused(async {
        let breaker = for_hung_probes();
        let late = breaker.try_acquire().expect("closed");
        let _hung = with_a_hung_probe(&breaker).await;
        late.success();
        let noticed = Instant::now();
        advance(1).await;
        assert_eq!(breaker.snapshot().since, noticed);
    });
}

#[test]
fn a_hung_probe_is_noticed_when_an_unjudged_call_is_settled() {
    paused(async {
        let breaker = for_hung_probes();
        breaker.disable();
        call(&breaker, Outcome::Failure);
        let unjudged = breaker.try_acquire().expect("disabled");
        advance(SECOND).await;
        let _hung = breaker.try_acquire().expect("a probe");
        advance(SECOND).await;
        unjudged.success();
        let reopens_at = Instant::now() + Duration::from_secs(1);
        advance(1).await;
        assert_eq!(breaker.snapshot().next_probe_at, Some(reopens_at));
    });
}
