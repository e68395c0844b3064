//! Calls of gRPC that end with their trailers.
#![cfg(feature = "tonic")]

#[path = "support/health.rs"]
mod health;

use buttress::{
    Bulkhead, CircuitBreaker,
    breaker::State,
    grpc,
    http::{after_body, respond},
};
use health::{Answer, FailsInTrailers, Running, Script, ask};
use tonic::{Code, Status, service::Routes};
use tonic_health::pb::health_client::HealthClient;
use tower::layer::util::Identity;

fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(2).min_calls(2);
    builder.build().expect("valid settings")
}

macro_rules! client {
    ($policy:expr, $server:expr) => {
        HealthClient::new(grpc::client($policy.clone(), $server.channel()))
    };
}

#[tokio::test]
async fn a_stream_that_fails_in_its_trailers_opens_the_breaker() {
    let broken = Answer::Breaks(Status::unavailable("restarting"));
    let server = Running::start(Identity::new(), &Script::of(vec![broken; 2]));
    let breaker = breaker();
    let mut client = client!(breaker, server);
    for n in 1..=2 {
        let mut messages = client.watch(ask()).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        // All is well so far.
        assert_eq!(breaker.snapshot().calls, n - 1);
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let seen = breaker.snapshot();
        assert_eq!((seen.calls, seen.failed), (n, n));
    }
    assert_eq!(breaker.snapshot().state, State::Open);
    let status = client.watch(ask()).await.unwrap_err();
    assert_eq!(status.message(), "circuit breaker is open");
}

#[tokio::test]
async fn a_unary_call_that_fails_in_its_trailers_opens_the_breaker() {
    let routes = Routes::new(FailsInTrailers("14"));
    let server = Running::serve(Identity::new(), routes);
    let breaker = breaker();
    let mut client = client!(breaker, server);
    for _ in 0..2 {
        assert_eq!(breaker.snapshot().state, State::Closed);
        let status = client.check(ask()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }
    assert_eq!(breaker.snapshot().state, State::Open);
}

#[tokio::test]
async fn a_mistake_of_the_caller_in_the_trailers_is_no_failure() {
    let missing = Answer::Breaks(Status::not_found("no such service"));
    let server = Running::start(Identity::new(), &Script::of([missing, Answer::Serving]));
    let breaker = breaker();
    let mut client = client!(breaker, server);
    for code in [Some(Code::NotFound), None] {
        let mut messages = client.watch(ask()).await.unwrap().into_inner();
        messages.message().await.unwrap();
        let end = messages.message().await;
        assert_eq!(end.err().map(|status| status.code()), code);
    }
    let seen = breaker.snapshot();
    assert_eq!((seen.calls, seen.failed), (2, 0));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_stream_is_a_failure() {
    let breaker = breaker();
    for n in 1..=2 {
        let server = Running::start(Identity::new(), &Script::of([Answer::Hangs]));
        let mut client = client!(breaker, server);
        let mut messages = client.watch(ask()).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        drop(server);
        messages.message().await.unwrap_err();
        let seen = breaker.snapshot();
        assert_eq!((seen.calls, seen.failed), (n, n));
    }
    assert_eq!(breaker.snapshot().state, State::Open);
}

#[tokio::test]
async fn a_stream_holds_its_place_until_it_is_dropped() {
    let server = Running::start(Identity::new(), &Script::of([Answer::Hangs]));
    let streams = Bulkhead::builder(1).build().expect("valid settings");
    let mut client = client!(streams, server);
    let mut messages = client.watch(ask()).await.unwrap().into_inner();
    assert!(messages.message().await.unwrap().is_some());
    let status = client.watch(ask()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(messages);
    client.watch(ask()).await.expect("there is a place again");
}

#[tokio::test]
async fn a_server_hears_how_its_streams_end() {
    let broken = Answer::Breaks(Status::internal("a bug"));
    let breaker = breaker();
    let layer = respond(after_body(breaker.clone()));
    let server = Running::start(layer, &Script::of(vec![broken; 2]));
    let mut client = HealthClient::new(server.channel());
    for _ in 0..2 {
        let mut messages = client.watch(ask()).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
    }
    assert_eq!(breaker.snapshot().state, State::Open);
    let status = client.check(ask()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
