//! Policies that make a call wait: in a queue, and for a delay. The wait is the call's own; what is
//! held goes back whenever the caller loses patience.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::{future::Ready, task::Poll, time::Duration};

use buttress::{
    Error, Reason, Refusal,
    guard::{Guard, Guarded},
};
use policies::{Log, Pace, Queue};
use strict::{Ask, Failed, Strict, make_ready, panic_of, poll_ready, send};
use tokio::time::{advance, timeout};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service};

/// One place, and room for ten in the queue, before a strict mock.
fn queue() -> (Guard<Queue>, Guarded<Strict, Guard<Queue>>) {
    let guard = Guard::new(Queue::new(1, 10));
    let service = guard.layer(Strict::new().0);
    (guard, service)
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_start_in_the_order_of_arrival() {
    let (guard, mut service) = queue();
    let mut first = spawn(send(&mut service, Ask::answer().after(1)));
    let mut second = spawn(send(&mut service, Ask::answer()));
    let mut third = spawn(send(&mut service, Ask::answer()));
    // Arrival was `call`; which of them is polled first does not matter.
    assert_pending!(third.poll());
    assert_pending!(second.poll());
    assert_pending!(first.poll());
    assert_eq!(guard.policy().free_and_waiting(), (0, 2));

    assert_ready_ok!(first.poll());
    assert!(second.is_woken());
    assert!(!third.is_woken());
    assert_pending!(third.poll());
    assert_ready_ok!(second.poll());
    assert!(third.is_woken());
    assert_ready_ok!(third.poll());
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_very_instance_that_was_made_ready_waits_with_the_call() {
    let (_, mut service) = queue();
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    let mut waiting = Vec::new();
    for _ in 0..3 {
        make_ready(&mut service);
        let readied = service.get_ref().number();
        waiting.push((readied, spawn(service.call(Ask::answer()))));
        assert_ne!(service.get_ref().number(), readied, "a clone stays behind");
    }
    // What stays behind owns no readiness.
    assert!(panic_of(|| service.get_mut().call(Ask::answer())).contains("polled ready"));
    assert_ready_ok!(running.poll());
    for (readied, call) in &mut waiting {
        // The mock panics if it was not polled ready, and answers with its number.
        assert_eq!(assert_ready_ok!(call.poll()), *readied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_leaves_no_trace() {
    for polls in 0..=2 {
        let (guard, mut service) = queue();
        let mut running = spawn(send(&mut service, Ask::answer().after(1)));
        assert_pending!(running.poll());
        let mut dropped = spawn(send(&mut service, Ask::answer()));
        let mut next = spawn(send(&mut service, Ask::answer()));
        assert_pending!(next.poll());
        (0..polls).for_each(|_| assert_pending!(dropped.poll()));
        drop(dropped);
        assert_eq!(guard.policy().free_and_waiting(), (0, 1));
        assert_ready_ok!(running.poll());
        assert!(next.is_woken(), "its turn was passed on");
        assert_ready_ok!(next.poll());
        assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_with_a_place_in_hand_passes_it_on() {
    let (guard, mut service) = queue();
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    let mut lucky = spawn(send(&mut service, Ask::answer()));
    let mut next = spawn(send(&mut service, Ask::answer()));
    assert_pending!(lucky.poll());
    assert_pending!(next.poll());
    assert_ready_ok!(running.poll());
    // It has the place, and was not polled since.
    assert!(lucky.is_woken());
    drop(lucky);
    assert!(next.is_woken());
    assert_ready_ok!(next.poll());

    // Nobody behind it: the place is free.
    let mut running = spawn(send(&mut service, Ask::answer()));
    let lucky = spawn(send(&mut service, Ask::answer()));
    assert_ready_ok!(running.poll());
    drop(lucky);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_after_its_wait_gives_its_place_back() {
    for polls in 1..=3 {
        let (guard, mut service) = queue();
        let running = spawn(send(&mut service, Ask::answer()));
        let mut call = spawn(send(&mut service, Ask::answer().after(5)));
        drop(running);
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        assert_eq!(guard.policy().free_and_waiting(), (0, 0));
        drop(call);
        assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_wait_gives_its_place_back() {
    for panics in [Ask::panic_in_call(), Ask::panic_in_poll()] {
        let (guard, mut service) = queue();
        let running = spawn(send(&mut service, Ask::answer()));
        let mut call = spawn(send(&mut service, panics));
        drop(running);
        assert!(panic_of(|| call.poll()).contains("the mock panics"));
        assert_eq!(guard.policy().free_and_waiting(), (1, 0));
        drop(call);
        assert_eq!(guard.policy().free_and_waiting(), (1, 0), "once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_poll_ready_says_so_without_the_inner() {
    let guard = Guard::new(Queue::new(1, 1));
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = guard.layer(strict);
    let running = send(&mut service, Ask::answer());
    let waiting = send(&mut service, Ask::answer());
    watch.hold_back();
    assert_ready_ok!(poll_ready(&mut service));
    let error = service.call(Ask::answer()).await.unwrap_err();
    assert_eq!(error.rejected().unwrap().reason(), Reason::Full);
    drop(waiting);
    assert_pending!(poll_ready(&mut service));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn an_idle_readied_service_holds_no_place() {
    let (guard, mut service) = queue();
    let mut idle = service.clone();
    make_ready(&mut idle);
    make_ready(&mut service);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    service.call(Ask::answer()).await.unwrap();
    assert_eq!(guard.policy().arrivals(), 0, "nobody had to wait");
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_covers_the_wait() {
    let (guard, mut service) = queue();
    let running = spawn(send(&mut service, Ask::answer()));
    let waiting = send(&mut service, Ask::answer());
    let second = Duration::from_secs(1);
    assert!(timeout(second, waiting).await.is_err());
    assert_eq!(guard.policy().free_and_waiting(), (0, 0));
    drop(running);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn call_without_tower_waits_just_the_same() {
    let (guard, _) = queue();
    let mut first = spawn(guard.call(|| async {
        tokio::task::yield_now().await;
        Ok::<_, Failed>(1)
    }));
    let mut made = false;
    let mut second = spawn(guard.call(|| {
        made = true;
        async { Ok::<_, Failed>(2) }
    }));
    assert_pending!(second.poll());
    assert_pending!(first.poll());
    assert_eq!(assert_ready_ok!(first.poll()), 1);
    assert!(second.is_woken());
    assert_eq!(assert_ready_ok!(second.poll()), 2);
    drop(second);
    assert!(made);

    // Dropped while it waits, it never makes its call.
    let first = guard.call(|| async { Ok::<_, Failed>(()) });
    let second = guard.call(|| -> Ready<Result<(), Failed>> { panic!("it never started") });
    assert_eq!(guard.policy().free_and_waiting(), (0, 1));
    drop(second);
    assert!(first.await.is_ok());
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_a_sleep_inside_the_call() {
    let log = Log::default();
    let every = Duration::from_millis(100);
    let guard = Guard::new(Pace::new(every, &log));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let mut now = spawn(send(&mut service, Ask::answer()));
    assert_ready_ok!(now.poll());
    let mut later = spawn(send(&mut service, Ask::answer()));
    let mut last = spawn(send(&mut service, Ask::answer()));
    assert_pending!(later.poll());
    assert_pending!(last.poll());
    advance(every).await;
    assert!(later.is_woken());
    assert_ready_ok!(later.poll());
    assert_pending!(last.poll());
    advance(every).await;
    assert_ready_ok!(last.poll());
    assert!(log.take().is_empty(), "nobody left, nothing was cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_given_up_is_the_next_ones() {
    let log = Log::default();
    let every = Duration::from_millis(100);
    let guard = Guard::new(Pace::new(every, &log));
    guard.call(|| async { Ok::<_, Failed>(()) }).await.unwrap();
    for polls in 0..=2 {
        let mut dropped = spawn(guard.call(|| async { Ok::<_, Failed>(()) }));
        (0..polls).for_each(|_| assert_pending!(dropped.poll()));
        drop(dropped);
        assert_eq!(log.take(), ["pace leave"]);
    }
    let mut next = spawn(guard.call(|| async { Ok::<_, Failed>(()) }));
    assert_pending!(next.poll());
    advance(every).await;
    let answer: Poll<Result<(), Error<Failed>>> = next.poll();
    assert_ready_ok!(answer);
}
