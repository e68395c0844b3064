use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use http_body_util::BodyExt;

use super::{Place, Plain, one, plain};

const MIB: u64 = 1 << 20;

/// What this process has in memory, in bytes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// How much more than at first this process had in memory at any time until it is asked.
struct Watch {
    first: u64,
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Watch {
    fn start() -> Self {
        let first = resident().unwrap_or(0);
        let watch = Self {
            first,
            most: Arc::default(),
            over: Arc::default(),
        };
        let (most, over) = (Arc::clone(&watch.most), Arc::clone(&watch.over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(resident().unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        watch
    }

    fn most(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.most.load(Ordering::Relaxed).saturating_sub(self.first)
    }
}

/// Both ways, each with its own server, and the memory that it took.
async fn stream(size: u64) -> u64 {
    let server = Plain::start();
    let policy = "{ bulkhead: { max_concurrent: 4 }, retry: on, breaker: on }";
    let place = Place::start(&one("files", &[server.address], policy)).await;
    place.get("/files").await;
    let watch = Watch::start();

    let put = place
        .request(Method::PUT, "/files/up")
        .body(plain::bytes(size));
    assert_eq!(place.ask(put.unwrap()).await.status, StatusCode::OK);
    assert_eq!(server.seen.bytes.load(Ordering::Relaxed), size);

    let get = place.request(Method::GET, &format!("/files/bytes/{size}"));
    let mut body = place
        .send(get.body(Body::empty()).unwrap())
        .await
        .into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame
            .unwrap()
            .data_ref()
            .map_or(0, |data| data.len() as u64);
    }
    assert_eq!(read, size);
    let most = watch.most();
    println!(
        "{} MiB up and down: {most} bytes more in memory",
        size / MIB
    );
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_streamed_both_ways() {
    // Other tests run in this process meanwhile.
    let most = stream(64 * MIB).await;
    assert!(most < 24 * MIB, "{most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long unless it is built for release"]
async fn a_gibibyte_is_streamed_both_ways() {
    let most = stream(1024 * MIB).await;
    assert!(most < 24 * MIB, "{most}");
}
