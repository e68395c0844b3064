//! One flat error however many guards are stacked, and what a refusal from further in counts for.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{error::Error as _, future::poll_fn};

use buttress::{
    Adapt, CircuitBreaker, Error, Reason, Refusal, Rejected, breaker::State, guard::Guarded,
};
use strict::{Ask, Cause, Failed, Strict, send};
use tokio_test::{assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceBuilder, service_fn};

/// Opens at the first failure.
fn breaker(name: &str) -> CircuitBreaker {
    let builder = CircuitBreaker::builder().name(name);
    builder.count_window(10).min_calls(1).build().unwrap()
}

/// An error type of a user's own.
#[derive(Debug)]
enum ShopError {
    Refused(Rejected),
    Down(Failed),
}

impl From<Rejected> for ShopError {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

impl From<Failed> for ShopError {
    fn from(failed: Failed) -> Self {
        Self::Down(failed)
    }
}

impl Refusal for ShopError {
    fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Refused(rejected) => Some(rejected),
            Self::Down(_) => None,
        }
    }
}

type Stack<S> = Guarded<Guarded<Guarded<S, CircuitBreaker>, CircuitBreaker>, CircuitBreaker>;

/// Three breakers over a service, outermost first, and their handles.
fn stack<S>(service: S) -> (Stack<S>, [CircuitBreaker; 3]) {
    let breakers = ["outer", "middle", "inner"].map(breaker);
    let [outer, middle, inner] = breakers.clone();
    let stack = ServiceBuilder::new()
        .layer(outer)
        .layer(middle)
        .layer(inner);
    (stack.service(service), breakers)
}

#[tokio::test(start_paused = true)]
async fn three_breakers_make_one_flat_boxed_error() {
    let (mut service, breakers) = stack(Strict::<BoxError>::new().0);
    for refusing in &breakers {
        refusing.force_open();
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        let no = error.downcast_ref::<Rejected>().expect("flat");
        assert_eq!(no.policy(), refusing.name());
        // With the feature `tonic` its gRPC status stands behind it, and never another refusal.
        assert!(error.source().is_none_or(|it| !it.is::<Rejected>()));
        refusing.reset();
    }
    let error = send(&mut service, Ask::fail()).await.unwrap_err();
    assert!(error.is::<Failed>(), "as the service made it");
    assert!(error.source().is_some_and(|cause| cause.is::<Cause>()));
}

#[tokio::test(start_paused = true)]
async fn three_breakers_make_one_flat_error_of_a_users_own() {
    let (mut service, breakers) = stack(Strict::<ShopError>::new().0);
    for refusing in &breakers {
        refusing.force_open();
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        assert!(matches!(&error, ShopError::Refused(no) if no.policy() == refusing.name()));
        refusing.reset();
    }
    let error = send(&mut service, Ask::fail()).await.unwrap_err();
    assert!(matches!(error, ShopError::Down(_)));
    assert!(breakers.iter().all(|each| each.snapshot().failed == 1));
}

#[tokio::test(start_paused = true)]
async fn three_breakers_make_one_flat_error_of_somebody_elses() {
    let (mut service, breakers) = stack(Adapt.layer(Strict::<Failed>::new().0));
    for refusing in &breakers {
        refusing.force_open();
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        assert!(matches!(&error, Error::Rejected(no) if no.policy() == refusing.name()));
        assert!(
            error.source().unwrap().is::<Rejected>(),
            "the refusal is the source"
        );
        refusing.reset();
    }
    let error: Error<Failed> = send(&mut service, Ask::fail()).await.unwrap_err();
    let source = error.source().expect("the inner error");
    assert!(source.is::<Failed>());
    assert!(source.source().is_some_and(|cause| cause.is::<Cause>()));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_from_further_in_is_no_verdict_unless_it_was_started() {
    let (mut service, [outer, middle, inner]) = stack(Strict::<BoxError>::new().0);
    inner.force_open();
    for _ in 0..5 {
        send(&mut service, Ask::answer()).await.unwrap_err();
    }
    assert_eq!((outer.snapshot().calls, middle.snapshot().calls), (0, 0));
    assert_eq!(outer.snapshot().state, State::Closed);

    let breaker = breaker("b");
    let mut service = breaker.layer(service_fn(|reason: Reason| async move {
        Err::<(), BoxError>(Rejected::new("further in", reason).into())
    }));
    let mut ask = |reason| {
        assert_ready_ok!(spawn(poll_fn(|cx| service.poll_ready(cx))).poll());
        assert!(assert_ready!(spawn(service.call(reason)).poll()).is_err());
    };
    ask(Reason::Full);
    ask(Reason::RateLimited);
    assert_eq!(breaker.snapshot().calls, 0);
    ask(Reason::TimedOut);
    assert_eq!(breaker.snapshot().failed, 1);
    assert_eq!(breaker.snapshot().state, State::Open);
}
