//! A request whose own body failed on the way counted against the server, which had done nothing wrong: a few
//! callers that broke off their uploads opened its breaker.
#![cfg(feature = "reqwest")]

use std::{convert::Infallible, error::Error as _, io};

use buttress::{
    CircuitBreaker, Classify, Error, OnError, Outcome, Resilience,
    http::{Adapt, Fault},
    pipeline,
    replay::Never,
    reqwest::fault,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

/// Reads what comes, and answers nothing.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(read(stream));
        }
    });
    format!("http://{address}/pages/7")
}

async fn read(mut stream: TcpStream) {
    let mut buffer = [0; 1_024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// Hangs up once it has read something.
async fn broken_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1_024]).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("http://{address}/pages/7")
}

/// Half of a page, and then nothing more, or an error.
fn half(breaks: bool) -> BoxBody<Bytes, io::Error> {
    let half = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"half")))]);
    let end = futures::stream::once(async move {
        match breaks {
            true => Err(io::Error::other("the caller went away")),
            false => std::future::pending().await,
        }
    });
    let both = futures::StreamExt::chain(half, end);
    StreamBody::new(both).boxed()
}

async fn failure_of(address: &str, breaks: bool) -> reqwest::Error {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let body = reqwest::Body::wrap(half(breaks));
    let put = client.put(address).body(body).send();
    put.await.expect_err("half of a page is none")
}

fn says(error: reqwest::Error) -> Outcome {
    OnError.classify(Err::<&reqwest::Response, _>(&fault(error)))
}

#[tokio::test]
async fn an_upload_that_the_caller_broke_says_nothing_of_the_server() {
    let error = failure_of(&server().await, true).await;
    assert!(error.is_request());
    assert_eq!(says(error), Outcome::Ignored);
}

#[tokio::test]
async fn one_that_the_server_broke_is_its_failure() {
    let error = failure_of(&broken_server().await, false).await;
    assert_eq!(says(error), Outcome::Failure);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_a_failure() {
    let answer = |_: Request<BoxBody<Bytes, io::Error>>| async {
        Ok::<_, Infallible>(Response::new(half(true)))
    };
    let response = service_fn(answer).oneshot(Request::new(half(true))).await;
    let body = response.expect("it answers").map(reqwest::Body::wrap);
    let error = reqwest::Response::from(body)
        .bytes()
        .await
        .expect_err("it is half");
    assert_eq!(says(error), Outcome::Failure);
}

type Body = BoxBody<Bytes, io::Error>;

fn hyper() -> Client<hyper_util::client::legacy::connect::HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn put(address: &str, breaks: bool) -> Request<Body> {
    Request::put(address).body(half(breaks)).expect("a request")
}

/// Who broke it.
fn by_whom(error: ClientError) -> Fault<ClientError> {
    let cause = error
        .source()
        .and_then(|it| it.downcast_ref::<hyper::Error>());
    match cause.is_some_and(hyper::Error::is_user) {
        true => Fault::ignored(error),
        false => Fault::failure(error),
    }
}

#[tokio::test]
async fn a_layer_is_told_whose_failure_an_error_is() {
    let breaker = CircuitBreaker::builder().build().expect("valid settings");
    let pages = ServiceBuilder::new()
        .layer(breaker.clone())
        .layer(Adapt::by(by_whom))
        .service(hyper());
    let (fine, broken) = (server().await, broken_server().await);
    for (address, breaks, failed) in [(fine, true, 0), (broken, false, 1)] {
        let answer = pages.clone().oneshot(put(&address, breaks)).await;
        answer.expect_err("half of a page is none");
        assert_eq!(breaker.snapshot().failed, failed, "{address}");
    }
}

#[tokio::test]
async fn so_is_a_client_that_is_asked_in_the_words_of_http() {
    let mut config = pipeline::Config::default();
    config.breaker = Some(buttress::breaker::Config::default());
    let policy = Resilience::builder().config(config).replay(Never).build();
    let pages = policy.expect("valid settings").layer(hyper());
    let (fine, broken) = (server().await, broken_server().await);
    for (address, breaks, failed) in [(fine, true, 0), (broken, false, 1)] {
        let answer = pages.request_by(put(&address, breaks), by_whom).await;
        assert!(matches!(answer, Err(Error::Inner(_))), "{answer:?}");
        let seen = pages.resilience().snapshot().breaker.expect("it has one");
        assert_eq!(seen.failed, failed, "{address}");
    }
}
