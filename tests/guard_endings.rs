//! How a guarded call can end other than by answering: dropped at any point, or in a panic. What it
//! holds goes back each time.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress::{
    Adapt, CircuitBreaker, Outcome,
    breaker::{Builder, Snapshot, State},
};
use strict::{Ask, Failed, Strict, panic_of, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceBuilder, service_fn};

const OPEN_FOR: Duration = Duration::from_secs(1);

/// Opens at the first failure, for a second.
fn touchy(probes: u32) -> Builder {
    CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(OPEN_FOR)
        .open_jitter(0.0)
        .probes(probes)
}

/// Open, and its time is over: the next call is a probe.
async fn ripe<C>(breaker: &CircuitBreaker<C>)
where
    C: Clone,
{
    breaker.try_acquire().unwrap().failure();
    advance(OPEN_FOR).await;
}

/// Probes running and judged.
fn probes(snapshot: &Snapshot) -> (u32, u32) {
    let probes = snapshot.probes.expect("half-open");
    (probes.running, probes.judged)
}

/// All places can be taken, and not one more.
fn assert_free<C>(breaker: &CircuitBreaker<C>, places: usize) {
    let permits: Vec<_> = (0..places)
        .map(|_| breaker.try_acquire().expect("a free place"))
        .collect();
    assert!(breaker.try_acquire().is_err());
    drop(permits);
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_a_call_gives_back_its_probe() {
    const PROBES: u32 = 3;
    for polls in 0..=3 {
        let breaker = touchy(PROBES).build().unwrap();
        let (strict, watch) = Strict::<BoxError>::new();
        let mut service = breaker.layer(strict);
        ripe(&breaker).await;
        // Twice: what goes back can be taken again.
        for round in 1..=2 {
            let mut calls: Vec<_> = (0..PROBES)
                .map(|_| spawn(send(&mut service, Ask::answer().after(3))))
                .collect();
            for call in &mut calls {
                (0..polls).for_each(|_| assert_pending!(call.poll()));
            }
            assert_eq!(probes(&breaker.snapshot()), (PROBES, 0));
            assert!(breaker.try_acquire().is_err());
            drop(calls);
            assert_eq!(probes(&breaker.snapshot()), (0, 0), "after {polls} polls");
            assert_eq!(
                watch.dropped(),
                round * PROBES,
                "the inner futures are gone"
            );
            assert_free(&breaker, 3);
        }
        assert_eq!(watch.polls(), 2 * PROBES * polls, "none is polled unasked");
        for _ in 0..PROBES {
            send(&mut service, Ask::answer().after(1)).await.unwrap();
        }
        assert_eq!(breaker.snapshot().state, State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_nothing_in_the_window() {
    let breaker = touchy(1).build().unwrap();
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    for polls in 0..=2 {
        let mut call = spawn(send(&mut service, Ask::fail().after(2)));
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        drop(call);
        let mut call = spawn(breaker.call(|| async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            Err::<(), _>(Failed::new())
        }));
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        drop(call);
        drop(breaker.try_acquire().unwrap());
    }
    assert_eq!(breaker.snapshot().calls, 0);
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn callers_who_lose_patience_do_not_hide_a_hang() {
    let slow = Duration::from_millis(100);
    let breaker = touchy(1).slow_call_duration(slow).build().unwrap();
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    let prompt = send(&mut service, Ask::answer());
    advance(slow).await;
    drop(prompt);
    assert_eq!(breaker.snapshot().calls, 0, "exactly that long is not slow");

    let hung = send(&mut service, Ask::answer());
    advance(slow + Duration::from_nanos(1)).await;
    drop(hung);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.calls, snapshot.slow, snapshot.failed), (1, 1, 0));
    assert_eq!(snapshot.state, State::Open);
}

/// Looks at the breaker when it is dropped.
struct Witness {
    breaker: CircuitBreaker,
    seen: Arc<Mutex<Option<(u32, u32)>>>,
}

impl Future for Witness {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        *self.seen.lock().unwrap() = Some(probes(&self.breaker.snapshot()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_call_is_gone_before_its_place_is_free() {
    let breaker = touchy(1).build().unwrap();
    let seen = Arc::default();
    let mut service = breaker.layer(service_fn(|()| Witness {
        breaker: breaker.clone(),
        seen: Arc::clone(&seen),
    }));
    ripe(&breaker).await;
    let mut call = spawn(service.call(()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(*seen.lock().unwrap(), Some((1, 0)));
    assert_eq!(probes(&breaker.snapshot()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_call_is_a_failure_and_travels_on() {
    let breaker = touchy(1).min_calls(10).build().unwrap();
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    let words = panic_of(|| send(&mut service, Ask::panic_in_call()));
    assert_eq!(words, "the mock panics in call");
    assert_eq!(
        (breaker.snapshot().calls, breaker.snapshot().failed),
        (1, 1)
    );

    let panics = || -> std::future::Ready<Result<(), Failed>> { panic!("no future was made") };
    let words = panic_of(|| drop(breaker.call(panics)));
    assert_eq!(words, "no future was made");
    assert_eq!(
        (breaker.snapshot().calls, breaker.snapshot().failed),
        (2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_future_is_one_failure_and_travels_on() {
    let breaker = touchy(1).min_calls(10).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    let mut call = spawn(send(&mut service, Ask::panic_in_poll().after(1)));
    assert_pending!(call.poll());
    assert_eq!(panic_of(|| call.poll()), "the mock panics in poll");
    assert_eq!(
        (breaker.snapshot().calls, breaker.snapshot().failed),
        (1, 1)
    );
    drop(call);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.calls, snapshot.late_results), (1, 0), "told once");
    assert_eq!(watch.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_probe_opens_again_and_gives_its_place_back() {
    let breaker = touchy(1).build().unwrap();
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    for panics in [Ask::panic_in_call(), Ask::panic_in_poll()] {
        breaker.reset();
        ripe(&breaker).await;
        panic_of(|| spawn(send(&mut service, panics)).poll());
        assert_eq!(breaker.snapshot().state, State::Open);
        advance(OPEN_FOR).await;
        send(&mut service, Ask::answer()).await.unwrap();
        assert_eq!(breaker.snapshot().state, State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_classifier_counts_as_abandoned_and_its_panic_travels_on() {
    let judge = |result: Result<&u32, &BoxError>| match result {
        Ok(_) => panic!("the classifier panics"),
        Err(_) => Outcome::Failure,
    };
    let breaker = touchy(1).classify(judge).build().unwrap();
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    let words = panic_of(|| spawn(send(&mut service, Ask::answer())).poll());
    assert_eq!(words, "the classifier panics");
    assert_eq!(breaker.snapshot().calls, 0);

    ripe(&breaker).await;
    panic_of(|| spawn(send(&mut service, Ask::answer())).poll());
    assert_eq!(probes(&breaker.snapshot()), (0, 0), "no verdict, no place");
    assert_free(&breaker, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_by_somebody_elses_panic_is_abandoned() {
    let breaker = touchy(1).build().unwrap();
    let mut service = breaker.layer(Strict::<BoxError>::new().0);
    ripe(&breaker).await;
    panic_of(|| {
        let call = pin!(send(&mut service, Ask::answer().after(1)));
        assert_pending!(call.poll(&mut Context::from_waker(Waker::noop())));
        panic!("in the same task");
    });
    assert_eq!(probes(&breaker.snapshot()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_permit_says_how_it_ended_or_was_abandoned() {
    let breaker = touchy(1).min_calls(10).build().unwrap();
    breaker.try_acquire().unwrap().success();
    breaker.try_acquire().unwrap().failure();
    breaker.try_acquire().unwrap().settle(Outcome::Ignored);
    drop(breaker.try_acquire().unwrap());
    panic_of(|| {
        let _permit = breaker.try_acquire().unwrap();
        panic!("while the permit is held");
    });
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.calls, snapshot.failed), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_every_handle_still_ends() {
    let events = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&events);
    let breaker = touchy(1)
        .on_event(move |_| *heard.lock().unwrap() += 1)
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(breaker)
        .layer(Adapt)
        .service(Strict::<Failed>::new().0);
    let mut call = spawn(send(&mut service, Ask::fail().after(1)));
    assert_pending!(call.poll());
    drop(service);
    assert!(matches!(call.poll(), Poll::Ready(Err(_))));
    assert_eq!(*events.lock().unwrap(), 1, "it opened");
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_that_is_dropped_was_refused_all_the_same() {
    let breaker = touchy(1).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = breaker.layer(strict);
    breaker.force_open();
    drop(send(&mut service, Ask::answer()));
    drop(breaker.call(|| async { Ok::<_, Failed>(()) }));
    assert_eq!((breaker.snapshot().rejected, watch.calls()), (2, 0));
    breaker.reset();
    assert_ready_ok!(spawn(send(&mut service, Ask::answer())).poll());
}

/// A future that holds something until it is dropped, also after it has answered.
struct Holding(Arc<AtomicBool>);

impl Future for Holding {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_call_holds_is_gone_before_it_is_settled() {
    let held = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&held);
    let breaker = CircuitBreaker::builder()
        .classify(move |_: Result<&(), &BoxError>| {
            assert!(!seen.load(SeqCst), "the inner future is still there");
            Outcome::Success
        })
        .build()
        .unwrap();
    let inner = Arc::clone(&held);
    let mut service = breaker.layer(service_fn(move |()| Holding(Arc::clone(&inner))));
    let call = service.call(());
    assert!(held.load(SeqCst));
    call.await.unwrap();
    assert_eq!(breaker.snapshot().calls, 1);
}
