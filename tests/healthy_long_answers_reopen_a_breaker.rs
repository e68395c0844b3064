//! A probe lasts as long as its body where calls end with that. One that was answered, and whose body was still on its
//! way after `probe_timeout`, counted as hung: a service of long downloads never closed its breaker again.
#![cfg(feature = "http")]

use std::{convert::Infallible, time::Duration};

use buttress::{
    CircuitBreaker, Resilience,
    breaker::{self, Order, State},
    http::{Adapt, after_body},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tokio::time::advance;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

/// A body that goes on.
#[derive(Default)]
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Pending
    }
}

fn breaker() -> breaker::Config {
    let mut breaker = breaker::Config::default();
    breaker.probes = 2;
    breaker.open_for = Duration::from_secs(1);
    breaker
}

async fn download(_: Request<()>) -> Result<Response<Endless>, Infallible> {
    Ok(Response::new(Endless))
}

#[tokio::test(start_paused = true)]
async fn answered_probes_close_a_breaker_however_long_they_last() {
    let breaker = CircuitBreaker::builder().config(breaker()).build().unwrap();
    let files = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(service_fn(download));
    breaker.force_open_for(Duration::from_secs(1));
    advance(Duration::from_secs(2)).await;
    let send = || files.clone().oneshot(Request::new(()));
    let running = (send().await.unwrap(), send().await.unwrap());
    assert_eq!(breaker.snapshot().state, State::HalfOpen);
    assert!(send().await.is_err(), "both places are taken");
    advance(Duration::from_secs(10)).await;
    let seen = breaker.snapshot();
    assert_eq!(seen.state, State::Closed);
    // They are late when they end, whatever happens then.
    drop(running);
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.failed), (State::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn the_same_in_a_pipeline() {
    let policy = Resilience::builder().breaker(breaker()).build().unwrap();
    let files = after_body(policy.clone()).layer(Adapt.layer(service_fn(download)));
    policy.order(Order::ForceOpen(Some(Duration::from_secs(1))));
    advance(Duration::from_secs(2)).await;
    let send = || files.clone().oneshot(Request::new(()));
    let _running = (send().await.unwrap(), send().await.unwrap());
    advance(Duration::from_secs(10)).await;
    let seen = policy.snapshot().breaker.unwrap();
    assert_eq!(seen.state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_an_answer_still_hangs() {
    let breaker = CircuitBreaker::builder().config(breaker()).build().unwrap();
    let hang =
        |_: Request<()>| std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>();
    let files = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(service_fn(hang));
    breaker.force_open_for(Duration::from_secs(1));
    advance(Duration::from_secs(2)).await;
    let mut call = tokio_test::task::spawn(files.oneshot(Request::new(())));
    tokio_test::assert_pending!(call.poll());
    advance(Duration::from_secs(10)).await;
    assert_eq!(breaker.snapshot().state, State::Open);
}
