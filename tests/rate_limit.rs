//! A rate limit that refuses at once: what it lets in, when, and what it says to the others.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::{num::NonZeroU32, sync::atomic::Ordering::SeqCst, time::Duration};

use buttress::{
    CircuitBreaker, Error, RateLimit, Reason, Refusal, Rejected,
    guard::{Guard, Now, Policy, Template},
    rate_limit::{Cost, Quota},
};
use policies::{Log, Queue, Spy};
use strict::{Ask, Failed, Strict, panic_of, poll_ready, send};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);
const DAY: Duration = Duration::from_secs(86_400);

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn limit(quota: Quota) -> RateLimit {
    RateLimit::builder(quota).build().unwrap()
}

/// The hint of a refusal for the rate.
fn wait_of(no: &Rejected) -> Duration {
    assert_eq!(no.reason(), Reason::RateLimited);
    assert!(!no.started());
    no.retry_after().unwrap()
}

fn refused<T: std::fmt::Debug>(result: Result<T, Rejected>) -> Duration {
    wait_of(&result.unwrap_err())
}

/// How many are let in right now.
fn burst(limit: &RateLimit) -> usize {
    (0..).take_while(|_| limit.try_acquire_n(1).is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_let_in_and_then_one_for_each_turn() {
    let limit = limit(Quota::per_second(n(10)).burst(n(3)));
    assert_eq!(limit.snapshot().available, 3);
    assert_eq!(burst(&limit), 3);
    for _ in 0..5 {
        assert_eq!(refused(limit.try_acquire()), 100 * MS);
        advance(99 * MS).await;
        assert_eq!(refused(limit.try_acquire()), MS);
        advance(MS).await;
        assert_eq!(burst(&limit), 1);
    }
    // Saved up, and no more than a burst of it.
    advance(250 * MS).await;
    assert_eq!(burst(&limit), 2);
    advance(50 * MS).await;
    assert_eq!(burst(&limit), 1);
    advance(DAY).await;
    assert_eq!(burst(&limit), 3);
}

#[tokio::test(start_paused = true)]
async fn the_hint_is_exact_to_the_nanosecond() {
    // A third of a second, rounded up.
    let limit = limit(Quota::per_second(n(3)).burst(n(1)));
    limit.try_acquire_n(1).unwrap();
    let wait = refused(limit.try_acquire());
    assert_eq!(wait, Duration::from_nanos(333_333_334));
    advance(wait - NS).await;
    assert_eq!(refused(limit.try_acquire()), NS);
    advance(NS).await;
    let _ = limit.try_acquire().unwrap();
}

#[tokio::test(start_paused = true)]
async fn from_one_a_day_to_ten_million_a_second() {
    let daily = limit(Quota::per_day(n(1)));
    assert_eq!(burst(&daily), 1);
    assert_eq!(refused(daily.try_acquire()), DAY);
    advance(DAY - NS).await;
    assert_eq!(refused(daily.try_acquire()), NS);
    advance(NS).await;
    assert_eq!(burst(&daily), 1);

    let fast = limit(Quota::per_second(n(10_000_000)));
    assert_eq!(fast.snapshot().available, 10_000_000);
    fast.try_acquire_n(10_000_000).unwrap();
    assert_eq!(refused(fast.try_acquire()), 100 * NS);
    advance(99 * NS).await;
    assert_eq!(refused(fast.try_acquire()), NS);
    advance(NS).await;
    assert_eq!(burst(&fast), 1);
    advance(1_234 * MS / 1_000).await;
    assert_eq!(fast.snapshot().available, 12_340);
    fast.try_acquire_n(12_340).unwrap();
    assert_eq!(refused(fast.try_acquire_n(2)), 200 * NS);

    for (quota, turn) in [
        (Quota::per_minute(n(1)), 60_000 * MS),
        (Quota::per_hour(n(2)), 1_800_000 * MS),
        (Quota::new(n(5), 100 * MS), 20 * MS),
        (Quota::per_second(n(1_000_000_000)), NS),
    ] {
        let limit = limit(quota.burst(n(1)));
        limit.try_acquire_n(1).unwrap();
        assert_eq!(refused(limit.try_acquire()), turn);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_calls_take_nothing_and_do_not_reach_the_service() {
    let limit = limit(Quota::per_second(n(10)).burst(n(2)));
    let (inner, watch) = Strict::<BoxError>::new();
    let mut service = limit.layer(inner);
    for _ in 0..2 {
        send(&mut service, Ask::answer()).await.unwrap();
    }
    for _ in 0..1_000 {
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        assert_eq!(wait_of(error.rejected().unwrap()), 100 * MS);
    }
    assert_eq!((watch.calls(), limit.snapshot().rejected), (2, 1_000));
    advance(100 * MS).await;
    send(&mut service, Ask::answer()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn neither_failures_nor_panics_nor_drops_give_anything_back() {
    let limit = limit(Quota::per_day(n(10)));
    let mut service = limit.layer(Strict::<BoxError>::new().0);
    send(&mut service, Ask::fail()).await.unwrap_err();
    drop(send(&mut service, Ask::answer()));
    let mut dropped = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(dropped.poll());
    drop(dropped);
    panic_of(|| drop(send(&mut service, Ask::panic_in_call())));
    let mut panics = spawn(send(&mut service, Ask::panic_in_poll()));
    panic_of(|| drop(panics.poll()));
    let _ = limit.try_acquire().unwrap();
    assert_eq!(limit.snapshot().available, 4);
}

/// What was true when it became ready is no reason to refuse: the call is what counts.
#[tokio::test(start_paused = true)]
async fn a_service_made_ready_while_nothing_was_left_is_judged_when_it_is_called() {
    let limit = limit(Quota::per_second(n(10)).burst(n(1)));
    let (inner, watch) = Strict::<BoxError>::new();
    let mut service = limit.layer(inner);
    limit.try_acquire_n(1).unwrap();
    assert!(poll_ready(&mut service).is_ready());
    advance(100 * MS).await;
    service.call(Ask::answer()).await.unwrap();
    assert_eq!(watch.calls(), 1);
    // Readiness takes nothing, and a service that is not ready is waited for.
    advance(100 * MS).await;
    watch.hold_back();
    assert!(poll_ready(&mut service).is_pending());
    watch.let_go();
    for _ in 0..10 {
        assert!(poll_ready(&mut service).is_ready());
    }
    assert_eq!(limit.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_what_it_costs() {
    let limit = RateLimit::builder(Quota::per_second(n(10)))
        .cost(|cost: &u32| *cost)
        .build()
        .unwrap();
    let service = limit.layer(service_fn(
        |cost: u32| async move { Ok::<_, BoxError>(cost) },
    ));
    let send = async |cost| service.clone().oneshot(cost).await;
    send(7).await.unwrap();
    assert_eq!(limit.snapshot().available, 3);
    let error = send(5).await.unwrap_err();
    assert_eq!(wait_of(error.rejected().unwrap()), 200 * MS);
    send(3).await.unwrap();
    // What costs nothing is let in, and takes nothing.
    assert_eq!(send(0).await.unwrap(), 0);
    assert_eq!(limit.snapshot().available, 0);
    // Above the burst it never fits, however long one waits.
    advance(DAY).await;
    let error = send(11).await.unwrap_err();
    let no = error.rejected().unwrap();
    assert_eq!(
        (no.reason(), no.retry_after()),
        (Reason::CostAboveBurst, None)
    );
    for above in [11, u32::MAX] {
        let no = limit.try_acquire_n(above).unwrap_err();
        assert_eq!(no.reason(), Reason::CostAboveBurst);
    }
    send(10).await.unwrap();
    assert_eq!(limit.snapshot().rejected, 4);
}

#[tokio::test(start_paused = true)]
async fn a_cost_may_be_a_type() {
    #[derive(Clone)]
    struct Bytes(u32);

    impl Cost<[u8]> for Bytes {
        fn cost(&self, request: &[u8]) -> u32 {
            (request.len() as u32).div_ceil(self.0)
        }
    }

    impl Cost<()> for Bytes {
        fn cost(&self, (): &()) -> u32 {
            5
        }
    }

    let limit = RateLimit::builder(Quota::per_day(n(8)))
        .cost(Bytes(10))
        .build();
    let limit = limit.unwrap();
    let _ = limit.try_acquire().unwrap();
    assert_eq!(limit.snapshot().available, 3);
    assert!(limit.call(|| async { Ok::<_, ()>(()) }).await.is_err());
    let fork = limit.fork("other");
    let _ = fork.try_acquire().unwrap();
    assert_eq!((fork.name(), fork.snapshot().available), ("other", 3));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_cost_takes_nothing() {
    let limit = RateLimit::builder(Quota::per_day(n(2)))
        .cost(|fine: &bool| if *fine { 1 } else { panic!("no idea") })
        .build()
        .unwrap();
    let inner = service_fn(|_: bool| async { Ok::<_, BoxError>(()) });
    let mut service = limit.layer(inner);
    assert_eq!(panic_of(|| drop(service.call(false))), "no idea");
    service.call(true).await.unwrap();
    assert_eq!(limit.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn it_guards_closures_and_errors_of_any_kind() {
    let limit = limit(Quota::per_day(n(2)));
    let calls = async || limit.call(|| async { Ok::<_, std::fmt::Error>(7) }).await;
    assert_eq!(calls().await.unwrap(), 7);
    let failed = limit.call(|| async { Err::<(), _>("down") }).await;
    assert!(matches!(failed, Err(Error::Inner("down"))));
    assert!(matches!(calls().await, Err(Error::Rejected(no)) if no.policy() == "rate_limit"));

    /// Can hold a refusal, and cannot be asked for one: no classifier is needed.
    #[derive(Debug)]
    struct Opaque(&'static str);

    impl From<Rejected> for Opaque {
        fn from(no: Rejected) -> Self {
            Self(no.policy())
        }
    }

    impl From<Failed> for Opaque {
        fn from(_: Failed) -> Self {
            Self("failed")
        }
    }

    let mut service = limit.layer(Strict::<Opaque>::new().0);
    let refused = send(&mut service, Ask::answer()).await.unwrap_err();
    assert_eq!(refused.0, "rate_limit");
}

#[tokio::test(start_paused = true)]
async fn clones_are_one_limit_and_forks_are_their_own() {
    let limit = limit(Quota::per_day(n(3)));
    let clone = limit.clone();
    clone.try_acquire_n(2).unwrap();
    assert_eq!(limit.snapshot(), clone.snapshot());
    assert_eq!(limit.snapshot().available, 1);
    let fork = limit.fork("fork");
    assert_eq!(
        (fork.snapshot().available, fork.config()),
        (3, limit.config())
    );
    let fresh = limit.policy().fresh(limit.config()).unwrap();
    assert_eq!(fresh.snapshot().available, 3);
    assert_eq!(fresh.snapshot().policy, "rate_limit");
    let mut wrong = limit.config();
    wrong.calls = 0;
    assert!(limit.policy().fresh(wrong).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_later_refusal_gives_back_what_was_taken() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let guard = Guard::new((limit(Quota::per_day(n(3))), spy));
    let limit = guard.policy().0.clone();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    guard.policy().1.sullen.store(true, SeqCst);
    for _ in 0..10 {
        send(&mut service, Ask::answer()).await.unwrap_err();
        assert_eq!(limit.snapshot().available, 3);
    }
    guard.policy().1.sullen.store(false, SeqCst);
    send(&mut service, Ask::answer()).await.unwrap();
    assert_eq!(limit.snapshot().available, 2);
    assert_eq!(limit.snapshot().rejected, 0, "somebody else refused");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_kept_while_a_call_waits_in_a_later_queue() {
    let guard = Guard::new((limit(Quota::per_day(n(5))), Queue::new(1, 10)));
    let limit = guard.policy().0.clone();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    let mut last = spawn(send(&mut service, Ask::answer()));
    assert_pending!(running.poll());
    assert_pending!(waiting.poll());
    assert_pending!(last.poll());
    assert_eq!(limit.snapshot().available, 2);
    // The last one's goes back; the one before it is spent as soon as there is one after it.
    drop(last);
    assert_eq!(limit.snapshot().available, 3);
    limit.try_acquire_n(3).unwrap();
    // It need not be asked for again: that would be refused by now.
    assert_ready_ok!(running.poll());
    assert_ready_ok!(waiting.poll());
    assert_eq!(limit.snapshot().available, 0);
}

#[tokio::test(start_paused = true)]
async fn beside_a_breaker_it_neither_judges_nor_is_judged() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let limit = limit(Quota::per_day(n(1)));
    let guard = Guard::new((breaker.clone(), limit.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    send(&mut service, Ask::fail()).await.unwrap_err();
    assert_eq!(breaker.snapshot().failed, 1);
    let error = send(&mut service, Ask::answer()).await.unwrap_err();
    assert_eq!(error.rejected().unwrap().policy(), "rate_limit");
    assert_eq!(breaker.snapshot().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_idle_when_all_is_paid_off() {
    let limit = limit(Quota::per_second(n(10)));
    let idle = || limit.policy().idle(&Now::lazy());
    assert!(idle());
    limit.try_acquire_n(2).unwrap();
    advance(200 * MS - NS).await;
    assert!(!idle());
    advance(NS).await;
    assert!(idle());
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_says_what_is_left_and_when_there_is_more() {
    let limit = limit(Quota::per_second(n(10)).burst(n(2)));
    let seen = limit.snapshot();
    assert_eq!(
        (seen.policy, seen.available, seen.next_at),
        ("rate_limit", 2, None)
    );
    assert_eq!((seen.rejected, seen.waits), (0, 0));
    assert_eq!(seen.config, limit.config());
    limit.try_acquire_n(2).unwrap();
    advance(30 * MS).await;
    let seen = limit.snapshot();
    assert_eq!(
        (seen.available, seen.next_at),
        (0, Some(Instant::now() + 70 * MS))
    );
    assert_eq!(limit.snapshot(), seen, "a look takes nothing");
    advance(70 * MS).await;
    assert_eq!(limit.snapshot().next_at, None);
}

/// A clock that was read earlier than another's, by a thread that comes later.
#[tokio::test(start_paused = true)]
async fn a_late_clock_never_lets_in_too_many() {
    let limit = limit(Quota::per_second(n(10)).burst(n(2)));
    let early = Now::lazy();
    let _ = early.get();
    advance(100 * MS).await;
    limit.try_acquire_n(2).unwrap();
    let late = limit.policy();
    let answer = buttress::guard::Admit::<()>::admit(late, &early, &());
    // By its own clock the two were taken in the future.
    assert!(matches!(answer, buttress::guard::Admission::Refused(no) if wait_of(&no) == 200 * MS));
}

/// Not `Clone`, and the service is called as it is.
#[tokio::test(start_paused = true)]
async fn without_waits_the_service_need_not_be_clone() {
    struct Unique;

    impl Service<Unique> for Unique {
        type Response = Unique;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Unique, BoxError>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Unique) -> Self::Future {
            std::future::ready(Ok(request))
        }
    }

    let mut service = limit(Quota::per_day(n(1))).layer(Unique);
    let _ = service.call(Unique).await.unwrap();
    assert!(service.call(Unique).await.is_err());
}
