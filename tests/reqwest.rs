//! A client of reqwest behind a pipeline, over real sockets.
#![cfg(feature = "reqwest")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/scripted.rs"]
mod scripted;

use std::{error::Error as _, time::Duration};

use buttress::{
    CircuitBreaker, Error, Fallback, Outcome, Reason, Resilience,
    breaker::{self, State},
    bulkhead,
    http::{Fault, OnStatus},
    pipeline::{Config, Resilient},
    rate_limit, retry,
};
use reqwest::{Client, Method, Request, Response};
use scripted::{Answer, Scripted};
use tower::{Layer, ServiceBuilder, ServiceExt};

/// Three attempts without a wait worth speaking of.
fn quick() -> retry::Config {
    let mut retry = retry::Config::default();
    retry.backoff = buttress::backoff::Backoff::constant(Duration::from_millis(1));
    retry
}

fn client() -> Client {
    let builder = Client::builder().no_proxy();
    builder.retry(reqwest::retry::never()).build().unwrap()
}

fn request(method: Method, server: &Scripted) -> Request {
    let url = format!("{}/members/7", server.url);
    client().request(method, url).body("asked").build().unwrap()
}

fn retrying() -> Resilient<Client> {
    let policy = Resilience::builder()
        .retry(quick())
        .breaker(breaker::Config::default())
        .build();
    policy.unwrap().layer(client())
}

#[tokio::test]
async fn the_preset_is_a_client_with_the_familiar_execute() {
    let server = Scripted::start([]).await;
    let members: Resilient<Client> = Resilience::standard().layer(client());
    let response = members.execute(request(Method::GET, &server)).await;
    assert_eq!(response.unwrap().text().await.unwrap(), "text");
    let seen = members.resilience().snapshot();
    assert_eq!((seen.breaker.unwrap().calls, server.times()), (1, 1));
}

#[tokio::test]
async fn a_failing_status_is_a_failure_and_an_idempotent_request_is_sent_again() {
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
        let server = Scripted::start([Answer::Status(503), Answer::Status(408)]).await;
        let members = retrying();
        let response = members.execute(request(method.clone(), &server)).await;
        assert_eq!(response.unwrap().status(), 200, "{method}");
        assert_eq!(server.times(), 3, "{method}");
        let bodies = server.asked().into_iter().map(|asked| asked.body);
        assert!(bodies.into_iter().all(|body| body == b"asked"), "{method}");
        let breaker = members.resilience().snapshot().breaker.unwrap();
        assert_eq!((breaker.failed, breaker.calls), (2, 3), "{method}");
    }
}

#[tokio::test]
async fn what_is_not_idempotent_is_sent_once() {
    for method in [Method::POST, Method::PATCH] {
        let server = Scripted::start([Answer::Status(503)]).await;
        let members = retrying();
        let response = members.execute(request(method, &server)).await.unwrap();
        assert_eq!((response.status().as_u16(), server.times()), (503, 1));
        let breaker = members.resilience().snapshot().breaker.unwrap();
        assert_eq!(breaker.failed, 1);
    }
}

#[tokio::test]
async fn a_body_that_is_a_stream_is_sent_once() {
    let server = Scripted::start([Answer::Status(503)]).await;
    let members = retrying();
    let body = reqwest::Body::wrap(http_body_util::Full::<axum::body::Bytes>::new(
        "streamed".into(),
    ));
    let mut stream = request(Method::PUT, &server);
    *stream.body_mut() = Some(body);
    assert!(
        stream.try_clone().is_none(),
        "reqwest takes it for a stream"
    );
    let response = members.execute(stream).await.unwrap();
    assert_eq!((response.status().as_u16(), server.times()), (503, 1));
    assert_eq!(server.asked()[0].body, b"streamed");
}

#[tokio::test]
async fn the_last_response_is_returned_and_no_error() {
    let script = (0..3).map(|_| Answer::Status(500));
    let server = Scripted::start(script).await;
    let response = retrying().execute(request(Method::GET, &server)).await;
    assert_eq!(response.unwrap().status(), 500);
    assert_eq!(server.times(), 3);
}

#[tokio::test]
async fn too_many_requests_is_no_failure_and_its_hint_is_obeyed() {
    let server = Scripted::start([Answer::Header(429, "retry-after", "1")]).await;
    let members = retrying();
    let began = std::time::Instant::now();
    let response = members.execute(request(Method::GET, &server)).await;
    assert_eq!(response.unwrap().status(), 200);
    assert!(began.elapsed() >= Duration::from_secs(1), "came too early");
    let breaker = members.resilience().snapshot().breaker.unwrap();
    assert_eq!((breaker.failed, breaker.calls), (0, 2));
}

#[tokio::test]
async fn what_stands_says_so() {
    for status in [404, 400, 501] {
        let server = Scripted::start([Answer::Status(status)]).await;
        let members = retrying();
        let response = members.execute(request(Method::GET, &server)).await;
        assert_eq!(response.unwrap().status(), status);
        assert_eq!(server.times(), 1);
        let breaker = members.resilience().snapshot().breaker.unwrap();
        assert_eq!((breaker.failed, breaker.calls), (0, 1), "{status}");
    }
}

