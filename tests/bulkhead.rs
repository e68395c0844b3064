//! A bulkhead's places and its queue: who gets in, in what order, and that nothing is lost.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    fmt::Debug,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use buttress::{
    Bulkhead, Deadline, Error, Reason, Refusal, Rejected,
    guard::{Guarded, Yes},
};
use strict::{Ask, Failed, Strict, make_ready, panic_of, poll_ready, send};
use tokio::time::{advance, timeout};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// So many places, room for ten to wait, a second long, before a strict mock.
fn queueing(places: u32) -> (Bulkhead<Yes>, Guarded<Strict, Bulkhead<Yes>>) {
    let builder = Bulkhead::builder(places).max_queue(10).max_wait(SECOND);
    let bulkhead = builder.build().unwrap();
    let service = bulkhead.layer(Strict::new().0);
    (bulkhead, service)
}

/// In flight, queued.
fn seen(bulkhead: &Bulkhead<Yes>) -> (u64, u64) {
    let seen = bulkhead.snapshot();
    (seen.in_flight, seen.queued)
}

fn is_full(no: Option<&Rejected>) -> bool {
    let no = no.expect("a refusal");
    assert_eq!(no.policy(), "bulkhead");
    assert_eq!(no.retry_after(), None);
    assert!(!no.started());
    no.reason() == Reason::Full
}

fn assert_full<T: Debug>(answer: Poll<Result<T, BoxError>>) {
    assert!(is_full(assert_ready!(answer).unwrap_err().rejected()));
}

