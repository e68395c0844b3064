//! A server of HTTP/1 drops a body when as much was read as its `content-length` says, without asking whether more
//! is to come. A body that does not know its own end was taken for one that was dropped half-way: a server's
//! successes were not counted, only its failures.
#![cfg(feature = "http")]

use std::convert::Infallible;

use buttress::{
    CircuitBreaker,
    http::{Adapt, after_body},
};
use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// Of so many bytes, one by one, and silent about its end.
fn silent(
    bytes: usize,
) -> StreamBody<impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> + Unpin> {
    let byte = || Ok(Frame::data(Bytes::from_static(b"x")));
    StreamBody::new(stream::iter((0..bytes).map(move |_| byte())))
}

/// Reads so many frames of a response that announces a length, and drops it. Says how often the breaker
/// heard of a success.
async fn heard(announced: &str, frames: usize) -> u64 {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let announced = announced.to_owned();
    let file = move |_: Request<()>| {
        let response = Response::builder().header("content-length", &announced);
        let response = response.body(silent(3)).unwrap();
        async { Ok::<_, Infallible>(response) }
    };
    let service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(service_fn(file));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    for _ in 0..frames {
        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    breaker.snapshot().calls
}

#[tokio::test]
async fn a_body_that_was_read_to_its_announced_length_has_ended() {
    assert_eq!(heard("3", 3).await, 1);
    assert_eq!(heard("3", 2).await, 0);
    // There is nothing to read.
    assert_eq!(heard("0", 0).await, 1);
    // No length, and longer than announced.
    assert_eq!(heard("three", 3).await, 0);
    assert_eq!(heard("2", 2).await, 1);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_server_counts_its_successes() {
    use axum::{Router, routing::get};
    use buttress::http::respond;

    let breaker = CircuitBreaker::builder().build().unwrap();
    let file = || async {
        let response = Response::builder().header("content-length", "3");
        response.body(axum::body::Body::new(silent(3))).unwrap()
    };
    let app = Router::new()
        .route("/", get(file))
        .layer(respond(after_body(breaker.clone())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..20 {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "xxx");
    }
    assert_eq!(breaker.snapshot().calls, 20);
}
