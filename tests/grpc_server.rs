//! Rejections of a server arrive at its callers with their code.
#![cfg(feature = "tonic")]

#[path = "support/health.rs"]
mod health;
#[path = "support/rejecting.rs"]
mod rejecting;

use std::{future::pending, time::Duration};

use ::http::Request;
use axum::{Router, routing::get};
use buttress::{
    Adapt, Deadline,
    breaker::{self, Order},
    http,
};
use health::{Answer, Running, Script, ask};
use rejecting::{EXPIRED, FULL, Policy, hasty, narrow, policy, refusing};
use tokio::net::TcpListener;
use tokio_test::{assert_pending, task};
use tonic::body::Body;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceBuilder;

/// Marks a call, whose deadline has passed when it arrives.
const LATE: &str = "x-late";

fn dated(mut request: Request<Body>) -> Request<Body> {
    if request.headers().contains_key(LATE) {
        let deadline = Deadline::after(Duration::ZERO);
        request.extensions_mut().insert(deadline);
    }
    request
}

/// `start` makes a server with this policy in its layer.
async fn assert_codes(start: impl Fn(Policy, &Script) -> Running) {
    let fails = async |policy: &Policy, script: &Script, code, message| {
        let server = start(policy.clone(), script);
        let mut client = HealthClient::new(server.channel());
        let status = client.check(ask()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message));
    };
    for (policy, code, message) in hasty() {
        fails(&policy, &Script::of([Answer::Hangs]), code, message).await;
    }
    let script = Script::default();
    for (policy, code, message) in refusing().await {
        fails(&policy, &script, code, message).await;
    }
    let full = narrow();
    let mut running = task::spawn(full.call(async |_| pending::<Result<(), ()>>().await));
    assert_pending!(running.poll());
    fails(&full, &script, FULL.0, FULL.1).await;
    drop(running);
    assert_eq!(script.calls(), 0);

    let any = policy(|builder| builder.deadline(Duration::from_secs(5)));
    let server = start(any, &script);
    let mut client = HealthClient::new(server.channel());
    client.check(ask()).await.expect("in time");
    let mut request = tonic::Request::new(ask());
    request.metadata_mut().insert(LATE, 1.into());
    let status = client.check(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), EXPIRED);
    assert_eq!(script.calls(), 1);
}

#[tokio::test]
async fn codes_arrive_through_adapt() {
    assert_codes(|policy, script| {
        let layer = ServiceBuilder::new().map_request(dated as fn(_) -> _);
        let layer = layer.layer(policy).layer(Adapt).into_inner();
        Running::start(layer, script)
    })
    .await;
}

#[tokio::test]
async fn codes_arrive_through_adapt_of_http() {
    assert_codes(|policy, script| {
        let layer = ServiceBuilder::new().map_request(dated as fn(_) -> _);
        let layer = layer.layer(policy).layer(http::Adapt).into_inner();
        Running::start(layer, script)
    })
    .await;
}

#[tokio::test]
async fn codes_arrive_in_responses() {
    assert_codes(|policy, script| {
        let layer = ServiceBuilder::new().map_request(dated as fn(_) -> _);
        let layer = layer.layer(http::respond(policy)).into_inner();
        Running::start(layer, script)
    })
    .await;
    assert_codes(|policy, script| {
        let layer = ServiceBuilder::new().map_request(dated as fn(_) -> _);
        let layer = layer.layer(http::respond(http::after_body(policy)));
        Running::start(layer.into_inner(), script)
    })
    .await;
}

#[tokio::test]
async fn clients_are_told_when_to_come_back() {
    let open = policy(|builder| builder.breaker(breaker::Config::default()));
    open.order(Order::ForceOpen(Some(Duration::from_secs(30))));
    let server = Running::start(http::respond(open), &Script::default());
    let mut client = HealthClient::new(server.channel());
    let status = client.check(ask()).await.unwrap_err();
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    let millis: u64 = pushback.unwrap().to_str().unwrap().parse().unwrap();
    assert!((29_000..=30_000).contains(&millis), "{millis}");
}

/// One layer, a route of axum and a server of tonic under it at once.
#[tokio::test]
async fn one_layer_serves_http_and_grpc() {
    let layer = http::respond(narrow());
    let policy = layer.get_ref().clone();
    let script = Script::default();
    let server = Running::start(layer.clone(), &script);
    let mut client = HealthClient::new(server.channel());
    let app = Router::new().route("/", get(async || "well")).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    let ask_route = async || reqwest::get(&route).await.expect("it answers").status();

    client.check(ask()).await.expect("a place is free");
    assert_eq!(ask_route().await, 200);
    let mut running = task::spawn(policy.call(async |_| pending::<Result<(), ()>>().await));
    assert_pending!(running.poll());
    let status = client.check(ask()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), FULL);
    assert_eq!(ask_route().await, 503);
    drop(running);
    assert_eq!(ask_route().await, 200);
    client.check(ask()).await.expect("a place is free again");
}
