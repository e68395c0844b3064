//! What a bulkhead asks of others, and what it does beside them: bounds, panics, bodies, a breaker.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    future::{Future, Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
    time::Duration,
};

use buttress::{
    Bulkhead, CircuitBreaker, Outcome, Reason, Refusal, Rejected,
    breaker::State,
    bulkhead::Config,
    guard::{EndWith, Ending, Guard, Guarded, Policy, Settlement, Yes},
    telemetry::EventKind,
};
use strict::{Ask, Strict, panic_of, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn queueing(places: u32) -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(places).max_queue(10).max_wait(SECOND);
    builder.build().unwrap()
}

/// In flight, queued.
fn seen(bulkhead: &Bulkhead<Yes>) -> (u64, u64) {
    let seen = bulkhead.snapshot();
    (seen.in_flight, seen.queued)
}

/// Cannot be cloned, and has an error that can hold a refusal, but not show it.
struct Connection;

#[derive(Debug)]
struct Lost;

impl From<Rejected> for Lost {
    fn from(_: Rejected) -> Self {
        Self
    }
}

impl Service<u32> for Connection {
    type Response = u32;
    type Error = Lost;
    type Future = Ready<Result<u32, Lost>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, id: u32) -> Self::Future {
        ready(if id == 0 { Err(Lost) } else { Ok(id) })
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_it_asks_neither_for_clone_nor_for_a_classifier() {
    let bulkhead = Bulkhead::builder(1).build().unwrap();
    let mut service = bulkhead.layer(Connection);
    assert_eq!(service.ready().await.unwrap().call(7).await.unwrap(), 7);
    service.ready().await.unwrap().call(0).await.unwrap_err();
    let place = bulkhead.try_acquire().unwrap();
    service.ready().await.unwrap().call(7).await.unwrap_err();
    assert_eq!(bulkhead.snapshot().rejected, 1);
    drop(place);

    // And without tower of no error at all.
    struct Silent;
    assert!(bulkhead.call(|| ready(Err::<(), _>(Silent))).await.is_err());
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[test]
fn values_and_futures_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn goes<T: Send + Sync + 'static>(_: &T) {}

    let (plain, patient) = (Bulkhead::builder(1).build().unwrap(), queueing(1));
    anywhere(&plain);
    anywhere(&patient);
    anywhere(&plain.layer(Strict::<BoxError>::new().0));
    goes(&send(
        &mut plain.layer(Strict::<BoxError>::new().0),
        Ask::answer(),
    ));
    goes(&send(
        &mut patient.layer(Strict::<BoxError>::new().0),
        Ask::answer(),
    ));
    goes(&plain.try_acquire().unwrap());
    let _: Guarded<Strict, Bulkhead> = plain.layer(Strict::new().0);
    let _: Guarded<Strict, Bulkhead<Yes>> = patient.layer(Strict::new().0);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_and_a_bulkhead_never_hold_a_probe_in_the_queue() {
    let breaker = CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND / 2)
        .open_jitter(0.0)
        .probes(1)
        .build()
        .unwrap();
    let bulkhead = queueing(1);
    let guard = Guard::new((breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let probes = || breaker.snapshot().probes.map(|probes| probes.running);

    // Every place is taken; the breaker opens, and its wait ends.
    let place = bulkhead.acquire().await.unwrap();
    breaker.try_acquire().unwrap().failure();
    advance(SECOND / 2).await;
    let mut waiting = [(); 2].map(|()| spawn(send(&mut service, Ask::answer().after(1))));
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    assert_eq!(seen(&bulkhead), (1, 2));
    assert_eq!(probes(), Some(0), "nobody who waits is a probe");

    drop(place);
    let [first, second] = &mut waiting;
    assert!(first.is_woken());
    assert_pending!(first.poll());
    assert_eq!((probes(), seen(&bulkhead)), (Some(1), (1, 1)));
    assert_ready_ok!(first.poll());
    assert_eq!(breaker.snapshot().state, State::Closed);
    assert_pending!(second.poll());
    assert_ready_ok!(second.poll());
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_during_the_wait_refuses_and_the_place_goes_on() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let bulkhead = queueing(1);
    let guard = Guard::new((breaker.clone(), bulkhead.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let place = bulkhead.acquire().await.unwrap();
    let mut waiting = spawn(send(&mut service, Ask::panic_in_call()));
    let mut next = spawn(bulkhead.acquire());
    assert_pending!(waiting.poll());
    assert_pending!(next.poll());
    breaker.force_open();
    // An open breaker answers before the queue.
    let refused = send(&mut service, Ask::answer()).await.unwrap_err();
    assert_eq!(refused.rejected().unwrap().reason(), Reason::ForcedOpen);
    assert_eq!(seen(&bulkhead), (1, 2));
    drop(place);
    let refused = assert_ready!(waiting.poll()).unwrap_err();
    assert_eq!(refused.rejected().unwrap().reason(), Reason::ForcedOpen);
    assert!(next.is_woken());
    drop(assert_ready_ok!(next.poll()));
    assert_eq!(seen(&bulkhead), (0, 0));
}

/// Waits in a queue in front of another queue: the first place is kept meanwhile, since it might
/// have to be queued for again. One that cannot be queued for goes back.
#[tokio::test(start_paused = true)]
async fn only_a_place_that_can_be_queued_for_is_held_through_another_wait() {
    let last = queueing(1);
    let place = last.acquire().await.unwrap();

    let first = queueing(1);
    let guard = Guard::new((first.clone(), last.clone()));
    let mut waiting = spawn(guard.acquire());
    assert_pending!(waiting.poll());
    assert_eq!((seen(&first), seen(&last)), ((1, 0), (1, 1)));
    drop(waiting);
    assert_eq!((seen(&first), seen(&last)), ((0, 0), (1, 0)));

    let plain = Bulkhead::builder(1).build().unwrap();
    let guard = Guard::new((plain.clone(), last.clone()));
    let mut waiting = spawn(guard.acquire());
    assert_pending!(waiting.poll());
    assert_eq!(plain.snapshot().in_flight, 0);
    // Another has it in the meantime.
    let other = plain.try_acquire().unwrap();
    drop(place);
    assert_eq!(
        assert_ready!(waiting.poll()).unwrap_err().reason(),
        Reason::Full
    );
    assert_eq!(seen(&last), (0, 0));
    drop(other);
    drop(guard.acquire().await.unwrap());
    assert_eq!((plain.snapshot().in_flight, seen(&last)), (0, (0, 0)));
}

/// The call ends with the response's body, which is the settlement.
#[derive(Debug, Clone, Copy)]
struct AtBodyEnd;

impl<G: Policy> Ending<G, u32, BoxError> for AtBodyEnd {
    type Response = Settlement<G>;

    fn end(
        &self,
        result: Result<u32, BoxError>,
        settlement: Settlement<G>,
    ) -> Result<Settlement<G>, BoxError> {
        result.map(|_| settlement)
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_keeps_the_place_until_it_has_been_read_or_dropped() {
    for read in [true, false] {
        let bulkhead = queueing(1);
        let inner = Strict::<BoxError>::new().0;
        let mut service = bulkhead.layer(inner).end_with(AtBodyEnd);
        let body = send(&mut service, Ask::answer()).await.unwrap();
        let mut next = spawn(send(&mut service, Ask::answer()));
        assert_pending!(next.poll());
        assert_eq!(seen(&bulkhead), (1, 1));
        if read {
            body.settle(Outcome::Success);
        } else {
            drop(body);
        }
        assert!(next.is_woken());
        drop(assert_ready_ok!(next.poll()));
        // An error has no body.
        send(&mut service, Ask::fail()).await.unwrap_err();
        assert_eq!(seen(&bulkhead), (0, 0));
    }
}

/// Its clone is a panic.
#[derive(Debug)]
struct NoCopies;

impl Clone for NoCopies {
    fn clone(&self) -> Self {
        panic!("no copies");
    }
}

impl Service<()> for NoCopies {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_when_cloned_leaves_no_one_in_the_queue() {
    let bulkhead = queueing(1);
    let mut service = bulkhead.layer(NoCopies);
    let running = service.call(());
    let words = panic_of(|| drop(service.call(())));
    assert_eq!((words.as_str(), seen(&bulkhead)), ("no copies", (1, 0)));
    drop(running);
    assert_eq!(seen(&bulkhead), (0, 0));
}

/// A task that cannot be woken.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("a broken task");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_harms_neither_the_one_who_gives_nor_those_behind() {
    let bulkhead = queueing(2);
    let places = [(); 2].map(|()| spawn(bulkhead.acquire()));
    let mut broken = Box::pin(bulkhead.acquire());
    let waker = Waker::from(Arc::new(Broken));
    assert_pending!(broken.as_mut().poll(&mut Context::from_waker(&waker)));
    let mut next = [(); 2].map(|()| spawn(bulkhead.acquire()));
    for call in &mut next {
        assert_pending!(call.poll());
    }
    // Several at once, and the first of them breaks.
    bulkhead.reconfigure(config(4)).unwrap();
    let [first, second] = &mut next;
    assert!(first.is_woken() && !second.is_woken());
    drop(places);
    assert!(second.is_woken());
    drop(broken);
    assert_eq!(seen(&bulkhead), (2, 0));
    drop(next);
    assert_eq!(seen(&bulkhead), (0, 0));
}

fn config(limit: u32) -> Config {
    let mut config = Config::new(limit);
    config.max_queue = 10;
    config.max_wait = SECOND;
    config
}

/// A waker whose first clone is a panic.
fn fragile() -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| {}, |_| {}, |_| {});
    static CLONES: AtomicU32 = AtomicU32::new(0);

    fn clone(_: *const ()) -> RawWaker {
        assert!(CLONES.fetch_add(1, SeqCst) > 0, "a fragile waker");
        RawWaker::new(std::ptr::null(), &TABLE)
    }

    #[allow(
        unsafe_code,
        reason = "a waker that misbehaves cannot be had otherwise"
    )]
    // SAFETY: it has no data, so there is nothing to mishandle.
    unsafe {
        Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE))
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_when_cloned_leaves_the_wait_as_it_was() {
    let bulkhead = queueing(1);
    let place = spawn(bulkhead.acquire());
    let mut waiting: Pin<Box<_>> = Box::pin(bulkhead.acquire());
    let waker = fragile();
    let poll = || waiting.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    assert_eq!(seen(&bulkhead), (1, 1));
    drop(place);
    assert_eq!(seen(&bulkhead), (1, 0));
    drop(waiting);
    assert_eq!(seen(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_or_calls_back_costs_no_place() {
    let bulkhead = queueing(1);
    let handle = bulkhead.clone();
    let _ear = bulkhead.subscribe(move |event| {
        // Under no lock: it may do as it likes.
        if !matches!(event.kind, EventKind::Reconfigured { .. }) {
            handle.reconfigure(handle.config()).unwrap();
        }
        assert!(handle.snapshot().in_flight <= 1);
        panic!("a listener panics");
    });
    let mut calls = [(); 12].map(|()| spawn(bulkhead.acquire()));
    for (n, call) in calls.iter_mut().enumerate() {
        match n {
            11 => assert!(assert_ready!(call.poll()).is_err()),
            _ => drop(assert_ready!(call.poll()).unwrap()),
        }
    }
    assert_eq!(bulkhead.snapshot().waits, 10);
    assert_eq!(seen(&bulkhead), (0, 0));
}
