//! An ending of another kind: the call ends with the body of its response, and until then the body
//! holds what the call held.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::time::Duration;

use buttress::{
    CircuitBreaker, Outcome, Refusal,
    breaker::State,
    guard::{EndWith, Ending, Guard, Guarded, Judge, Policy, Settlement},
};
use policies::Queue;
use strict::{Ask, Strict, panic_of, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer};

/// The call ends with the body.
#[derive(Debug, Clone, Copy)]
struct AtBodyEnd;

/// A response body that settles the call: read to its end, broken on the way, or dropped.
#[derive(Debug)]
struct Body<G: Policy> {
    chunks: u32,
    settlement: Option<Settlement<G>>,
}

#[derive(Debug)]
struct Broken;

impl<G: Policy> Body<G> {
    fn next(&mut self) -> Option<u32> {
        match self.chunks.checked_sub(1) {
            Some(left) => {
                self.chunks = left;
                Some(left)
            }
            None => {
                self.end(Outcome::Success);
                None
            }
        }
    }

    fn break_off(&mut self) -> Broken {
        self.end(Outcome::Failure);
        Broken
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(settlement) = self.settlement.take() {
            settlement.settle(outcome);
        }
    }
}

impl<G: Policy> Ending<G, u32, BoxError> for AtBodyEnd
where
    G::Judges: Judge<G, u32, BoxError>,
{
    type Response = Body<G>;

    fn end(
        &self,
        result: Result<u32, BoxError>,
        settlement: Settlement<G>,
    ) -> Result<Body<G>, BoxError> {
        match result {
            Ok(_) => Ok(Body {
                chunks: 2,
                settlement: Some(settlement),
            }),
            // No body comes: the guard's own classifier judges.
            Err(error) => {
                settlement.judge::<u32, _>(Err(&error));
                Err(error)
            }
        }
    }
}

type Both = Guard<(CircuitBreaker, Queue)>;

/// A breaker that is about to probe, and a bulkhead with one place.
async fn guarded() -> (Guarded<Strict, Both, AtBodyEnd>, CircuitBreaker, Both) {
    let second = Duration::from_secs(1);
    let breaker = CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(second)
        .open_jitter(0.0)
        .probes(1)
        .build()
        .unwrap();
    breaker.try_acquire().unwrap().failure();
    advance(second).await;
    let guard = Guard::new((breaker.clone(), Queue::new(1, 0)));
    let service = guard.layer(Strict::new().0).end_with(AtBodyEnd);
    (service, breaker, guard)
}

fn free(guard: &Both) -> usize {
    guard.policy().1.free_and_waiting().0
}

#[tokio::test(start_paused = true)]
async fn probe_and_place_are_held_until_the_body_has_been_read() {
    let (mut service, breaker, guard) = guarded().await;
    let mut call = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(call.poll());
    let mut body = assert_ready_ok!(call.poll());
    drop(call);
    for _ in 0..2 {
        assert!(body.next().is_some());
        assert_eq!(breaker.snapshot().probes.unwrap().running, 1);
        assert_eq!(free(&guard), 0);
        let refused = send(&mut service, Ask::answer()).await.unwrap_err();
        assert!(refused.rejected().is_some());
    }
    assert!(body.next().is_none());
    assert_eq!(breaker.snapshot().state, State::Closed);
    assert_eq!(free(&guard), 1);
    drop(body);
    assert_eq!(free(&guard), 1, "it ended once");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_is_a_failure() {
    let (mut service, breaker, guard) = guarded().await;
    let mut body = send(&mut service, Ask::answer()).await.unwrap();
    body.next();
    body.break_off();
    assert_eq!(breaker.snapshot().state, State::Open);
    assert_eq!(free(&guard), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_half_read_is_abandoned() {
    let (mut service, breaker, guard) = guarded().await;
    for chunks in 0..=2 {
        let mut body = send(&mut service, Ask::answer()).await.unwrap();
        (0..chunks).for_each(|_| assert!(body.next().is_some()));
        assert_eq!(breaker.snapshot().probes.unwrap().running, 1);
        drop(body);
        let probes = breaker.snapshot().probes.unwrap();
        assert_eq!((probes.running, probes.judged, free(&guard)), (0, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_outlives_the_service_and_every_handle_to_the_guard() {
    let (mut service, breaker, guard) = guarded().await;
    let mut body = send(&mut service, Ask::answer()).await.unwrap();
    drop((service, guard));
    while body.next().is_some() {}
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn without_a_body_the_call_ends_as_ever() {
    let (mut service, breaker, guard) = guarded().await;
    send(&mut service, Ask::fail()).await.unwrap_err();
    assert_eq!((breaker.snapshot().state, free(&guard)), (State::Open, 1));

    let (mut service, breaker, guard) = guarded().await;
    panic_of(|| spawn(send(&mut service, Ask::panic_in_poll())).poll());
    assert_eq!((breaker.snapshot().state, free(&guard)), (State::Open, 1));

    let (mut service, breaker, guard) = guarded().await;
    let mut dropped = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(dropped.poll());
    drop(dropped);
    assert_eq!(breaker.snapshot().probes.unwrap().running, 0);
    assert_eq!(free(&guard), 1);
}
