//! What a call through a bulkhead costs beside time: no allocation, unless it waits, and little room.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    future::{Ready, ready},
    mem::size_of_val,
    task::{Context, Waker},
    time::Duration,
};

use allocator::{allocations, assert_none, now_or_never};
use buttress::{
    Bulkhead, Error, Reason,
    guard::{Permit, Spare, Yes},
};
use tower::{Layer, Service, service_fn, util::ServiceFn};

type Flat = Error<()>;

fn answer(up: bool) -> Ready<Result<u32, Flat>> {
    ready(if up { Ok(1) } else { Err(Error::Inner(())) })
}

fn send<S>(service: &mut S, up: bool) -> Result<u32, Flat>
where
    S: Service<bool, Response = u32, Error = Flat>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    now_or_never(service.call(up))
}

fn queueing(places: u32, queue: u32) -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(places).max_queue(queue);
    builder.max_wait(Duration::from_secs(60)).build().unwrap()
}

fn passes<Q>(bulkhead: &Bulkhead<Q>)
where
    Q: Spare<ServiceFn<fn(bool) -> Ready<Result<u32, Flat>>>>,
{
    let mut service = bulkhead.layer(service_fn(answer as fn(bool) -> Ready<Result<u32, Flat>>));
    assert_none(|| assert!(send(&mut service, true).is_ok()));
    assert_none(|| assert!(send(&mut service, false).is_err()));
    assert_none(|| assert!(now_or_never(bulkhead.call(|| ready(Ok::<_, ()>(())))).is_ok()));
    assert_none(|| drop(now_or_never(bulkhead.acquire()).unwrap()));
    // Dropped before it is polled.
    assert_none(|| drop(service.call(true)));
}

#[test]
fn a_call_for_which_a_place_is_free() {
    for places in [1, 2, 1_000] {
        passes(&Bulkhead::builder(places).build().unwrap());
        passes(&queueing(places, 0x10));
    }
}

#[test]
fn a_call_that_is_refused() {
    let is_full =
        |error: Flat| matches!(&error, Error::Rejected(no) if no.reason() == Reason::Full);
    for places in [1, 64] {
        let bulkhead = Bulkhead::builder(places).build().unwrap();
        let taken: Vec<_> = (0..places).map(|_| bulkhead.try_acquire()).collect();
        let mut service = bulkhead.layer(service_fn(answer));
        assert_none(|| assert!(is_full(send(&mut service, true).unwrap_err())));
        assert_none(|| assert!(bulkhead.try_acquire().is_err()));
        assert_none(|| {
            let refused = now_or_never(bulkhead.call(|| ready(Ok::<_, ()>(()))));
            assert!(is_full(refused.unwrap_err()));
        });
        drop(taken);
    }
    let bulkhead = queueing(1, 1);
    let taken = [(); 2].map(|()| bulkhead.acquire());
    assert_none(|| assert!(now_or_never(bulkhead.acquire()).is_err()));
    drop(taken);
}

#[test]
fn a_call_that_runs_only_because_of_shadow() {
    for places in [1, 64] {
        let bulkhead = Bulkhead::builder(places).shadow(true).build().unwrap();
        let _taken: Vec<_> = (0..places).map(|_| bulkhead.try_acquire()).collect();
        passes(&bulkhead);
        assert!(bulkhead.snapshot().would_have_rejected > 4_000);
    }
}

/// Only those who wait pay for the wait, and little.
#[test]
fn a_call_that_waits() {
    let bulkhead = queueing(1, 10);
    let pass_on = || {
        let first = now_or_never(bulkhead.acquire()).unwrap();
        let second = bulkhead.acquire();
        drop(first);
        drop(now_or_never(second).unwrap());
    };
    pass_on();
    assert!(
        allocations(pass_on) <= 2,
        "the wait, and its entry in the queue"
    );
}

#[test]
fn a_guarded_future_is_little_more_than_the_inner_one() {
    type Inner = fn([u8; 100]) -> Ready<Result<[u8; 100], Flat>>;

    fn sizes<Q>(bulkhead: &Bulkhead<Q>) -> (usize, usize)
    where
        Q: Spare<ServiceFn<Inner>>,
    {
        let inner = |bytes| ready(Ok::<[u8; 100], Flat>(bytes));
        let inner: Inner = inner;
        let mut service = bulkhead.layer(service_fn(inner));
        (
            size_of_val(&inner([0; 100])),
            size_of_val(&service.call([0; 100])),
        )
    }
    let (inner, guarded) = sizes(&Bulkhead::builder(1).build().unwrap());
    assert!(guarded <= inner + 32, "{guarded} over {inner}");
    // Room for either the inner future or request, service, and wait.
    let (inner, guarded) = sizes(&queueing(1, 1));
    assert!(guarded <= inner + 48, "{guarded} over {inner}");

    assert_eq!(size_of::<Bulkhead>(), size_of::<usize>());
    // The way back, and whether there is a place to give.
    assert_eq!(size_of::<Permit<Bulkhead>>(), 2 * size_of::<usize>());
}
