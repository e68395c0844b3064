//! What a guarded call weighs: the future of the inner call and little more.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::Future,
    mem::size_of_val,
    pin::Pin,
    task::{Context, Poll},
};

use buttress::{
    CircuitBreaker, Error, Rejected,
    breaker::Ticket,
    guard::{Guarded, Permit},
};
use tower::{BoxError, Layer, Service, service_fn};

/// How much bigger than the inner future a guarded one may be.
const MOST: usize = 40;

/// Ready at once, and this big.
struct Bytes<const N: usize> {
    _room: [u8; N],
}

impl<const N: usize> Bytes<N> {
    const fn new() -> Self {
        Self { _room: [0; N] }
    }
}

impl<const N: usize> Future for Bytes<N> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder().build().unwrap()
}

/// The sizes of the inner future and of the guarded one.
fn layered<const N: usize>() -> (usize, usize) {
    let mut service = breaker().layer(service_fn(|()| async { Bytes::<N>::new().await }));
    let inner = size_of_val(&service.get_mut().call(()));
    (inner, size_of_val(&service.call(())))
}

fn plain<const N: usize>() -> (usize, usize) {
    let mut service = breaker().layer(service_fn(|()| Bytes::<N>::new()));
    (N, size_of_val(&service.call(())))
}

/// The same for `call`, whose inner future is the closure's and the function that turns its error.
fn called<const N: usize>() -> (usize, usize) {
    let turned = size_of::<fn(BoxError) -> Error<BoxError>>();
    (N + turned, size_of_val(&breaker().call(Bytes::<N>::new)))
}

fn assert_light((inner, guarded): (usize, usize)) {
    assert!(guarded <= inner + MOST, "{guarded} over {inner}");
}

#[test]
fn a_guarded_future_is_little_more_than_the_inner_one() {
    assert_light(plain::<0>());
    assert_light(plain::<1>());
    assert_light(plain::<8>());
    assert_light(plain::<16>());
    assert_light(plain::<100>());
    assert_light(plain::<1000>());
    assert_light(layered::<0>());
    assert_light(layered::<1>());
    assert_light(layered::<8>());
    assert_light(layered::<16>());
    assert_light(layered::<100>());
    assert_light(layered::<1000>());
}

#[test]
fn a_call_without_tower_weighs_no_more() {
    assert_light(called::<0>());
    assert_light(called::<1>());
    assert_light(called::<8>());
    assert_light(called::<16>());
    assert_light(called::<100>());
    assert_light(called::<1000>());
}

#[test]
fn what_travels_with_a_call_is_small() {
    assert!(size_of::<Rejected>() <= 32);
    assert!(size_of::<Option<Rejected>>() <= 32);
    assert_eq!(size_of::<Ticket>(), 16);
    assert_eq!(size_of::<CircuitBreaker>(), size_of::<usize>());
    // The way back and the ticket.
    assert_eq!(size_of::<Permit<CircuitBreaker>>(), 8 + 16);
    // The service: the way to the breaker, and the refusal that a readiness may stand for.
    assert!(size_of::<Guarded<(), CircuitBreaker>>() <= 8 + 32);
}
