//! What tower asks of a service, and what the guard promises beyond it: readiness, refusals, one
//! shared state. Its errors stand in `guard_errors.rs`; what happens when a call does not come to its
//! end, in `guard_endings.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{future::poll_fn, task::Poll, time::Duration};

use buttress::{CircuitBreaker, Error, Reason, Refusal, breaker::State};
use strict::{Ask, Failed, Strict, make_ready, panic_of, poll_ready, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service};

const OPEN_FOR: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Opens at the first failure, for a second.
fn breaker(name: &str, probes: u32) -> CircuitBreaker {
    CircuitBreaker::builder()
        .name(name)
        .count_window(10)
        .min_calls(1)
        .open_for(OPEN_FOR)
        .open_jitter(0.0)
        .probes(probes)
        .build()
        .unwrap()
}

fn open(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.snapshot().state, State::Open);
}

/// Open, and its time is over: the next call is a probe.
async fn ripe(breaker: &CircuitBreaker) {
    open(breaker);
    advance(OPEN_FOR).await;
}

fn reason<T>(result: Result<T, BoxError>) -> Reason {
    let error = result.err().expect("refused");
    error.rejected().expect("a refusal").reason()
}

#[tokio::test(start_paused = true)]
async fn the_instance_made_ready_is_the_one_called() {
    let breaker = breaker("b", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let first = strict.number();
    let mut service = breaker.layer(strict);
    for _ in 0..3 {
        assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), first);
    }
    assert_eq!((watch.calls(), breaker.snapshot().calls), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_clone_owns_no_readiness() {
    let breaker = breaker("b", 1);
    // The panic below is a failure; let it not open the breaker.
    breaker.force_closed();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    make_ready(&mut service);
    let mut clone = service.clone();
    assert!(panic_of(|| clone.call(Ask::answer())).contains("polled ready"));
    // The readiness is still where it was.
    service.call(Ask::answer()).await.unwrap();
    assert_eq!(watch.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clone_owns_no_refusal_either() {
    let breaker = breaker("b", 1);
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    open(&breaker);
    make_ready(&mut service);
    let mut clone = service.clone();
    advance(OPEN_FOR).await;
    // Had it taken the refusal along, it would refuse instead of asking the inner service.
    assert!(panic_of(|| clone.call(Ask::answer())).contains("polled ready"));
    assert_eq!(breaker.snapshot().rejected, 0);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_answers_over_an_inner_that_never_becomes_ready() {
    let breaker = breaker("payments", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    watch.hold_back();
    open(&breaker);
    advance(OPEN_FOR / 4).await;
    for _ in 0..3 {
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        let no = error.rejected().unwrap();
        assert_eq!((no.policy(), no.reason()), ("payments", Reason::Open));
        assert_eq!(no.retry_after(), Some(OPEN_FOR * 3 / 4));
    }
    assert_eq!((watch.ready_polls(), watch.calls()), (0, 0));
    assert_eq!(breaker.snapshot().rejected, 3);
}

#[tokio::test(start_paused = true)]
async fn poll_ready_decides_anew_each_time() {
    let breaker = breaker("b", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    watch.hold_back();

    assert_pending!(poll_ready(&mut service));
    breaker.force_open();
    assert_ready_ok!(poll_ready(&mut service));
    breaker.reset();
    assert_pending!(poll_ready(&mut service));
    open(&breaker);
    assert_ready_ok!(poll_ready(&mut service));
    advance(OPEN_FOR).await;
    // A probe might be let in, so now it takes the inner service again.
    let mut readiness = spawn(poll_fn(|cx| Service::<Ask>::poll_ready(&mut service, cx)));
    assert_pending!(readiness.poll());
    watch.let_go();
    assert!(readiness.is_woken(), "the inner service wakes the caller");
    assert_ready_ok!(readiness.poll());
    drop(readiness);
    service.call(Ask::answer()).await.unwrap();
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_opening_between_poll_ready_and_call_is_the_calls_answer() {
    let breaker = breaker("b", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    make_ready(&mut service);
    open(&breaker);
    let refused = service.call(Ask::answer());
    assert_eq!(reason(refused.await), Reason::Open);
    assert_eq!(watch.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn readiness_given_without_the_inner_is_refused_though_the_open_time_has_just_ended() {
    let breaker = breaker("b", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    open(&breaker);
    advance(OPEN_FOR - MILLISECOND).await;
    make_ready(&mut service);
    advance(MILLISECOND).await;

    let error = service.call(Ask::answer()).await.unwrap_err();
    let no = error.rejected().unwrap();
    assert_eq!(no.reason(), Reason::Open);
    assert_eq!(no.retry_after(), Some(Duration::ZERO), "come back at once");
    assert_eq!((watch.ready_polls(), watch.calls()), (0, 0));
    assert_eq!(breaker.snapshot().rejected, 1);

    // That refusal is spent, and so is the readiness that came with it.
    let again = panic_of(|| service.call(Ask::answer()));
    assert!(again.contains("polled ready"));
    breaker.reset();
    open(&breaker);
    advance(OPEN_FOR).await;
    send(&mut service, Ask::answer()).await.unwrap();
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn readiness_given_for_want_of_a_probe_is_refused_though_one_has_just_come_free() {
    let breaker = breaker("b", 1);
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    ripe(&breaker).await;
    let probe = breaker.try_acquire().unwrap();
    make_ready(&mut service);
    drop(probe);
    let refused = service.call(Ask::answer());
    assert_eq!(reason(refused.await), Reason::HalfOpen);
    assert_eq!(breaker.snapshot().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_readied_service_holds_nothing() {
    let breaker = breaker("b", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let mut idle = breaker.layer(strict);
    let mut busy = idle.clone();
    ripe(&breaker).await;
    make_ready(&mut idle);
    let call = send(&mut busy, Ask::answer());
    // Both were ready, one place: it is the call that takes it.
    assert_eq!(reason(idle.call(Ask::answer()).await), Reason::HalfOpen);
    call.await.unwrap();
    assert_eq!(watch.calls(), 1);

    ripe(&breaker).await;
    make_ready(&mut idle);
    drop(idle);
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn only_the_inner_service_fails_in_poll_ready() {
    let breaker = breaker("b", 1);
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    for order in [CircuitBreaker::force_open, open] {
        breaker.reset();
        order(&breaker);
        assert_ready_ok!(poll_ready(&mut service));
    }
    breaker.reset();
    watch.break_down();
    let Poll::Ready(Err(error)) = poll_ready(&mut service) else {
        panic!("the inner service's error goes through");
    };
    assert!(error.is::<Failed>());
    assert_eq!(breaker.snapshot().calls, 0, "no call, nothing to judge");
}

#[tokio::test(start_paused = true)]
async fn applied_many_times_and_cloned_many_times_it_is_one_state() {
    let breaker = breaker("b", 2);
    let handle = breaker.clone();
    let mut services: Vec<_> = (0..3)
        .map(|_| breaker.layer(Strict::<BoxError>::new().0))
        .collect();
    services.extend(services.clone());
    services.push(handle.layer(Strict::new().0));
    for service in &mut services {
        send(service, Ask::answer()).await.unwrap();
    }
    assert_eq!(handle.snapshot().calls, 7);
    handle.force_open();
    for service in &mut services {
        let refused = send(service, Ask::answer());
        assert_eq!(reason(refused.await), Reason::ForcedOpen);
    }
    assert_eq!(breaker.snapshot().rejected, 7);
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_a_state_of_its_own() {
    let original = breaker("original", 1);
    let fork = original.fork("fork");
    assert_eq!(original.config(), fork.config());
    open(&original);
    assert_eq!(fork.snapshot().state, State::Closed);
    assert_eq!(fork.snapshot().calls, 0);
    let mut service = fork.layer(Strict::<BoxError>::new().0);
    send(&mut service, Ask::answer()).await.unwrap();
    fork.force_open();
    let error = send(&mut service, Ask::answer()).await.unwrap_err();
    assert_eq!(error.rejected().unwrap().policy(), "fork");
    assert_eq!(original.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn call_permit_and_layer_share_one_state_at_once() {
    let breaker = breaker("b", 3);
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    ripe(&breaker).await;
    let mut layered = spawn(send(&mut service, Ask::answer().after(1)));
    let mut called = spawn(breaker.call(|| async {
        tokio::task::yield_now().await;
        Ok::<_, Failed>(())
    }));
    let permit = breaker.try_acquire().unwrap();
    assert_pending!(layered.poll());
    assert_pending!(called.poll());
    assert_eq!(breaker.snapshot().probes.unwrap().running, 3);

    // All three places are taken, for each of the three ways in.
    assert_eq!(
        breaker.try_acquire().unwrap_err().reason(),
        Reason::HalfOpen
    );
    let mut ran = false;
    let refused = breaker.call(|| {
        ran = true;
        async { Ok::<_, Failed>(()) }
    });
    assert!(matches!(refused.await, Err(Error::Rejected(no)) if no.reason() == Reason::HalfOpen));
    assert!(!ran, "what `call` makes does not run when it is refused");
    let refused = send(&mut service, Ask::answer());
    assert_eq!(reason(refused.await), Reason::HalfOpen);

    permit.success();
    assert_ready_ok!(layered.poll());
    assert_eq!(breaker.snapshot().state, State::HalfOpen);
    assert_ready_ok!(called.poll());
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn from_many_threads_by_all_three_ways_in_every_call_counts_once() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 500;
    let breaker = CircuitBreaker::builder()
        .count_window(100_000)
        .min_calls(100_000)
        .build()
        .unwrap();
    let service = breaker.layer(Strict::<BoxError>::new().0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (breaker, mut service) = (breaker.clone(), service.clone());
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    assert_ready_ok!(spawn(send(&mut service, Ask::answer())).poll());
                    let called = breaker.call(|| async { Err::<(), _>(Failed::new()) });
                    assert!(spawn(called).poll().is_ready());
                    breaker.try_acquire().unwrap().success();
                    drop(send(&mut service, Ask::answer()));
                }
            });
        }
    });
    let snapshot = breaker.snapshot();
    assert_eq!(snapshot.calls, 3 * THREADS * ROUNDS);
    assert_eq!(snapshot.failed, THREADS * ROUNDS);
    assert_eq!(snapshot.late_results, 0);
}
