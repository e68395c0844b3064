//! The gateway in this process, before real servers, over real sockets.

mod addresses;
mod clients;
mod edits;
mod heads;
mod isolation;
mod nginx;
mod paths;
mod plain;
mod streams;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, process};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::live::{Edits, Running};
use plain::Plain;

/// A gateway, its file, and a client of it.
struct Place {
    folder: PathBuf,
    gateway: Running,
    client: legacy::Client<HttpConnector, Body>,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Place {
    /// A gateway with this in its file, after what they have all in common.
    async fn start(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("buttress-gateway-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("gateway.yaml");
        fs::write(&path, whole(text)).unwrap();
        Self {
            gateway: Running::start(&path, false).await.unwrap(),
            client: legacy::Client::builder(TokioExecutor::new()).build_http(),
            folder,
        }
    }

    /// Saves another text, and waits until the gateway has read it.
    async fn edit(&self, text: &str) -> Edits {
        let sum = |edits: &Edits| edits.taken + edits.rejected;
        let before = sum(&self.gateway.live.edits());
        fs::write(self.folder.join("gateway.yaml"), whole(text)).unwrap();
        within(10, || sum(&self.gateway.live.edits()) > before).await;
        self.gateway.live.edits()
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let target = format!("http://{}{path}", self.gateway.address);
        Request::builder().method(method).uri(target)
    }

    async fn send(&self, request: Request<Body>) -> Response<Incoming> {
        self.client.request(request).await.unwrap()
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.send(request).await.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(self.request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    /// What operators see.
    async fn admin(&self) -> Value {
        let target = format!("http://{}/", self.gateway.admin);
        let answer = self
            .ask(Request::get(target).body(Body::empty()).unwrap())
            .await;
        serde_json::from_slice(&answer.body).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn whole(text: &str) -> String {
    let head =
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nname: door\ndeadline_header: x-deadline-ms\n";
    format!("{head}{text}")
}

/// An upstream and the route to it, both of this name.
fn one(name: &str, addresses: &[SocketAddr], policy: &str) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(", ");
    format!(
        "routes: [{{ path: /{name}, upstream: {name} }}]\n\
         upstreams: {{ {name}: {{ addresses: [{addresses}], replay: 1024 }} }}\n\
         policies: {{ {name}: {policy} }}\n"
    )
}

/// A policy that retries at once, on an ample budget, and whose breakers open soon.
const EAGER: &str = "{ retry: { backoff: { base: 1ms } }, budget: { reserve: 100 }, \
     breaker: { window: 10, min_calls: 4, open_for: 60s }, attempt_timeout: 2s }";

async fn within(seconds: u64, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !done() {
        assert!(Instant::now() < end, "not within {seconds} s");
        sleep(Duration::from_millis(5)).await;
    }
}
