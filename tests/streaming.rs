//! Bodies of any length through a pipeline, in each direction: the memory stays what it was.
//!
//! The whole gigabyte: `cargo test --release --features http --test streaming -- --ignored --nocapture`
#![cfg(all(feature = "http", target_os = "linux"))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{convert::Infallible, fs, time::Instant};

use axum::{Router, body::Body, routing::get};
use buttress::{
    Resilience,
    http::{Buffered, Idempotent, ReplayBody, after_body},
    pipeline::Config,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::Layer;

const MIB: usize = 1024 * 1024;
/// What is kept of an upload.
const CAP: usize = 64 * 1024;
/// How much more memory both ends may need than before, in KiB: buffers of sockets, and pages once touched.
const MOST: u64 = 16 * 1024;

static PART: [u8; 64 * 1024] = [7; 64 * 1024];

fn parts(mib: usize) -> impl futures::Stream<Item = Bytes> {
    stream::iter((0..mib * MIB / PART.len()).map(|_| Bytes::from_static(&PART)))
}

/// Sends as much as the path says, and says how much it was sent.
async fn serve() -> String {
    let send = |path: axum::extract::Path<usize>| async move {
        Body::from_stream(parts(*path).map(Ok::<_, Infallible>))
    };
    let take = |request: axum::extract::Request| async move {
        count(request.into_body()).await.to_string()
    };
    let app = Router::new().route("/{mib}", get(send).put(take));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

async fn count<B>(mut body: B) -> usize
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    bytes
}

/// A line of what the kernel knows of this process, in KiB.
fn kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let words = line.unwrap().trim_start_matches(':').split_whitespace();
    words.into_iter().next().unwrap().parse().unwrap()
}

type Sent = ReplayBody<BoxBody<Bytes, Infallible>>;

async fn both_ways(mib: usize) {
    let address = serve().await;
    let client: Client<_, Sent> = Client::builder(TokioExecutor::new()).build_http();
    let mut config = Config::standard();
    config.deadline = None;
    config.attempt_timeout = None;
    let policy = Resilience::builder()
        .config(config)
        .replay(Idempotent::of(Buffered::new(CAP)))
        .build()
        .unwrap();
    let http = after_body(policy.clone()).layer(client);
    let uri = |mib| format!("{address}/{mib}");
    let down = async |mib| {
        let request = Request::get(uri(mib)).body(Sent::default()).unwrap();
        let response = http.request(request).await.unwrap();
        let held = policy.snapshot().bulkhead.unwrap().in_flight;
        assert_eq!(held, 1, "as long as the body");
        assert_eq!(count(response.into_body()).await, mib * MIB);
    };
    let up = async |mib| {
        let body = StreamBody::new(parts(mib).map(|part| Ok(Frame::data(part))));
        let body: Sent = BodyExt::boxed(body).into();
        let request = Request::put(uri(mib)).body(body).unwrap();
        let response = http.request(request).await.unwrap();
        let told = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(told, (mib * MIB).to_string());
    };
    // What the first call alone needs.
    down(1).await;
    up(1).await;
    let (before, begin) = (kib("VmRSS"), Instant::now());
    down(mib).await;
    let (downloaded, half) = (kib("VmHWM"), begin.elapsed());
    up(mib).await;
    let (uploaded, whole) = (kib("VmHWM"), begin.elapsed());
    println!(
        "{mib} MiB down and up: {before} KiB before, at most {downloaded} and {uploaded} KiB, in {half:?} and {:?}",
        whole - half,
    );
    assert!(uploaded <= before + MOST, "{before} KiB, then {uploaded}");
    assert_eq!(policy.snapshot().bulkhead.unwrap().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_what_it_was() {
    both_ways(64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a gigabyte each way: in release, alone"]
async fn memory_stays_what_it_was_for_a_gigabyte() {
    both_ways(1024).await;
}
