//! Servers that hang up in the middle of a body, over real sockets: judged after the body that is a failure every
//! time, and by the head a success.
#![cfg(feature = "reqwest")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/raw.rs"]
mod raw;

use buttress::{
    Bulkhead, CircuitBreaker, Resilience, breaker, bulkhead,
    guard::Guard,
    http::{Adapt, after_body},
    reqwest::Adapt as AdaptReqwest,
};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use raw::{After, Answer, Server};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const TIMES: u64 = 100;

type Hyper = Client<HttpConnector, Empty<Bytes>>;

fn hyper() -> Hyper {
    Client::builder(TokioExecutor::new()).build_http()
}

fn get(server: &Server) -> Request<Empty<Bytes>> {
    Request::get(&server.address).body(Empty::new()).unwrap()
}

fn get_by_reqwest(server: &Server) -> reqwest::Request {
    reqwest::Request::new(Method::GET, server.address.parse().unwrap())
}

/// Hears of everything and refuses nothing.
fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(1000).min_calls(1000);
    builder.build().unwrap()
}

/// All ways of hanging up.
async fn servers() -> Vec<Server> {
    let mut servers = Vec::new();
    for chunked in [false, true] {
        for after in [After::Close, After::Reset] {
            servers.push(Server::new(move |_, _| Answer::cut_off(chunked, after)).await);
        }
    }
    servers
}

#[tokio::test]
async fn with_hyper_it_is_a_failure_every_time() {
    for server in servers().await {
        let (breaker, bulkhead) = (breaker(), Bulkhead::builder(1).build().unwrap());
        let mut service = ServiceBuilder::new()
            .layer(after_body(Guard::all((breaker.clone(), bulkhead.clone()))))
            .layer(Adapt)
            .service(hyper());
        for _ in 0..TIMES {
            let response = service
                .ready()
                .await
                .unwrap()
                .call(get(&server))
                .await
                .unwrap();
            assert_eq!(bulkhead.snapshot().in_flight, 1);
            server.heads.add_permits(1);
            response.into_body().collect().await.unwrap_err();
            assert_eq!(bulkhead.snapshot().in_flight, 0);
        }
        assert_eq!(
            (breaker.snapshot().calls, breaker.snapshot().failed),
            (TIMES, TIMES)
        );
    }
}

#[tokio::test]
async fn with_reqwest_it_is_a_failure_every_time() {
    for server in servers().await {
        let (breaker, bulkhead) = (breaker(), Bulkhead::builder(1).build().unwrap());
        let mut service = ServiceBuilder::new()
            .layer(after_body(Guard::all((breaker.clone(), bulkhead.clone()))))
            .layer(AdaptReqwest)
            .service(reqwest::Client::new());
        for _ in 0..TIMES {
            let request = get_by_reqwest(&server);
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            assert_eq!(bulkhead.snapshot().in_flight, 1);
            server.heads.add_permits(1);
            response.bytes().await.unwrap_err();
            assert_eq!(bulkhead.snapshot().in_flight, 0);
        }
        assert_eq!(
            (breaker.snapshot().calls, breaker.snapshot().failed),
            (TIMES, TIMES)
        );
    }
}

#[tokio::test]
async fn in_a_pipeline_as_well() {
    for server in servers().await {
        let mut calm = breaker::Config::default();
        calm.min_calls = 1000;
        let policy = Resilience::builder()
            .retry(Default::default())
            .breaker(calm)
            .bulkhead(bulkhead::Config::new(1))
            .build()
            .unwrap();
        let (hyper, reqwest) = (
            after_body(policy.clone()).layer(hyper()),
            after_body(policy.clone()).layer(reqwest::Client::new()),
        );
        for failed in [2, 4, 6] {
            let response = hyper.request(get(&server)).await.unwrap();
            server.heads.add_permits(1);
            response.into_body().collect().await.unwrap_err();
            let response = reqwest.execute(get_by_reqwest(&server)).await.unwrap();
            server.heads.add_permits(1);
            response.text().await.unwrap_err();
            let snapshot = policy.snapshot();
            assert_eq!(snapshot.breaker.unwrap().failed, failed);
            assert_eq!(snapshot.bulkhead.unwrap().in_flight, 0);
        }
    }
}

