//! hyper-util's client behind a pipeline, over real sockets.
#![cfg(feature = "http")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/raw.rs"]
mod raw;

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use buttress::{
    Error, Resilience,
    backoff::{Backoff, Jitter},
    http::{Buffered, Idempotent, ReplayBody},
    pipeline::{Config, Resilient},
    retry,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use raw::{Answer, Server};
use tower::Layer;

type Plain = Client<HttpConnector, Full<Bytes>>;

struct Members {
    http: Resilient<Plain>,
}

impl Members {
    fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let http = Resilience::standard().layer(client);
        Self { http }
    }

    async fn ask(&self, method: Method, server: &Server) -> StatusCode {
        let request = Request::builder().method(method).uri(&server.address);
        let request = request.body(Full::from("an order")).unwrap();
        let response = self.http.request(request).await.unwrap();
        let status = response.status();
        response.into_body().collect().await.unwrap();
        status
    }
}

/// Busy at first, and then well.
async fn busy_once() -> Server {
    Server::new(|number, _| match number {
        1 => Answer::whole(503, "", "busy"),
        _ => Answer::whole(200, "", "Ada"),
    })
    .await
}

#[tokio::test]
async fn a_get_is_sent_again_after_a_503_and_a_post_never() {
    for (method, status, asked) in [
        (Method::GET, 200, 2),
        (Method::PUT, 200, 2),
        (Method::POST, 503, 1),
        (Method::PATCH, 503, 1),
    ] {
        let (server, members) = (busy_once().await, Members::new());
        assert_eq!(members.ask(method, &server).await, status);
        assert_eq!(server.asked(), asked);
        let breaker = members.http.resilience().snapshot().breaker.unwrap();
        assert_eq!((breaker.calls, breaker.failed), (asked.into(), 1));
    }
}

#[tokio::test]
async fn a_post_with_a_key_is_sent_again_where_the_server_is_known_to_obey_it() {
    for (keyed, asked) in [(false, 1), (true, 2)] {
        let server = busy_once().await;
        let replay = match keyed {
            false => Idempotent::new(),
            true => Idempotent::new().or_keyed(),
        };
        let policy = Resilience::builder()
            .config(Config::standard())
            .replay(replay);
        let client: Plain = Client::builder(TokioExecutor::new()).build_http();
        let http = policy.build().unwrap().layer(client);
        let post = Request::post(&server.address).header("idempotency-key", "7");
        http.request(post.body(Full::from("an order")).unwrap())
            .await
            .unwrap();
        assert_eq!(server.asked(), asked);
    }
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let server = Server::new(|number, _| match number {
        1 => Answer::whole(429, "retry-after: 1\r\n", ""),
        _ => Answer::whole(200, "", ""),
    })
    .await;
    let (members, begin) = (Members::new(), Instant::now());
    assert_eq!(members.ask(Method::GET, &server).await, 200);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let breaker = members.http.resilience().snapshot().breaker.unwrap();
    assert_eq!((breaker.calls, breaker.failed), (2, 0), "429 is no failure");
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_and_its_error_is_flat() {
    let members = Members::new();
    // Nobody listens there.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let ask = || {
        members
            .http
            .request(Request::get(&address).body(Full::default()).unwrap())
    };
    let error = ask().await.unwrap_err();
    assert!(!error.is_rejected() && error.retry_after().is_none());
    let inner = error.source().unwrap();
    assert!(inner.is::<hyper_util::client::legacy::Error>());
    let sources = std::iter::successors(Some(inner), |error| (*error).source());
    let mut io = sources.filter_map(|error| error.downcast_ref::<std::io::Error>());
    assert_eq!(
        io.next().unwrap().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    let Error::Inner(inner) = error else {
        panic!("{error}")
    };
    assert!(inner.is_connect());
    assert!(members.http.resilience().snapshot().breaker.unwrap().failed > 0);
}

#[tokio::test]
async fn an_open_breaker_says_when_to_come_again() {
    let members = Members::new();
    let server = Server::new(|_, _| Answer::whole(500, "", "")).await;
    for _ in 0..20 {
        let request = Request::post(&server.address)
            .body(Full::default())
            .unwrap();
        let _ = members.http.request(request).await;
    }
    let request = Request::post(&server.address)
        .body(Full::default())
        .unwrap();
    let error = members.http.request(request).await.unwrap_err();
    assert!(error.is_rejected());
    assert!(
        error
            .retry_after()
            .is_some_and(|wait| wait > Duration::ZERO)
    );
}

type Stream = ReplayBody<http_body_util::combinators::BoxBody<Bytes, std::io::Error>>;

/// A body that is read from somewhere, in parts.
fn stream(parts: usize) -> Stream {
    let parts = (0..parts).map(|_| Ok(Frame::data(Bytes::from_static(&[7; 1024]))));
    let body = StreamBody::new(futures::stream::iter(parts));
    BodyExt::boxed(body).into()
}

#[tokio::test]
async fn an_upload_is_sent_again_if_it_was_small_enough() {
    for (parts, status, asked) in [(4, 200, 2), (5, 503, 1)] {
        let server = busy_once().await;
        let client: Client<HttpConnector, Stream> =
            Client::builder(TokioExecutor::new()).build_http();
        let policy = Resilience::builder()
            .retry(retry::Config::default())
            .replay(Idempotent::of(Buffered::new(4 * 1024)))
            .build()
            .unwrap();
        let http = policy.layer(client);
        let request = Request::put(&server.address).body(stream(parts)).unwrap();
        let response = http.request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), server.asked()),
            (status, asked)
        );
    }
}

/// Answers at once and hangs up; the next request is read to its end, and its body told.
async fn impatient_once() -> (String, tokio::task::JoinHandle<usize>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        assert!(first.read(&mut bytes).await.unwrap() > 0);
        let busy = b"HTTP/1.1 503 So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        first.write_all(busy).await.unwrap();
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n0\r\n\r\n") {
            let read = second.read(&mut bytes).await.unwrap();
            assert!(read > 0, "cut off");
            all.extend_from_slice(&bytes[..read]);
        }
        let well = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        second.write_all(well).await.unwrap();
        all.iter().filter(|byte| **byte == 7).count()
    });
    (address, served)
}

#[tokio::test]
async fn an_upload_that_was_answered_half_way_goes_on_where_it_was() {
    let (address, served) = impatient_once().await;
    let client: Client<HttpConnector, Stream> = Client::builder(TokioExecutor::new()).build_http();
    let mut retry = retry::Config::default();
    // Time to let go of the first attempt.
    retry.backoff = Backoff::constant(Duration::from_millis(150)).jitter(Jitter::None);
    let policy = Resilience::builder()
        .retry(retry)
        .replay(Idempotent::of(Buffered::new(4 * 1024)))
        .build()
        .unwrap();
    // The second half comes when the first attempt is long over.
    let parts = futures::stream::unfold(0, |sent| async move {
        if sent == 2 {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(300) * sent).await;
        let part = Frame::data(Bytes::from_static(&[7; 1024]));
        Some((Ok(part), sent + 1))
    });
    let body: Stream = BodyExt::boxed(StreamBody::new(parts)).into();
    let request = Request::put(&address).body(body).unwrap();
    let response = policy.layer(client).request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(served.await.unwrap(), 2048);
}