#[tokio::test(start_paused = true)]
async fn so_many_run_at_once_and_the_others_are_refused() {
    let bulkhead = Bulkhead::builder(2).build().unwrap();
    let mut service = bulkhead.layer(Strict::<BoxError>::new().0);
    let mut calls = [(); 2].map(|()| spawn(send(&mut service, Ask::answer().after(1))));
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert_eq!(bulkhead.snapshot().in_flight, 2);
    assert_full(spawn(send(&mut service, Ask::panic_in_call())).poll());
    let without_tower = bulkhead.call(|| async { Ok::<_, Failed>(()) }).await;
    assert!(is_full(without_tower.unwrap_err().rejected()));
    assert!(is_full(Some(&bulkhead.try_acquire().unwrap_err())));
    assert_eq!(bulkhead.snapshot().rejected, 3);

    assert_ready_ok!(calls[0].poll());
    // Its place is free as soon as it has answered, though its future is still there.
    assert_eq!(bulkhead.snapshot().in_flight, 1);
    send(&mut service, Ask::fail()).await.unwrap_err();
    assert_eq!(bulkhead.snapshot().in_flight, 1);
    let place = bulkhead.try_acquire().unwrap();
    assert_eq!(bulkhead.snapshot().in_flight, 2);
    drop((place, calls));
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_one_answers_over_an_inner_service_that_is_never_ready() {
    let bulkhead = Bulkhead::builder(1).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = bulkhead.layer(strict);
    let running = send(&mut service, Ask::answer());
    watch.hold_back();
    assert_ready_ok!(poll_ready(&mut service));
    drop(running);
    // That readiness was not the inner service's: it is refused, though there is a place by now.
    let refused = service.call(Ask::answer()).await.unwrap_err();
    assert!(is_full(refused.rejected()));
    assert_eq!(bulkhead.snapshot().rejected, 1);
    assert_pending!(poll_ready(&mut service));
}

#[tokio::test(start_paused = true)]
async fn an_idle_readied_service_holds_no_place() {
    let (bulkhead, mut service) = queueing(1);
    let mut idle = service.clone();
    make_ready(&mut idle);
    make_ready(&mut service);
    assert_eq!(seen(&bulkhead), (0, 0));
    service.call(Ask::answer()).await.unwrap();
    assert_eq!(bulkhead.snapshot().waits, 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_start_in_the_order_of_arrival() {
    let (bulkhead, mut service) = queueing(1);
    let mut calls = [(); 4].map(|()| spawn(send(&mut service, Ask::answer().after(1))));
    assert_eq!(seen(&bulkhead), (1, 3));
    // Arrival was `call`; which of them is polled first does not matter.
    for call in calls.iter_mut().rev() {
        assert_pending!(call.poll());
    }
    for n in 0..4 {
        let later = calls[n + 1..].iter();
        assert!(later.clone().all(|call| !call.is_woken()));
        while calls[n].poll().is_pending() {}
        if n < 3 {
            assert!(calls[n + 1].is_woken(), "the first, and nobody else");
        }
        assert_eq!(
            seen(&bulkhead),
            (u64::from(n < 3), 2_u64.saturating_sub(n as u64))
        );
    }
    assert_eq!(bulkhead.snapshot().waits, 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_passes_by_while_somebody_waits() {
    let (bulkhead, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let mut first = spawn(send(&mut service, Ask::answer()));
    drop(running);
    // The place is handed over, though the one who has it was not even polled yet.
    assert_eq!(seen(&bulkhead), (1, 0));
    let mut second = spawn(send(&mut service, Ask::answer()));
    assert_pending!(second.poll());
    assert_ready_ok!(first.poll());
    assert!(second.is_woken());
    assert_ready_ok!(second.poll());
}

#[tokio::test(start_paused = true)]
async fn the_very_instance_that_was_made_ready_waits_with_the_call() {
    let (_, mut service) = queueing(1);
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    let mut waiting = Vec::new();
    for _ in 0..3 {
        make_ready(&mut service);
        let readied = service.get_ref().number();
        waiting.push((readied, spawn(service.call(Ask::answer()))));
    }
    assert!(panic_of(|| service.get_mut().call(Ask::answer())).contains("polled ready"));
    assert_ready_ok!(running.poll());
    for (readied, call) in &mut waiting {
        assert_eq!(assert_ready_ok!(call.poll()), *readied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses() {
    let bulkhead = Bulkhead::builder(1).max_queue(2).max_wait(SECOND);
    let bulkhead = bulkhead.build().unwrap();
    let mut service = bulkhead.layer(Strict::<BoxError>::new().0);
    let mut calls = [(); 3].map(|()| spawn(send(&mut service, Ask::answer())));
    assert_eq!(seen(&bulkhead), (1, 2));
    for _ in 0..2 {
        assert_full(spawn(send(&mut service, Ask::panic_in_call())).poll());
        assert!(is_full(bulkhead.acquire().await.err().as_ref()));
    }
    assert_eq!(bulkhead.snapshot().rejected, 4);
    // One leaves the queue, and there is room again.
    assert_ready_ok!(calls[0].poll());
    let last = spawn(send(&mut service, Ask::answer()));
    assert_eq!(seen(&bulkhead), (1, 2));
    drop((calls, last));
    assert_eq!(seen(&bulkhead), (0, 0));
    assert_eq!(bulkhead.snapshot().timed_out, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_takes_too_long_is_refused_and_its_turn_is_the_next_ones() {
    let (bulkhead, mut service) = queueing(1);
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    let mut hasty = spawn(send(&mut service, Ask::panic_in_call()));
    assert_pending!(hasty.poll());
    advance(SECOND / 2).await;
    let mut next = spawn(send(&mut service, Ask::answer()));
    assert_pending!(next.poll());
    advance(SECOND / 2 - MS).await;
    assert!(!hasty.is_woken());
    assert_pending!(hasty.poll());
    assert_eq!(seen(&bulkhead), (1, 2));
    advance(MS).await;
    assert!(hasty.is_woken());
    assert_full(hasty.poll());
    let snapshot = bulkhead.snapshot();
    assert_eq!((snapshot.rejected, snapshot.timed_out), (1, 1));
    assert_eq!(seen(&bulkhead), (1, 1));

    advance(SECOND / 4).await;
    assert_ready_ok!(running.poll());
    assert!(next.is_woken());
    assert_ready_ok!(next.poll());
    drop(hasty);
    assert_eq!(seen(&bulkhead), (0, 0));
    let snapshot = bulkhead.snapshot();
    assert_eq!(snapshot.waits, 1);
    assert_eq!(snapshot.waited, SECOND * 3 / 4, "those that were let in");
}

#[tokio::test(start_paused = true)]
async fn the_wait_begins_with_the_call_and_not_with_its_first_poll() {
    let (bulkhead, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let mut late = spawn(send(&mut service, Ask::panic_in_call()));
    advance(SECOND).await;
    assert_full(late.poll());
    drop(running);
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_with_the_end_of_the_wait_counts() {
    let (bulkhead, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let mut lucky = spawn(send(&mut service, Ask::answer()));
    assert_pending!(lucky.poll());
    advance(SECOND).await;
    assert!(lucky.is_woken());
    drop(running);
    assert_ready_ok!(lucky.poll());
    let snapshot = bulkhead.snapshot();
    assert_eq!((snapshot.waits, snapshot.timed_out), (1, 0));
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_in_a_task_that_has_used_up_its_turn() {
    let (bulkhead, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let late = send(&mut service, Ask::panic_in_call());
    advance(SECOND).await;
    let busy = async move {
        let mut late = pin!(late);
        poll_fn(|cx| {
            // No timer is heard any more in this poll of the task.
            while pin!(tokio::task::coop::consume_budget())
                .poll(cx)
                .is_ready()
            {}
            assert!(late.as_mut().poll(cx).is_ready());
            Poll::Ready(())
        })
        .await;
    };
    // A task of its own, since only those are held to it.
    tokio::spawn(busy).await.unwrap();
    assert_eq!(bulkhead.snapshot().timed_out, 1);
    drop(running);
    assert_eq!(seen(&bulkhead), (0, 0));
}

/// Whatever has become of its turn by then.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_leaves_no_trace() {
    for polls in 0..=2 {
        for handed_over in [false, true] {
            let (bulkhead, mut service) = queueing(1);
            let running = spawn(send(&mut service, Ask::answer()));
            let mut dropped = spawn(send(&mut service, Ask::panic_in_call()));
            let mut next = spawn(send(&mut service, Ask::answer()));
            (0..polls).for_each(|_| assert_pending!(dropped.poll()));
            assert_pending!(next.poll());
            if handed_over {
                drop(running);
                assert_eq!(seen(&bulkhead), (1, 1));
                assert!(!next.is_woken());
                drop(dropped);
            } else {
                drop(dropped);
                assert_eq!(seen(&bulkhead), (1, 1));
                drop(running);
            }
            assert!(next.is_woken(), "its turn was passed on");
            assert_ready_ok!(next.poll());
            assert_eq!(seen(&bulkhead), (0, 0));
            let snapshot = bulkhead.snapshot();
            assert_eq!((snapshot.rejected, snapshot.waits), (0, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_in_hand_of_the_last_who_is_dropped_is_free() {
    let (bulkhead, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let lucky = spawn(send(&mut service, Ask::panic_in_call()));
    drop(running);
    assert_eq!(seen(&bulkhead), (1, 0));
    drop(lucky);
    assert_eq!(seen(&bulkhead), (0, 0));
    send(&mut service, Ask::answer()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_after_its_wait_gives_its_place_back() {
    for polls in 1..=3 {
        let (bulkhead, mut service) = queueing(1);
        let running = spawn(send(&mut service, Ask::answer()));
        let mut call = spawn(send(&mut service, Ask::answer().after(5)));
        drop(running);
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        assert_eq!(seen(&bulkhead), (1, 0));
        drop(call);
        assert_eq!(seen(&bulkhead), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_the_place_back() {
    for panics in [Ask::panic_in_call as fn() -> Ask, Ask::panic_in_poll] {
        for waits in [false, true] {
            let (bulkhead, mut service) = queueing(1);
            let running = waits.then(|| spawn(send(&mut service, Ask::answer())));
            let words = panic_of(|| {
                let mut call = spawn(send(&mut service, panics()));
                drop(running);
                let _ = call.poll();
            });
            assert!(words.contains("the mock panics"));
            assert_eq!(seen(&bulkhead), (0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_moves_to_another_task_is_woken_there() {
    let (_, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let mut waiting = Box::pin(send(&mut service, Ask::answer()));
    assert_pending!(spawn(&mut waiting).poll());
    let mut moved = spawn(waiting);
    assert_pending!(moved.poll());
    drop(running);
    assert!(moved.is_woken());
    assert_ready_ok!(moved.poll());
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_covers_the_wait() {
    let (bulkhead, mut service) = queueing(1);
    let running = spawn(send(&mut service, Ask::answer()));
    let waiting = send(&mut service, Ask::panic_in_call());
    assert!(timeout(SECOND / 2, waiting).await.is_err());
    assert_eq!(seen(&bulkhead), (1, 0));
    drop(running);
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait() {
    let (bulkhead, mut patient) = queueing(1);
    let deadline = Deadline::after(SECOND / 2);
    let hasty = bulkhead.clone().deadline(move |_: &Ask| Some(deadline));
    let mut service = hasty.layer(Strict::<BoxError>::new().0);
    let running = spawn(send(&mut patient, Ask::answer()));
    let mut late = spawn(send(&mut service, Ask::panic_in_call()));
    let mut next = spawn(send(&mut patient, Ask::answer()));
    assert_pending!(late.poll());
    assert_pending!(next.poll());
    advance(SECOND / 2).await;
    let error = assert_ready!(late.poll()).unwrap_err();
    let no = error.rejected().unwrap();
    assert_eq!((no.policy(), no.reason()), ("bulkhead", Reason::Expired));
    assert_eq!(seen(&bulkhead), (1, 1));
    // When it has passed already there is no wait at all.
    let late = send(&mut service, Ask::panic_in_call());
    assert_eq!(seen(&bulkhead), (1, 1));
    let error = late.await.unwrap_err();
    assert_eq!(error.rejected().unwrap().reason(), Reason::Expired);
    let snapshot = bulkhead.snapshot();
    assert_eq!(
        (snapshot.rejected, snapshot.expired, snapshot.timed_out),
        (2, 2, 0)
    );
    drop(running);
    assert_ready_ok!(next.poll());
    // And where there is a place, nobody asks.
    assert!(send(&mut service, Ask::answer()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_after_the_deadline_is_passed_on() {
    let (bulkhead, mut patient) = queueing(1);
    let deadline = Deadline::after(SECOND / 2);
    let hasty = bulkhead.clone().deadline(move |_: &Ask| Some(deadline));
    let mut service = hasty.layer(Strict::<BoxError>::new().0);
    let running = spawn(send(&mut patient, Ask::answer()));
    let mut late = spawn(send(&mut service, Ask::panic_in_call()));
    let mut next = spawn(send(&mut patient, Ask::answer()));
    assert_pending!(late.poll());
    assert_pending!(next.poll());
    drop(running);
    advance(SECOND / 2).await;
    let error = assert_ready!(late.poll()).unwrap_err();
    assert_eq!(error.rejected().unwrap().reason(), Reason::Expired);
    assert!(next.is_woken());
    assert_ready_ok!(next.poll());
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_tower_it_waits_just_the_same() {
    let (bulkhead, _) = queueing(1);
    let place = bulkhead.acquire().await.unwrap();
    let mut called = spawn(bulkhead.call(|| async { Ok::<_, Failed>(2) }));
    let mut acquired = spawn(bulkhead.acquire());
    assert_pending!(acquired.poll());
    assert_pending!(called.poll());
    place.success();
    let answer: Poll<Result<i32, Error<Failed>>> = called.poll();
    assert_eq!(assert_ready_ok!(answer), 2);
    let place = assert_ready_ok!(acquired.poll());
    assert_eq!(seen(&bulkhead), (1, 0));
    drop(place);
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn clones_and_services_share_the_places_and_a_fork_has_its_own() {
    let bulkhead = Bulkhead::builder(1).name("eu").build().unwrap();
    let mut services = [(); 2].map(|()| bulkhead.layer(Strict::<BoxError>::new().0));
    let running = send(&mut services[0], Ask::answer());
    let refused = send(&mut services[1], Ask::answer()).await.unwrap_err();
    assert_eq!(refused.rejected().unwrap().policy(), "eu");
    assert!(bulkhead.clone().try_acquire().is_err());
    let fork = bulkhead.fork("us");
    assert_eq!((fork.name(), fork.config()), ("us", bulkhead.config()));
    assert!(fork.try_acquire().is_ok());
    drop(running);

    let patient = queueing(1).0.deadline(|(): &()| None::<Deadline>);
    assert_eq!(patient.fork("us").snapshot().limit, 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_idle_when_nobody_runs_and_nobody_waits() {
    use buttress::guard::{Now, Policy};

    let (bulkhead, _) = queueing(2);
    let idle = || bulkhead.policy().idle(&Now::lazy());
    assert!(idle());
    let mut places = Vec::new();
    for _ in 0..2 {
        places.push(bulkhead.acquire().await.unwrap());
        assert!(!idle());
    }
    let waiting = bulkhead.acquire();
    drop(places);
    assert!(!idle(), "one has its place in hand");
    drop(waiting);
    assert!(idle());
}