#[tokio::test]
async fn by_the_head_it_is_a_success() {
    for server in servers().await {
        let breaker = breaker();
        let hyper = ServiceBuilder::new()
            .layer(breaker.clone())
            .layer(Adapt)
            .service(hyper());
        let reqwest = ServiceBuilder::new()
            .layer(breaker.clone())
            .layer(AdaptReqwest)
            .service(reqwest::Client::new());
        for _ in 0..5 {
            let response = hyper.clone().oneshot(get(&server)).await.unwrap();
            server.heads.add_permits(1);
            response.into_body().collect().await.unwrap_err();
            let response = reqwest
                .clone()
                .oneshot(get_by_reqwest(&server))
                .await
                .unwrap();
            server.heads.add_permits(1);
            response.bytes().await.unwrap_err();
        }
        assert_eq!(
            (breaker.snapshot().calls, breaker.snapshot().failed),
            (10, 0)
        );
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_gives_its_place_back() {
    let server = Server::new(|_, _| Answer::cut_off(false, After::Close)).await;
    let bulkhead = Bulkhead::builder(2).build().unwrap();
    let hyper = ServiceBuilder::new()
        .layer(after_body(bulkhead.clone()))
        .layer(Adapt)
        .service(hyper());
    let reqwest = ServiceBuilder::new()
        .layer(after_body(bulkhead.clone()))
        .layer(AdaptReqwest)
        .service(reqwest::Client::new());
    for _ in 0..5 {
        let first = hyper.clone().oneshot(get(&server)).await.unwrap();
        let mut second = reqwest
            .clone()
            .oneshot(get_by_reqwest(&server))
            .await
            .unwrap();
        second.chunk().await.unwrap().unwrap();
        assert_eq!(bulkhead.snapshot().in_flight, 2);
        drop(first);
        assert_eq!(bulkhead.snapshot().in_flight, 1);
        drop(second);
        assert_eq!(bulkhead.snapshot().in_flight, 0);
        server.heads.add_permits(2);
    }
}

#[tokio::test]
async fn an_empty_body_settles_at_once() {
    let server = Server::new(|_, head| Answer {
        bytes: match head.starts_with("head") {
            true => b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec(),
            false => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        },
        after: After::Keep,
    })
    .await;
    let breaker = breaker();
    let hyper = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(hyper());
    let reqwest = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(AdaptReqwest)
        .service(reqwest::Client::new());
    let mut responses = (Vec::new(), Vec::new());
    for method in [Method::HEAD, Method::DELETE] {
        let mut request = get(&server);
        *request.method_mut() = method.clone();
        responses
            .0
            .push(hyper.clone().oneshot(request).await.unwrap());
        let mut request = get_by_reqwest(&server);
        *request.method_mut() = method;
        responses
            .1
            .push(reqwest.clone().oneshot(request).await.unwrap());
    }
    assert_eq!(breaker.snapshot().calls, 4);
}

#[tokio::test]
async fn a_response_of_reqwest_stays_what_it_is() {
    let server = Server::new(|_, _| Answer::whole(200, "x-shop: 7\r\n", "so long")).await;
    let client = after_body(Resilience::standard()).layer(reqwest::Client::new());
    let response = client.execute(get_by_reqwest(&server)).await.unwrap();
    assert_eq!(response.url().as_str(), server.address);
    assert_eq!(response.headers()["x-shop"], "7");
    assert_eq!(response.content_length(), Some(7));
    assert!(response.remote_addr().is_some());
    assert_eq!(
        client.resilience().snapshot().bulkhead.unwrap().in_flight,
        1
    );
    assert_eq!(response.text().await.unwrap(), "so long");
    assert_eq!(
        client.resilience().snapshot().bulkhead.unwrap().in_flight,
        0
    );
}

/// An error of the body says of itself what it would say without us.
#[tokio::test]
async fn a_timeout_of_reqwest_in_a_body_is_a_timeout() {
    let server = Server::new(|_, _| Answer::cut_off(false, After::Close)).await;
    let breaker = breaker();
    let limit = std::time::Duration::from_millis(100);
    let client = reqwest::Client::builder()
        .read_timeout(limit)
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(AdaptReqwest)
        .service(client);
    let response = service.oneshot(get_by_reqwest(&server)).await.unwrap();
    let error = response.bytes().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(breaker.snapshot().failed, 1);
}
