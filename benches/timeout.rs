//! The timeout, next to the bare service and tower's: `cargo bench --bench timeout`.
//!
//! Two paths: the inner service answers on its first poll, and on its second. Both run within a tokio
//! runtime, since tower's timeout needs one from the start.
//!
//! The last lines are the ratios that ARCHITECTURE.md quotes, from rounds that take turns, so that a
//! noisy machine hurts all alike.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress::{Deadline, Timeout};
use support::{After, Case, Times, bar, drive_pending, driven, time};
use tokio::runtime::Runtime;
use tower::{Layer, Service};

const LIMIT: Duration = Duration::from_secs(60);

/// One call, awaited in a function as calls are made: a future that has a timer from the start has to
/// be moved there, timer and all.
#[inline(never)]
fn drive_awaited<S: Service<u64>>(service: &mut S, request: u64) -> bool {
    let mut call = pin!(awaited(service, request));
    let cx = &mut Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answered) = call.as_mut().poll(cx) {
            return answered;
        }
    }
}

async fn awaited<S: Service<u64>>(service: &mut S, request: u64) -> bool {
    let ready = poll_fn(|cx| service.poll_ready(cx)).await;
    ready.is_ok() && service.call(request).await.is_ok()
}

fn ours() -> Timeout {
    Timeout::builder(LIMIT).build().unwrap()
}

fn towers() -> tower::timeout::TimeoutLayer {
    tower::timeout::TimeoutLayer::new(LIMIT)
}

/// Every request has a deadline, later than the limit.
fn with_deadline(inner: After) -> impl Service<u64> + Clone + Send + Sync {
    let deadline = Deadline::after(10 * LIMIT);
    let strategy = move |_: &u64| Some(deadline);
    let timeout = Timeout::builder(LIMIT).deadline(strategy).build().unwrap();
    timeout.layer(inner)
}

fn cases(threads: usize) -> Vec<Case> {
    let [first, second] = [After(0), After(1)];
    vec![
        driven(threads, "first poll, bare", first, drive_pending),
        driven(
            threads,
            "first poll, ours",
            ours().layer(first),
            drive_pending,
        ),
        driven(
            threads,
            "first poll, tower's",
            towers().layer(first),
            drive_pending,
        ),
        driven(
            threads,
            "first poll, with a deadline",
            with_deadline(first),
            drive_pending,
        ),
        driven(threads, "second poll, bare", second, drive_pending),
        driven(
            threads,
            "second poll, ours",
            ours().layer(second),
            drive_pending,
        ),
        driven(
            threads,
            "second poll, tower's",
            towers().layer(second),
            drive_pending,
        ),
        driven(
            threads,
            "second poll, with a deadline",
            with_deadline(second),
            drive_pending,
        ),
        driven(
            threads,
            "awaited, ours",
            ours().layer(second),
            drive_awaited,
        ),
        driven(
            threads,
            "awaited, tower's",
            towers().layer(second),
            drive_awaited,
        ),
    ]
}

fn judge(_: usize, ns: &HashMap<&str, f64>) {
    let bare = ns["first poll, bare"];
    bar(
        "first poll, 5 ns more than bare or 3 times it:",
        ns["first poll, ours"],
        (bare + 5.0).max(3.0 * bare),
    );
    let [ours, towers] = ["second poll, ours", "second poll, tower's"].map(|case| ns[case]);
    bar("second poll, tower's:", ours, towers);
    let [ours, towers] = ["awaited, ours", "awaited, tower's"].map(|case| ns[case]);
    bar("second poll, awaited, tower's:", ours, towers);
}

fn main() {
    let runtime = Runtime::new().unwrap();
    let _within = runtime.enter();
    time(&Times {
        cases,
        calls: 20_000,
        floor: None,
        judge,
    });
}
