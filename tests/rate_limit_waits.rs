//! A rate limit that makes calls wait: each for the instant that it has reserved, in the order in which
//! they came, and whatever happens to the others.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;
mod support;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use buttress::{
    Deadline, Error, RateLimit, Reason, Refusal, Rejected,
    guard::{Guard, Guarded, Yes},
    rate_limit::Quota,
};
use policies::{Log, Queue, Spy};
use strict::{Ask, Strict, make_ready, panic_of, send};
use support::Dice;
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// 10 a second, one at once.
fn patient(max_wait: Duration) -> RateLimit<Yes> {
    let quota = Quota::per_second(n(10)).burst(n(1));
    RateLimit::builder(quota)
        .max_wait(max_wait)
        .build()
        .unwrap()
}

fn layered(limit: &RateLimit<Yes>) -> Guarded<Strict, RateLimit<Yes>> {
    limit.layer(Strict::new().0)
}

fn reason(error: &BoxError) -> (Reason, Option<Duration>) {
    let no = error.rejected().unwrap();
    (no.reason(), no.retry_after())
}

#[tokio::test(start_paused = true)]
async fn calls_start_at_the_instants_they_have_reserved_and_not_a_moment_before() {
    let limit = patient(SECOND);
    let mut service = layered(&limit);
    let mut calls: Vec<_> = (0..5)
        .map(|_| spawn(send(&mut service, Ask::answer())))
        .collect();
    assert_ready_ok!(calls.remove(0).poll());
    // Whichever is polled first: arrival was `call`.
    for call in calls.iter_mut().rev() {
        assert_pending!(call.poll());
    }
    for mut call in calls {
        advance(99 * MS).await;
        assert_pending!(call.poll());
        advance(MS).await;
        assert!(call.is_woken());
        assert_ready_ok!(call.poll());
    }
    let seen = limit.snapshot();
    assert_eq!((seen.waits, seen.waited), (4, SECOND));
    assert_eq!(seen.rejected, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_be_too_long_is_refused_at_once_and_takes_nothing() {
    let limit = patient(200 * MS);
    let mut service = layered(&limit);
    let _calls = [(); 3].map(|()| spawn(send(&mut service, Ask::answer())));
    for _ in 0..100 {
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        // Then it would not be refused, but wait for the 200 ms.
        assert_eq!(reason(&error), (Reason::RateLimited, Some(100 * MS)));
    }
    assert_eq!(limit.snapshot().rejected, 100);
    advance(100 * MS - Duration::from_nanos(1)).await;
    send(&mut service, Ask::answer()).await.unwrap_err();
    advance(Duration::from_nanos(1)).await;
    let begun = Instant::now();
    send(&mut service, Ask::answer()).await.unwrap();
    assert_eq!(begun.elapsed(), 200 * MS);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_start_in_the_order_of_arrival_at_their_instants() {
    let limit = patient(10_000 * SECOND);
    let mut service = layered(&limit);
    let started = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    let mut dice = Dice(7);
    for number in 0..10_000_u32 {
        let call = send(&mut service, Ask::answer());
        let started = started.clone();
        tasks.push(tokio::spawn(async move {
            call.await.unwrap();
            started.lock().unwrap().push((number, begun.elapsed()));
        }));
    }
    // Some of them lose patience while they wait; the rest keep what they have reserved.
    sleep(100 * SECOND).await;
    let mut left = vec![false; 10_000];
    for (number, task) in tasks.iter().enumerate() {
        if number > 1_000 && dice.between(0, 3) == 0 {
            task.abort();
            left[number] = true;
        }
    }
    for (task, left) in tasks.into_iter().zip(&left) {
        assert_eq!(task.await.is_err(), *left);
    }
    let expected = (0..10_000_u32).filter(|number| !left[*number as usize]);
    let expected = expected.map(|number| (number, number * 100 * MS));
    assert!(started.lock().unwrap().iter().copied().eq(expected));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_last_gives_back_and_who_leaves_before_others_does_not() {
    let limit = patient(SECOND);
    let mut service = layered(&limit);
    let mut call = |pendings| spawn(send(&mut service, Ask::answer().after(pendings)));
    let mut first = call(0);
    assert_ready_ok!(first.poll());
    let (mut second, mut third, fourth) = (call(0), call(0), call(0));
    assert_pending!(second.poll());
    // Never polled, and it has its instant all the same.
    drop(fourth);
    let mut fifth = call(0);
    drop(second);
    // The third keeps its instant, 200 ms from the start; the fifth has the fourth's.
    advance(199 * MS).await;
    assert_pending!(third.poll());
    assert_pending!(fifth.poll());
    advance(MS).await;
    assert_ready_ok!(third.poll());
    assert_pending!(fifth.poll());
    advance(100 * MS).await;
    assert_ready_ok!(fifth.poll());
    assert_eq!(limit.snapshot().waits, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_when_its_instant_has_come_gives_back_too() {
    let limit = patient(SECOND);
    let mut service = layered(&limit);
    limit.try_acquire_n(1).unwrap();
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    advance(100 * MS).await;
    assert!(waiting.is_woken());
    drop(waiting);
    assert_eq!(limit.snapshot().available, 1);
    assert_eq!(limit.snapshot().waits, 0);
}

#[tokio::test(start_paused = true)]
async fn the_very_instance_that_was_made_ready_is_called() {
    let limit = patient(SECOND);
    let mut service = layered(&limit);
    limit.try_acquire_n(1).unwrap();
    for _ in 0..3 {
        make_ready(&mut service);
        let readied = service.get_ref().number();
        let call = service.call(Ask::answer());
        assert_ne!(service.get_ref().number(), readied, "a clone stays behind");
        assert_eq!(call.await.unwrap(), readied);
    }
}

#[tokio::test(start_paused = true)]
async fn panics_and_failures_after_the_wait_lose_nothing_and_give_nothing_back() {
    let limit = patient(SECOND);
    let mut service = layered(&limit);
    limit.try_acquire_n(1).unwrap();
    for ask in [Ask::panic_in_call(), Ask::panic_in_poll(), Ask::fail()] {
        let fails = matches!(format!("{ask:?}"), said if said.contains("Fail"));
        let mut call = spawn(send(&mut service, ask));
        assert_pending!(call.poll());
        advance(100 * MS).await;
        if fails {
            assert!(matches!(call.poll(), std::task::Poll::Ready(Err(_))));
        } else {
            panic_of(|| drop(call.poll()));
        }
        drop(call);
        assert_eq!(limit.snapshot().available, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_may_wait_for_no_time_refuses_at_once_until_it_is_changed() {
    let limit = patient(Duration::ZERO);
    let mut service = layered(&limit);
    limit.try_acquire_n(1).unwrap();
    let error = send(&mut service, Ask::answer()).await.unwrap_err();
    assert_eq!(reason(&error), (Reason::RateLimited, Some(100 * MS)));
    let mut config = limit.config();
    config.max_wait = 100 * MS;
    limit.reconfigure(config.clone()).unwrap();
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    // Who waits already is not touched.
    config.max_wait = Duration::ZERO;
    limit.reconfigure(config).unwrap();
    send(&mut service, Ask::answer()).await.unwrap_err();
    advance(100 * MS).await;
    assert_ready_ok!(waiting.poll());
}

#[tokio::test(start_paused = true)]
async fn a_change_of_quota_leaves_those_who_wait_alone_and_is_the_law_for_the_rest() {
    let limit = patient(10 * SECOND);
    let mut service = layered(&limit);
    let mut calls: Vec<_> = (0..3)
        .map(|_| spawn(send(&mut service, Ask::answer())))
        .collect();
    let mut config = limit.config();
    // One a second.
    config.calls = 1;
    limit.reconfigure(config).unwrap();
    // Three are not paid off: the next one comes after three seconds.
    let mut next = spawn(send(&mut service, Ask::answer()));
    assert_ready_ok!(calls[0].poll());
    assert_pending!(next.poll());
    for call in &mut calls[1..] {
        assert_pending!(call.poll());
        advance(100 * MS).await;
        assert_ready_ok!(call.poll());
    }
    advance(2_799 * MS).await;
    assert_pending!(next.poll());
    advance(MS).await;
    assert_ready_ok!(next.poll());
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_after_a_change_of_quota_stays_spent() {
    let limit = patient(10 * SECOND);
    let waiting = {
        limit.try_acquire_n(1).unwrap();
        limit.acquire()
    };
    let mut config = limit.config();
    config.burst = 2;
    limit.reconfigure(config).unwrap();
    drop(waiting);
    assert_eq!(limit.snapshot().available, 0);
    advance(100 * MS).await;
    assert_eq!(limit.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn without_tower_one_or_several() {
    let limit = patient(SECOND);
    let begun = Instant::now();
    for turn in 0..3 {
        let _ = limit.acquire().await.unwrap();
        assert_eq!(begun.elapsed(), turn * 100 * MS);
    }
    let call = limit.call(|| async { Ok::<_, ()>(7) });
    assert_eq!(call.await.unwrap(), 7);
    assert_eq!(begun.elapsed(), 300 * MS);
    // Never waits, though the limit may.
    let no = limit.try_acquire_n(1).unwrap_err();
    assert_eq!(no.retry_after(), Some(100 * MS));

    let bulk = RateLimit::builder(Quota::per_second(n(10)));
    let bulk = bulk.max_wait(SECOND).cost(|_: &String| 1).build().unwrap();
    bulk.acquire_n(8).await.unwrap();
    let begun = Instant::now();
    bulk.acquire_n(0).await.unwrap();
    bulk.acquire_n(2).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let mut waiting = spawn(bulk.acquire_n(10));
    assert_pending!(waiting.poll());
    drop(waiting);
    bulk.acquire_n(5).await.unwrap();
    assert_eq!(begun.elapsed(), 500 * MS);
    let refused = |result: Result<(), Rejected>| {
        let no = result.unwrap_err();
        (no.reason(), no.retry_after())
    };
    let above = (Reason::CostAboveBurst, None);
    assert_eq!(refused(bulk.acquire_n(11).await), above);
    let mut waiting = spawn(bulk.acquire_n(10));
    assert_pending!(waiting.poll());
    let limited = (Reason::RateLimited, Some(500 * MS));
    assert_eq!(refused(bulk.acquire_n(5).await), limited);
    advance(SECOND).await;
    assert!(waiting.is_woken());
    assert_ready_ok!(waiting.poll());
    drop(waiting);
    assert_eq!(bulk.snapshot().available, 0, "what was granted stays taken");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_deadline_would_end_does_not_begin() {
    let limit = patient(SECOND).deadline(|by: &Deadline| Some(*by));
    let inner = tower::service_fn(|_: Deadline| async { Ok::<_, BoxError>(()) });
    let mut service = limit.layer(inner);
    limit.try_acquire_n(1).unwrap();
    // Its turn would come in 100 ms, and at its very instant a deadline has passed.
    for hurry in [50 * MS, 100 * MS] {
        let hasty = service.call(Deadline::after(hurry)).await;
        let error = hasty.unwrap_err();
        let no = error.rejected().unwrap();
        assert_eq!((no.policy(), no.reason()), ("rate_limit", Reason::Expired));
    }
    assert_eq!(limit.snapshot().rejected, 2);
    // Its turn is another one's.
    let mut calm = spawn(service.call(Deadline::after(101 * MS)));
    assert_pending!(calm.poll());
    advance(100 * MS).await;
    assert_ready_ok!(calm.poll());
    let fork = limit.fork("fork");
    assert_eq!(fork.name(), "fork");
}

#[tokio::test(start_paused = true)]
async fn a_later_refusal_after_the_wait_gives_back_the_turn() {
    let log = Log::default();
    let guard = Guard::new((patient(SECOND), Spy::new("spy", &log)));
    let limit = guard.policy().0.clone();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    limit.try_acquire_n(1).unwrap();
    let mut call = spawn(send(&mut service, Ask::answer()));
    assert_pending!(call.poll());
    guard.policy().1.sullen.store(true, SeqCst);
    advance(100 * MS).await;
    let refused = call.poll();
    assert!(matches!(refused, std::task::Poll::Ready(Err(error))
        if error.rejected().unwrap().policy() == "spy"));
    assert_eq!(limit.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_kept_while_the_call_waits_in_a_later_queue() {
    let guard = Guard::new((patient(SECOND), Queue::new(1, 10)));
    let limit = guard.policy().0.clone();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    advance(100 * MS).await;
    assert_pending!(waiting.poll());
    assert_eq!(guard.policy().1.free_and_waiting(), (0, 1));
    assert_eq!(limit.snapshot().waits, 1);
    // It has had its turn, and is not made to wait for another one.
    assert_ready_ok!(running.poll());
    assert!(waiting.is_woken());
    assert_ready_ok!(waiting.poll());
    // One that leaves the queue gives back its turn, too.
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    advance(100 * MS).await;
    assert_pending!(running.poll());
    let mut leaves = spawn(send(&mut service, Ask::answer()));
    assert_pending!(leaves.poll());
    advance(100 * MS).await;
    assert_pending!(leaves.poll());
    assert_eq!(limit.snapshot().available, 0);
    drop(leaves);
    assert_eq!(limit.snapshot().available, 1);
}

/// In a task that uses up in each poll all that it may do in one go, timers never say that time is up.
#[tokio::test(start_paused = true)]
async fn a_busy_task_gets_its_turn() {
    let limit = patient(SECOND);
    limit.try_acquire_n(1).unwrap();
    let busy = async {
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        std::future::pending::<()>().await;
    };
    let mut busy = std::pin::pin!(busy);
    let mut call = std::pin::pin!(limit.call(|| async { Ok::<_, ()>(()) }));
    let done = std::future::poll_fn(|cx| {
        let _ = busy.as_mut().poll(cx);
        call.as_mut().poll(cx)
    });
    let result: Result<(), Error<()>> = done.await;
    result.unwrap();
}