#[tokio::test]
async fn errors_are_one_level_and_chain() {
    // Nobody listens there.
    let members = retrying();
    let request = client().get("http://127.0.0.1:1/").build().unwrap();
    let error = members.execute(request).await.unwrap_err();
    assert!(!error.is_rejected() && error.retry_after().is_none());
    assert!(error.inner().unwrap().is_connect());
    let source = error.source().unwrap();
    assert!(source.downcast_ref::<reqwest::Error>().is_some());

    let server = Scripted::start([Answer::Never, Answer::Never]).await;
    let members = Resilience::builder()
        .attempt_timeout(Duration::from_millis(50))
        .build()
        .unwrap()
        .layer(client());
    let get = |members: &Resilient<Client>| {
        let request = client().get(&server.url).build().unwrap();
        members.execute(request)
    };
    let error = get(&members).await.unwrap_err();
    let no = error.rejected().unwrap();
    assert!(error.is_rejected() && no.started());
    assert_eq!(no.reason(), Reason::TimedOut);
    assert!(error.source().unwrap().is::<buttress::Rejected>());

    let breaker = breaker::Config::default();
    let policy = Resilience::builder().breaker(breaker).build().unwrap();
    policy.order(breaker::Order::ForceOpen(Some(Duration::from_secs(9))));
    let error = get(&policy.layer(client())).await.unwrap_err();
    assert!(error.is_rejected());
    assert!(error.retry_after().unwrap() > Duration::from_secs(8));
}

#[tokio::test]
async fn a_wrong_address_says_nothing_about_the_server() {
    let members = retrying();
    let request = Request::new(Method::GET, "data:text/plain,hello".parse().unwrap());
    let error = members.execute(request).await.unwrap_err();
    assert!(error.inner().unwrap().is_builder(), "{error:?}");
    let breaker = members.resilience().snapshot().breaker.unwrap();
    assert_eq!((breaker.failed, breaker.calls), (0, 0));
}

#[tokio::test]
async fn all_five_patterns_and_a_classifier_of_ones_own() -> Result<(), tower::BoxError> {
    struct Shop {
        members: Resilient<Client, OnStatus>,
    }
    let mut config = Config::standard();
    config.rate_limit = Some(rate_limit::Config::per_second(1_000));
    config.bulkhead = Some(bulkhead::Config::new(8));
    config.retry = Some(quick());
    let policy = Resilience::builder().name("members").config(config);
    let policy = policy.classify(OnStatus::new().failures([404])).build()?;
    let shop = Shop {
        members: policy.layer(client()),
    };
    let server = Scripted::start([Answer::Status(404), Answer::Status(404)]).await;
    let response = shop.members.execute(request(Method::GET, &server)).await?;
    assert_eq!((response.status().as_u16(), server.times()), (200, 3));
    Ok(())
}

#[tokio::test]
async fn a_fallback_answers_in_place_of_a_failing_status() {
    let down = || {
        http::Response::builder()
            .status(203)
            .body("yesterday's")
            .unwrap()
    };
    let fallback = Fallback::function(move |_: Result<Response, Fault<reqwest::Error>>| {
        Ok::<_, Fault<reqwest::Error>>(Response::from(down()))
    });
    let policy = Resilience::builder().fallback(fallback).build().unwrap();
    let server = Scripted::start([Answer::Status(500)]).await;
    let members = policy.layer(client());
    let response = members.execute(request(Method::GET, &server)).await;
    assert_eq!(response.unwrap().text().await.unwrap(), "yesterday's");
}

#[tokio::test]
async fn a_breaker_opens_on_statuses_and_a_service_is_made_of_it() -> Result<(), tower::BoxError> {
    let script = (0..20).map(|_| Answer::Status(500));
    let server = Scripted::start(script).await;
    // By reference, as reqwest's own client is one.
    let policy = Resilience::builder().breaker(breaker::Config::default());
    let members = policy.build()?.layer(client());
    for _ in 0..20 {
        (&members).oneshot(request(Method::GET, &server)).await?;
    }
    let error = (&members).oneshot(request(Method::GET, &server)).await;
    assert_eq!(
        error.unwrap_err().rejected().unwrap().reason(),
        Reason::Open
    );

    // And a stack.
    let script = (0..20).map(|_| Answer::Status(500));
    let server = Scripted::start(script).await;
    let breaker = CircuitBreaker::builder().build()?;
    let members = ServiceBuilder::new()
        .layer(breaker.clone())
        .layer(buttress::reqwest::Adapt)
        .service(client());
    for _ in 0..20 {
        let get = request(Method::GET, &server);
        members.clone().oneshot(get).await?;
    }
    assert_eq!(breaker.snapshot().state, State::Open);
    let get = members.oneshot(request(Method::GET, &server)).await;
    let error: Error<reqwest::Error> = get.unwrap_err().into();
    assert!(error.is_rejected() && server.times() == 20);
    Ok(())
}

#[tokio::test]
async fn a_closure_judges() {
    let judge = |result: Result<&Response, &Fault<reqwest::Error>>| match result {
        Ok(response) if response.status() == 404 => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    };
    let policy = Resilience::builder().retry(quick()).classify(judge);
    let members = policy.build().unwrap().layer(client());
    let server = Scripted::start([Answer::Status(404)]).await;
    let response = members.execute(request(Method::GET, &server)).await;
    assert_eq!(response.unwrap().status(), 200);
}
