//! A rate limit, a circuit breaker and a bulkhead in one guard: who answers first, what goes back, and
//! that nothing is lost wherever a call is dropped.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "support/strict.rs"]
mod strict;

use std::{
    future::ready,
    mem::size_of_val,
    num::NonZeroU32,
    task::{Context, Waker},
    time::Duration,
};

use allocator::{assert_none, now_or_never};
use buttress::{
    Bulkhead, CircuitBreaker, Error, RateLimit, Reason, Refusal,
    breaker::State,
    bulkhead,
    guard::{Guard, Guarded, Policy, Yes},
    rate_limit::Quota,
};
use strict::{Ask, Strict, make_ready, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// One call a second, so many at once.
fn quota(burst: u32) -> Quota {
    let [one, burst] = [1, burst].map(|n| NonZeroU32::new(n).unwrap());
    Quota::per_second(one).burst(burst)
}

fn limit(burst: u32) -> RateLimit {
    RateLimit::builder(quota(burst)).build().unwrap()
}

fn patient_limit(burst: u32) -> RateLimit<Yes> {
    let builder = RateLimit::builder(quota(burst)).max_wait(60 * SECOND);
    builder.build().unwrap()
}

/// Opens at the first failure, for a second; one probe.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND)
        .open_jitter(0.0)
        .probes(1)
        .build()
        .unwrap()
}

/// One place, nowhere to wait.
fn bulkhead() -> Bulkhead {
    Bulkhead::builder(1).build().unwrap()
}

/// One place, and ten may wait for it.
fn patient_bulkhead() -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(1).max_queue(10).max_wait(60 * SECOND);
    builder.build().unwrap()
}

/// Open, and its time is over: the next call is the probe.
async fn ripe(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
    advance(SECOND).await;
}

fn reason<T>(result: Result<T, BoxError>) -> Reason {
    let error = result.err().expect("refused");
    error.rejected().expect("a refusal").reason()
}

/// In flight, queued.
fn places(of: bulkhead::Snapshot) -> (u64, u64) {
    (of.in_flight, of.queued)
}

