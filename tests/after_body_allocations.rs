//! A call that ends with its body allocates no more than one that ends with its head: nothing.
#![cfg(feature = "http")]

#[path = "support/allocator.rs"]
mod allocator;

use std::convert::Infallible;

use allocator::{assert_none, now_or_never};
use buttress::{
    CircuitBreaker, Resilience,
    http::{Adapt, after_body},
    pipeline::Config,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceBuilder, service_fn};

fn answer() -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(b"so long")))
}

fn read<S, B>(service: &mut S)
where
    S: Service<Request<()>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    let response = now_or_never(service.call(Request::new(()))).unwrap();
    let mut body = response.into_body();
    while let Some(frame) = now_or_never(body.frame()) {
        frame.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_judged_body_allocates_nothing() {
    let inner = || service_fn(|_: Request<()>| async { Ok::<_, Infallible>(answer()) });
    let breaker = CircuitBreaker::builder().build().unwrap();
    let mut guarded = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(inner());
    assert_none(|| read(&mut guarded));
    assert!(breaker.snapshot().calls > 0);

    let policy = Resilience::builder()
        .config(Config::standard())
        .build()
        .unwrap();
    let mut whole = after_body(policy).layer(Adapt.layer(inner()));
    assert_none(|| read(&mut whole));
}
