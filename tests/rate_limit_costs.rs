//! What a rate limit costs: no allocation, and next to nothing in a call's future.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    future::{Future, Ready, ready},
    mem::size_of_val,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocator::{assert_none, now_or_never};
use buttress::{
    Error, RateLimit, Reason, Rejected,
    guard::Guarded,
    rate_limit::{Limiter, Quota, Ticket},
};
use tower::{Layer, Service, service_fn};

type Flat = Error<()>;

const DAY: Duration = Duration::from_secs(86_400);

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// None of these tests uses it up.
fn generous() -> RateLimit {
    RateLimit::builder(Quota::per_day(n(1_000_000)))
        .build()
        .unwrap()
}

fn used_up() -> RateLimit {
    let limit = RateLimit::builder(Quota::per_day(n(1))).build().unwrap();
    limit.try_acquire_n(1).unwrap();
    limit
}

fn answer(request: u32) -> Ready<Result<u32, Flat>> {
    ready(Ok(request))
}

fn send<S>(service: &mut S, request: u32) -> Result<u32, Flat>
where
    S: Service<u32, Response = u32, Error = Flat>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    now_or_never(service.call(request))
}

#[test]
fn an_allowed_call_allocates_nothing() {
    let limit = generous();
    let mut service = limit.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, 1).is_ok()));
    assert_none(|| assert!(now_or_never(limit.call(|| ready(Ok::<_, ()>(())))).is_ok()));
    assert_none(|| drop(limit.try_acquire().unwrap()));
    assert_none(|| limit.try_acquire_n(3).unwrap());
    let costly = RateLimit::builder(limit.config()).cost(|cost: &u32| *cost);
    let costly = costly.build().unwrap();
    let mut service = costly.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, 2).is_ok()));
    let patient = RateLimit::builder(limit.config())
        .max_wait(DAY)
        .build()
        .unwrap();
    let mut service = patient.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, 1).is_ok()));
    assert_none(|| now_or_never(patient.acquire_n(1)).unwrap());
}

#[test]
fn a_refused_call_allocates_nothing() {
    let limit = used_up();
    let mut service = limit.layer(service_fn(answer));
    let is =
        |error: Flat| matches!(&error, Error::Rejected(no) if no.reason() == Reason::RateLimited);
    assert_none(|| assert!(is(send(&mut service, 1).unwrap_err())));
    assert_none(|| assert!(limit.try_acquire().is_err()));
    assert_none(|| assert!(limit.try_acquire_n(2).is_err()));
}

#[test]
fn a_call_that_runs_only_because_of_shadow_allocates_nothing() {
    let limit = RateLimit::builder(Quota::per_day(n(1))).max_wait(DAY);
    let limit = limit.shadow(true).build().unwrap();
    // The first takes the burst, the second a turn for which nobody waits.
    (0..2).for_each(|_| now_or_never(limit.acquire_n(1)).unwrap());
    let mut service = limit.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, 1).is_ok()));
    assert_none(|| now_or_never(limit.acquire_n(2)).unwrap());
    assert_none(|| drop(service.call(1)));
    assert!(limit.snapshot().would_have_rejected > 2_000);
}

/// Reserving a turn takes no timer and no heap; only a call that is polled needs a timer, in place.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_or_is_dropped_while_it_waits_allocates_nothing() {
    let limit = RateLimit::builder(Quota::per_day(n(1_000_000))).burst(1);
    let limit = limit.max_wait(DAY).build().unwrap();
    let mut service = limit.layer(service_fn(answer));
    let mut cx = Context::from_waker(Waker::noop());
    limit.try_acquire_n(1).unwrap();
    assert_none(|| {
        assert!(service.poll_ready(&mut cx).is_ready());
        drop(service.call(1));
    });
}

#[tokio::test]
async fn a_call_that_has_waited_allocates_nothing() {
    // A turn every ten microseconds: waits are over as soon as they are looked at, or soon after.
    let limit = RateLimit::builder(Quota::per_second(n(100_000))).burst(1);
    let limit = limit.max_wait(DAY).build().unwrap();
    let mut service = limit.layer(service_fn(answer));
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = || {
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut call = std::pin::pin!(service.call(1));
        while call.as_mut().poll(&mut cx).is_pending() {}
    };
    (0..100).for_each(|_| call());
    assert_none(call);
    assert!(limit.snapshot().waits > 0);
}

/// Ready at once, and this big.
struct Bytes<const N: usize> {
    _room: [u8; N],
}

impl<const N: usize> Future for Bytes<N> {
    type Output = Result<(), Flat>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

fn guarded<const N: usize>() -> usize {
    let mut service = generous().layer(service_fn(|()| Bytes::<N> { _room: [0; N] }));
    size_of_val(&service.call(()))
}

/// It holds nothing: what there is beside the inner future is the refusal in its place, and a word
/// that tells the two apart.
#[test]
fn a_guarded_future_is_the_inner_one_and_a_word() {
    let refusal = size_of::<Rejected>();
    assert!(guarded::<0>() <= refusal + 8, "{}", guarded::<0>());
    assert!(guarded::<16>() <= refusal + 8, "{}", guarded::<16>());
    assert!(guarded::<100>() <= 100 + 16, "{}", guarded::<100>());
    assert!(guarded::<1000>() <= 1000 + 16, "{}", guarded::<1000>());
    assert_eq!(size_of::<RateLimit>(), size_of::<usize>());
    // What all its clones share, but for the counters by thread.
    assert!(size_of::<Limiter>() <= 448, "{}", size_of::<Limiter>());
    assert_eq!(size_of::<Ticket>(), 16);
    assert!(size_of::<Guarded<(), RateLimit>>() <= 8 + 32);
}