#[tokio::test(start_paused = true)]
async fn who_answers_first_takes_nothing_from_the_others() {
    let (limit, breaker, bulkhead) = (limit(5), breaker(), bulkhead());
    let guard = Guard::all((limit.clone(), breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);

    // An open breaker takes no token and no place.
    breaker.force_open();
    let refused = send(&mut service, Ask::answer()).await;
    assert_eq!(reason(refused), Reason::ForcedOpen);
    breaker.reset();
    assert_eq!(limit.snapshot().available, 5);

    // A full bulkhead takes no token, and no probe.
    ripe(&breaker).await;
    let held = bulkhead.try_acquire().unwrap();
    let refused = send(&mut service, Ask::answer()).await;
    assert_eq!(reason(refused), Reason::Full);
    assert_eq!(limit.snapshot().available, 5);
    assert_eq!(
        breaker.snapshot().state,
        State::Open,
        "nobody was asked to probe"
    );
    drop(held);

    // A limit that is used up takes no probe and no place.
    limit.try_acquire_n(5).unwrap();
    let refused = send(&mut service, Ask::answer()).await;
    assert_eq!(reason(refused), Reason::RateLimited);
    assert_eq!(breaker.snapshot().state, State::Open);
    assert_eq!(places(bulkhead.snapshot()), (0, 0));

    advance(SECOND).await;
    send(&mut service, Ask::answer()).await.unwrap();
    assert_eq!(breaker.snapshot().state, State::Closed);
    assert_eq!(limit.snapshot().available, 0);
    assert!(!limit.policy().idle(&buttress::guard::Now::lazy()));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_no_look_foresees_gives_the_token_back() {
    let (limit, bulkhead) = (limit(100), bulkhead());
    let breaker = CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND)
        .open_jitter(0.0)
        .probes(1)
        .ramp(100 * SECOND)
        .build()
        .unwrap();
    let guard = Guard::all((limit.clone(), breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    ripe(&breaker).await;
    send(&mut service, Ask::answer()).await.unwrap();
    assert!(breaker.snapshot().recovering);

    // It lets in a tenth, which only asking tells.
    let mut admitted = 1;
    for _ in 0..30 {
        match send(&mut service, Ask::answer()).await {
            Ok(_) => admitted += 1,
            refused => assert_eq!(reason(refused), Reason::Recovering),
        }
    }
    assert!((2..10).contains(&admitted), "{admitted}");
    assert_eq!(limit.snapshot().available, 100 - admitted);
    assert_eq!(places(bulkhead.snapshot()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_taken_once_also_when_the_bulkhead_makes_the_call_wait() {
    let (limit, breaker, bulkhead) = (limit(5), breaker(), patient_bulkhead());
    let guard = Guard::all((limit.clone(), breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    assert_eq!(limit.snapshot().available, 3);
    // Nobody else's refusal can take its place in the queue for nothing.
    limit.try_acquire_n(3).unwrap();
    drop(running);
    assert_ready_ok!(waiting.poll());
    assert_eq!(limit.snapshot().available, 0);

    // The last one in gives its token back when it leaves the queue.
    advance(5 * SECOND).await;
    let running = send(&mut service, Ask::answer());
    let waiting = spawn(send(&mut service, Ask::answer()));
    assert_eq!(limit.snapshot().available, 3);
    drop(waiting);
    assert_eq!(limit.snapshot().available, 4);
    drop(running);
    assert_eq!(places(bulkhead.snapshot()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_probe_is_held_in_the_queue_of_the_limit_or_of_the_bulkhead() {
    let (limit, breaker, bulkhead) = (patient_limit(1), breaker(), patient_bulkhead());
    let guard = Guard::all((limit.clone(), breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    breaker.try_acquire().unwrap().failure();
    advance(SECOND / 2).await;
    assert_pending!(waiting.poll());
    assert_eq!(places(bulkhead.snapshot()), (1, 0), "it waits for the rate");
    advance(SECOND / 2).await;
    // Its turn has come, the breaker is ripe, and there is no place.
    assert_pending!(waiting.poll());
    assert_eq!(places(bulkhead.snapshot()), (1, 1));
    let probe = breaker.try_acquire().expect("the probe is anybody's");
    drop(running);
    let refused = assert_ready_err!(waiting.poll());
    assert_eq!(refused.rejected().unwrap().reason(), Reason::HalfOpen);
    assert_eq!(places(bulkhead.snapshot()), (0, 0));
    probe.success();
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_during_the_waits_ends_them_all_with_nothing_held() {
    let (limit, breaker, bulkhead) = (patient_limit(1), breaker(), patient_bulkhead());
    let guard = Guard::all((limit.clone(), breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    let mut waiting: Vec<_> = (0..5)
        .map(|_| spawn(send(&mut service, Ask::answer())))
        .collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    breaker.force_open();
    drop(running);
    for call in &mut waiting {
        advance(SECOND).await;
        let refused = assert_ready_err!(call.poll());
        assert_eq!(refused.rejected().unwrap().reason(), Reason::ForcedOpen);
    }
    assert_eq!(places(bulkhead.snapshot()), (0, 0));
    // What the last of them had reserved is there again; on what the others had, somebody had built.
    assert_eq!(limit.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn wherever_a_call_is_dropped_nothing_is_lost() {
    // Unpolled, in the limit's wait, in the bulkhead's queue, with a place in hand, and while it runs.
    for stage in 0..=4 {
        let (limit, breaker, bulkhead) = (patient_limit(1), breaker(), patient_bulkhead());
        let guard = Guard::all((limit.clone(), breaker.clone(), bulkhead.clone()));
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        let running = send(&mut service, Ask::answer());
        let mut call = spawn(send(&mut service, Ask::answer().after(5)));
        if stage >= 1 {
            assert_pending!(call.poll());
        }
        if stage >= 2 {
            advance(SECOND).await;
            assert_pending!(call.poll());
            assert_eq!(places(bulkhead.snapshot()), (1, 1));
        }
        let mut running = Some(running);
        if stage >= 3 {
            running = None;
            assert_eq!(places(bulkhead.snapshot()), (1, 0));
        }
        if stage >= 4 {
            assert_pending!(call.poll());
        }
        drop(call);
        drop(running);
        assert_eq!(places(bulkhead.snapshot()), (0, 0), "stage {stage}");
        assert_eq!(breaker.snapshot().calls, 0);
        let next_at = limit
            .snapshot()
            .next_at
            .map(|at| at - tokio::time::Instant::now());
        // A call that has started has spent its token; all others have it back. (The first one's
        // is paid off a second later.)
        let expected = match stage {
            0 | 1 => Some(SECOND),
            2 | 3 => None,
            _ => Some(SECOND),
        };
        assert_eq!(next_at, expected, "stage {stage}");
        make_ready(&mut service);
    }
}

#[tokio::test(start_paused = true)]
async fn three_policies_are_one_reference_and_no_allocation() {
    type All = Guard<(RateLimit, (CircuitBreaker, Bulkhead))>;
    type Flat = Error<()>;
    let plenty = Quota::per_second(NonZeroU32::new(10_000_000).unwrap());
    let rate = RateLimit::builder(plenty).build().unwrap();
    let guard: All = Guard::all((rate, breaker(), bulkhead()));
    let mut service = guard.layer(service_fn(|n: u32| ready(Ok::<_, Flat>(n))));
    let mut call = || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        now_or_never(service.call(7)).unwrap()
    };
    // Registers the metrics.
    call();
    assert_none(|| assert_eq!(call(), 7));

    // The way back to three policies is one word; with each its ticket.
    let three = size_of_val(&service.call(7));
    let mut bare = Guard::new(breaker()).layer(service_fn(|n: u32| ready(Ok::<_, Flat>(n))));
    let one = size_of_val(&bare.call(7));
    let words = size_of::<usize>();
    assert!(three <= one + 4 * words, "{three} and {one}");
    let _: &Guarded<_, All> = &service;
}
