//! What the types promise: values go anywhere, guarded services and their futures go wherever the
//! inner ones do, and nothing is asked of the user that the user did not bring.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, Ready, ready},
    marker::{PhantomData, PhantomPinned},
    pin::Pin,
    rc::Rc,
    sync::MutexGuard,
    task::{Context, Poll},
};

use buttress::{
    Adapt, CircuitBreaker, Error, OnError, Outcome, Rejected, breaker,
    guard::{Guard, Guarded, Permit, Settlement},
    telemetry,
};
use policies::{Pace, Queue};
use tower::{BoxError, Layer, Service, ServiceBuilder};

/// Whether a type has a trait, as a constant: the inherent one hides the other where it applies.
macro_rules! is {
    ($type:ty: $($bound:tt)+) => {{
        struct Asked<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "hidden by the other one where that applies")]
        trait Otherwise {
            const IS: bool = false;
        }
        impl<T: ?Sized> Otherwise for Asked<T> {}
        #[allow(dead_code, reason = "not meant where it does not apply")]
        impl<T: ?Sized + $($bound)+> Asked<T> {
            const IS: bool = true;
        }
        <Asked<$type>>::IS
    }};
}

/// A service that is `Send` as its first parameter is, and whose future is as its second.
struct Carries<S, F>(PhantomData<(S, F)>);

struct Carried<F>(PhantomData<F>);

impl<S, F> Clone for Carries<S, F> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<S, F, R> Service<R> for Carries<S, F> {
    type Response = ();
    type Error = BoxError;
    type Future = Carried<F>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        Carried(PhantomData)
    }
}

impl<F> Future for Carried<F> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

type Breaking<S> = Guarded<S, CircuitBreaker>;
type Queueing<S> = Guarded<S, Guard<(Pace, (CircuitBreaker, Queue))>>;
type FutureOf<S, R> = <S as Service<R>>::Future;

/// `Send` and not `Sync`; `Sync` and not `Send`.
type OnlySend = Cell<()>;
type OnlySync = MutexGuard<'static, ()>;

#[test]
fn values_are_clone_send_sync_and_static() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    anywhere::<CircuitBreaker>();
    anywhere::<CircuitBreaker<fn(Result<&(), &BoxError>) -> Outcome>>();
    anywhere::<Guard<(CircuitBreaker, (CircuitBreaker, Queue))>>();
    anywhere::<breaker::Config>();
    anywhere::<breaker::Snapshot>();
    anywhere::<telemetry::Event>();
    anywhere::<Rejected>();
    anywhere::<Error<Rejected>>();
    anywhere::<Adapt>();
    anywhere::<OnError>();
    fn goes<T: Send + Sync + Unpin + 'static>() {}
    goes::<breaker::Builder>();
    goes::<Permit<CircuitBreaker>>();
    goes::<Settlement<CircuitBreaker>>();
    goes::<telemetry::Subscription>();
}

#[test]
fn a_guarded_service_is_send_and_sync_exactly_when_the_inner_is() {
    assert!(is!(Breaking<Carries<(), ()>>: Send));
    assert!(is!(Breaking<Carries<(), ()>>: Sync));
    assert!(is!(Breaking<Carries<OnlySend, ()>>: Send));
    assert!(!is!(Breaking<Carries<OnlySend, ()>>: Sync));
    assert!(!is!(Breaking<Carries<OnlySync, ()>>: Send));
    assert!(is!(Breaking<Carries<OnlySync, ()>>: Sync));
    assert!(is!(Breaking<Carries<(), ()>>: Clone));
    assert!(!is!(Breaking<OnlySync>: Clone));
}

#[test]
fn a_guarded_future_is_send_sync_and_unpin_exactly_when_the_inner_is() {
    type Of<F> = FutureOf<Breaking<Carries<(), F>>, ()>;
    assert!(is!(Of<()>: Send));
    assert!(is!(Of<()>: Sync));
    assert!(is!(Of<()>: Unpin));
    assert!(is!(Of<OnlySend>: Send));
    assert!(!is!(Of<OnlySend>: Sync));
    assert!(!is!(Of<OnlySync>: Send));
    assert!(is!(Of<OnlySync>: Sync));
    assert!(!is!(Of<PhantomPinned>: Unpin));
}

#[test]
fn a_future_that_never_waits_carries_neither_the_service_nor_the_request() {
    assert!(is!(FutureOf<Breaking<Carries<Rc<()>, ()>>, ()>: Send));
    assert!(is!(FutureOf<Breaking<Carries<(), ()>>, Rc<()>>: Send));
}

#[test]
fn a_future_that_may_wait_carries_both() {
    assert!(is!(FutureOf<Queueing<Carries<(), ()>>, ()>: Send));
    assert!(is!(FutureOf<Queueing<Carries<(), ()>>, ()>: Sync));
    assert!(!is!(FutureOf<Queueing<Carries<OnlySync, ()>>, ()>: Send));
    assert!(!is!(FutureOf<Queueing<Carries<(), OnlySync>>, ()>: Send));
    assert!(!is!(FutureOf<Queueing<Carries<(), ()>>, OnlySync>: Send));
}

#[test]
fn a_stack_of_layers_goes_into_a_spawned_task() {
    fn goes<F: Future + Send + 'static>(_: F) {}
    let breaker = CircuitBreaker::builder().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(breaker.clone())
        .layer(breaker.clone())
        .layer(Adapt)
        .service_fn(|name: String| async move { Ok::<_, Infallible>(name) });
    goes(tower::ServiceExt::oneshot(service, String::new()));
    goes(breaker.call(|| async { Ok::<_, Infallible>(()) }));
}

/// Neither `Clone` nor `Send`, borrows its request.
struct Length(Rc<Cell<u32>>);

impl<'a> Service<&'a str> for Length {
    type Response = (usize, &'a str);
    type Error = BoxError;
    type Future = Ready<Result<(usize, &'a str), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, text: &'a str) -> Self::Future {
        self.0.set(self.0.get() + 1);
        ready(Ok((text.len(), text)))
    }
}

#[tokio::test(start_paused = true)]
async fn borrowed_requests_and_services_that_stay_on_their_thread_are_fine() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let calls = Rc::new(Cell::new(0));
    let mut service = breaker.layer(Length(Rc::clone(&calls)));
    let text = String::from("borrowed");
    assert_eq!(service.call(&text).await.unwrap(), (8, text.as_str()));

    // Without tower, too: what it borrows, what stays here, and what it answers with.
    let answer = breaker.call(|| async {
        calls.set(calls.get() + 1);
        Ok::<_, Infallible>(text.as_str())
    });
    assert_eq!(answer.await.unwrap(), "borrowed");
    assert_eq!((calls.get(), breaker.snapshot().calls), (2, 2));
}

/// `Clone`, and its request is borrowed: waiting asks for no more.
#[derive(Clone)]
struct Here(Rc<Cell<u32>>);

impl<'a> Service<&'a Cell<u32>> for Here {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, more: &'a Cell<u32>) -> Self::Future {
        self.0.set(self.0.get() + more.get());
        ready(Ok(self.0.get()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_asks_for_no_more_than_a_clone() {
    let guard = Guard::new(Queue::new(1, 1));
    let mut service = guard.layer(Here(Rc::default()));
    let request = Cell::new(1);
    let (first, second) = (service.call(&request), service.call(&request));
    request.set(5);
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(second.await.unwrap(), 6);
}
