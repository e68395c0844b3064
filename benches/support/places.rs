//! What a bulkhead is compared with.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each bench uses its part"
)]

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use buttress::Bulkhead;
use pin_project::pin_project;
use tower::{Layer, Service};

/// The floor: the least that a layer does which counts the calls that run. It clones an `Arc`, adds
/// when a call begins, and subtracts when it has ended.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<AtomicU64>);

impl<S> Layer<S> for Tally {
    type Service = Tallied<S>;

    fn layer(&self, inner: S) -> Tallied<S> {
        Tallied {
            inner,
            running: Arc::clone(&self.0),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Tallied<S> {
    inner: S,
    running: Arc<AtomicU64>,
}

impl<S: Service<u64>> Service<u64> for Tallied<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = TalliedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.running.fetch_add(1, Ordering::Acquire);
        TalliedFuture {
            future: self.inner.call(request),
            running: Arc::clone(&self.running),
        }
    }
}

#[pin_project]
pub struct TalliedFuture<F> {
    #[pin]
    future: F,
    running: Arc<AtomicU64>,
}

impl<F: Future> Future for TalliedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.future.poll(cx).map(|output| {
            this.running.fetch_sub(1, Ordering::Release);
            output
        })
    }
}

/// One that lies in memory as most do: what is counted is on the cache line of the count of references.
/// (An allocator gives every fourth one a place across two lines, and then two threads are half again
/// as slow, with the floor as with a bulkhead.)
pub fn on_one_line<T>(make: impl Fn() -> T, counted: impl Fn(&T) -> usize) -> T {
    let mut others = Vec::new();
    loop {
        let made = make();
        if counted(&made) % 64 != 0 {
            return made;
        }
        others.push(made);
    }
}

/// The floor, on one line.
pub fn floor() -> Tally {
    on_one_line(Tally::default, |tally| Arc::as_ptr(&tally.0) as usize)
}

/// Its only place is taken for ever.
pub fn full() -> Bulkhead {
    let full = Bulkhead::builder(1).build().unwrap();
    std::mem::forget(full.try_acquire().unwrap());
    full
}
