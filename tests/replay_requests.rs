//! Bodies of axum, reqwest and tonic are sent again, and stay what they are.
#![cfg(all(feature = "axum", feature = "reqwest", feature = "tonic"))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/raw.rs"]
mod raw;

use std::{fmt::Debug, time::Duration};

use bodies::{Script, Step, trailers};
use buttress::{
    Resilience,
    http::{Buffered, Idempotent, Replayed},
    replay::{Attempt, Replay},
    retry,
};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Body;
use http_body_util::BodyExt;
use raw::{Answer, Server};
use tower::Layer;

const BUFFERED: Buffered = Buffered::new(8);

fn script(steps: &[Step]) -> Script {
    Script::new(steps.iter().cloned()).exact()
}

async fn read<B>(body: B) -> (Bytes, Option<HeaderMap>)
where
    B: Body<Data = Bytes, Error: Debug>,
{
    let all = body.collect().await.unwrap();
    let trailers = all.trailers().cloned();
    (all.to_bytes(), trailers)
}

/// Sent whole, cut off after its first frame, and beyond the cap.
async fn is_sent_again<B>(make: impl Fn(Script) -> B)
where
    B: Replayed<Data = Bytes, Error: Debug> + Unpin,
{
    let steps = [Step::Data(3), Step::Data(5), Step::Trailers(0)];
    let whole = (
        Bytes::from_static(&[1, 2, 3, 4, 5, 6, 7, 8]),
        Some(trailers(0)),
    );
    for frames in 0..=3 {
        let mut first = Request::new(make(script(&steps)));
        let kept = BUFFERED.keep(&mut first).unwrap();
        assert_eq!(first.body().size_hint().exact(), Some(8));
        let mut body = first.into_body();
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        let again: Request<B> = BUFFERED.again(&kept, Attempt::FIRST).unwrap();
        assert_eq!(again.body().size_hint().exact(), Some(8));
        assert_eq!(read(again.into_body()).await, whole);
        let last: Request<B> = BUFFERED.last(kept, Attempt::FIRST).unwrap();
        assert_eq!(read(last.into_body()).await, whole);
    }
    let large = [Step::Data(3), Step::Data(6)];
    let mut first = Request::new(make(script(&large)));
    assert!(BUFFERED.keep(&mut first).is_none());
    assert_eq!(read(first.into_body()).await.0.len(), 9);
    let mut empty = Request::new(make(Script::default().exact().eager()));
    let kept = BUFFERED.keep(&mut empty).unwrap();
    let last: Request<B> = BUFFERED.last(kept, Attempt::FIRST).unwrap();
    assert_eq!(read(last.into_body()).await, (Bytes::new(), None));
}

#[tokio::test]
async fn axums_body_is_sent_again() {
    is_sent_again(axum::body::Body::new).await;
}

#[tokio::test]
async fn tonics_body_is_sent_again() {
    is_sent_again(tonic::body::Body::new).await;
}

#[tokio::test]
async fn reqwests_body_is_sent_again() {
    is_sent_again(reqwest::Body::wrap).await;
}

fn request(body: reqwest::Body) -> reqwest::Request {
    let url = "http://members/7".parse().unwrap();
    let mut request = reqwest::Request::new(http::Method::PUT, url);
    *request.timeout_mut() = Some(Duration::from_secs(7));
    request.headers_mut().insert("traceparent", 7.into());
    *request.version_mut() = http::Version::HTTP_2;
    *request.body_mut() = Some(body);
    request
}

async fn check(mut request: reqwest::Request) {
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.url().as_str(), "http://members/7");
    assert_eq!(request.timeout(), Some(&Duration::from_secs(7)));
    assert_eq!(request.headers()["traceparent"], "7");
    assert_eq!(request.version(), http::Version::HTTP_2);
    let body = request.body_mut().take().unwrap();
    assert_eq!(body.size_hint().exact(), Some(3));
    assert_eq!(read(body).await.0, [1, 2, 3][..]);
}

#[tokio::test]
async fn a_request_of_reqwest_is_kept_with_all_that_it_has() {
    for stream in [false, true] {
        let mut first = match stream {
            true => request(reqwest::Body::wrap(script(&[Step::Data(3)]))),
            false => request(vec![1, 2, 3].into()),
        };
        let kept = <Buffered as Replay<reqwest::Request>>::keep(&BUFFERED, &mut first).unwrap();
        check(first).await;
        check(BUFFERED.again(&kept, Attempt::FIRST).unwrap()).await;
        check(BUFFERED.last(kept, Attempt::FIRST).unwrap()).await;
    }
    // What is in memory is there anyway, whatever its size; what says that it is larger is left alone.
    let mut large = request(vec![0; 9].into());
    assert!(Replay::keep(&BUFFERED, &mut large).is_some());
    let mut large = request(reqwest::Body::wrap(script(&[Step::Data(9)])));
    assert!(Replay::keep(&BUFFERED, &mut large).is_none());
    assert_eq!(read(large.body_mut().take().unwrap()).await.0.len(), 9);
}

/// Two parts, of which nobody knows the length before.
fn upload() -> reqwest::Body {
    let parts = ["half", "half"].map(Ok::<_, std::io::Error>);
    axum_stream(futures::stream::iter(parts))
}

fn axum_stream<S>(parts: S) -> reqwest::Body
where
    S: futures::Stream<Item = Result<&'static str, std::io::Error>> + Send + Sync + 'static,
{
    let frames = futures::StreamExt::map(parts, |part| {
        part.map(|part| http_body::Frame::data(Bytes::from(part)))
    });
    reqwest::Body::wrap(http_body_util::StreamBody::new(frames))
}

#[tokio::test]
async fn a_streamed_upload_of_reqwest_is_sent_again_over_a_real_socket() {
    for (cap, keyed, asked) in [(8, true, 2), (7, true, 1), (8, false, 1)] {
        let server = Server::new(|number, _| match number {
            1 => Answer::whole(503, "", ""),
            _ => Answer::whole(200, "", ""),
        })
        .await;
        let policy = Resilience::builder()
            .retry(retry::Config::default())
            .replay(Idempotent::of(Buffered::new(cap)).or_keyed())
            .build()
            .unwrap();
        let client = policy.layer(reqwest::Client::new());
        let url = server.address.parse().unwrap();
        let mut request = reqwest::Request::new(http::Method::POST, url);
        if keyed {
            request.headers_mut().insert("idempotency-key", 7.into());
        }
        *request.body_mut() = Some(upload());
        client.execute(request).await.unwrap();
        assert_eq!(server.asked(), asked, "{cap}, {keyed}");
    }
}
