//! The right to run one call, waited for.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::time::Duration;

use buttress::{CircuitBreaker, Deadline, Reason, guard::Guard};
use policies::{Log, Queue, Spy};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};

#[tokio::test(start_paused = true)]
async fn permits_are_waited_for_in_the_order_of_asking() {
    let guard = Guard::new(Queue::new(1, 10));
    let held = guard.acquire().await.unwrap();
    let mut second = spawn(guard.acquire());
    let mut third = spawn(guard.acquire());
    // Who is polled first does not matter.
    assert_pending!(third.poll());
    assert_pending!(second.poll());
    held.success();
    assert!(second.is_woken() && !third.is_woken());
    let held = assert_ready_ok!(second.poll());
    assert_pending!(third.poll());
    drop(held);
    assert_ready_ok!(third.poll()).failure();
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_for_a_permit_gives_up_his_turn() {
    for polls in 0..=1 {
        let guard = Guard::new(Queue::new(1, 10));
        let held = guard.acquire().await.unwrap();
        let mut dropped = spawn(guard.acquire());
        (0..polls).for_each(|_| assert_pending!(dropped.poll()));
        drop(dropped);
        assert_eq!(guard.policy().free_and_waiting(), (0, 0));
        drop(held);
        assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn how_the_call_ended_is_the_permits_to_say() {
    let log = Log::default();
    let guard = Guard::new((Queue::new(1, 1), Spy::new("b", &log)));
    guard.acquire().await.unwrap().failure();
    drop(guard.acquire().await.unwrap());
    assert_eq!(
        log.take_effects(),
        ["b admit", "b failure", "b admit", "b abandoned"]
    );
    // A future that was never polled holds the permit already.
    drop(guard.acquire());
    assert_eq!(log.take_effects(), ["b admit", "b abandoned"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_error() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    breaker.acquire().await.unwrap().success();
    breaker.force_open();
    let refused = breaker.acquire().await.unwrap_err();
    assert_eq!(refused.reason(), Reason::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_a_permit() {
    let deadline = Deadline::after(Duration::from_secs(1));
    let guard = Guard::new(Queue::new(1, 10)).deadline(move |(): &()| Some(deadline));
    let held = guard.acquire().await.unwrap();
    let mut waiting = spawn(guard.acquire());
    assert_pending!(waiting.poll());
    advance(Duration::from_secs(1)).await;
    assert!(waiting.is_woken());
    let refused = assert_ready_err!(waiting.poll());
    assert_eq!(refused.reason(), Reason::Expired);
    drop(held);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}
