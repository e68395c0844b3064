//! A plain server, that can be told to hang and be killed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, request};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub struct Plain {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    /// Its own, so that all of its connections end with it.
    runtime: Option<Runtime>,
}

#[derive(Default)]
pub struct Seen {
    /// The heads of all requests, in their order.
    pub heads: Mutex<Vec<request::Parts>>,
    /// Of all bodies.
    pub bytes: AtomicU64,
    pub hangs: AtomicBool,
    /// What it answers with, unless it is 0.
    pub status: AtomicU16,
}

const CHUNK: Bytes = Bytes::from_static(&[7; 64 * 1024]);

/// So many bytes, one chunk after the other.
pub fn bytes(count: u64) -> Body {
    let chunks = count / CHUNK.len() as u64;
    let chunks = stream::iter(0..chunks).map(|_| Ok::<_, std::convert::Infallible>(CHUNK));
    Body::from_stream(chunks)
}

impl Plain {
    pub fn start() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), Arc::default())
    }

    fn at(address: SocketAddr, seen: Arc<Seen>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        runtime.spawn(async {
            let listener = TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await
        });
        Self {
            address,
            seen,
            runtime: Some(runtime),
        }
    }

    /// Every connection ends at once, and nobody listens there any more.
    pub fn kill(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub fn calls(&self) -> usize {
        self.seen.heads.lock().unwrap().len()
    }

    /// The last request's head.
    pub fn last(&self) -> request::Parts {
        self.seen.heads.lock().unwrap().last().unwrap().clone()
    }

    pub fn hang(&self, hangs: bool) {
        self.seen.hangs.store(hangs, Ordering::Relaxed);
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // A runtime must not be waited for where others are polled.
        self.runtime
            .take()
            .into_iter()
            .for_each(Runtime::shutdown_background);
    }
}

async fn answer(State(seen): State<Arc<Seen>>, request: Request) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path().to_owned();
    seen.heads.lock().unwrap().push(head);
    if seen.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        seen.bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
    let mut response = match path.rsplit_once("/bytes/") {
        Some((_, count)) => Response::new(bytes(count.parse().unwrap())),
        None => Response::new(Body::from("here you are")),
    };
    if let Ok(status) = StatusCode::from_u16(seen.status.load(Ordering::Relaxed)) {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert("connection", "x-secret".parse().unwrap());
    headers.insert("x-secret", "between two hops".parse().unwrap());
    headers.insert("x-open", "for all".parse().unwrap());
    response
}
