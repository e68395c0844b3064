//! What the benches of all patterns compare with, and how they drive a service.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each bench uses its part"
)]

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use buttress::{Error, Rejected};
use pin_project::pin_project;
use tower::{Layer, Service};

/// A service that answers at once: what is left is the cost of the layer around it.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    pub fails: bool,
}

pub type BareError = Error<()>;

impl Service<u64> for Bare {
    type Response = u64;
    type Error = BareError;
    type Future = std::future::Ready<Result<u64, BareError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BareError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        std::future::ready(if self.fails {
            Err(Error::Inner(()))
        } else {
            Ok(request)
        })
    }
}

/// The floor: the least that a layer with a shared state does. It clones an `Arc`, loads, and adds
/// when the call has ended.
#[derive(Debug, Clone, Default)]
pub struct Floor {
    shared: Arc<FloorState>,
}

#[derive(Debug, Default)]
pub struct FloorState {
    state: AtomicU64,
    calls: AtomicU64,
}

impl<S> Layer<S> for Floor {
    type Service = Floored<S>;

    fn layer(&self, inner: S) -> Floored<S> {
        Floored {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Floored<S> {
    inner: S,
    shared: Arc<FloorState>,
}

impl<S> Service<u64> for Floored<S>
where
    S: Service<u64, Error = BareError>,
{
    type Response = S::Response;
    type Error = BareError;
    type Future = FlooredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BareError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        if self.shared.state.load(Ordering::Acquire) != 0 {
            return FlooredFuture::Refused;
        }
        FlooredFuture::Running {
            future: self.inner.call(request),
            shared: Arc::clone(&self.shared),
        }
    }
}

#[pin_project(project = FlooredProgress)]
pub enum FlooredFuture<F> {
    Running {
        #[pin]
        future: F,
        shared: Arc<FloorState>,
    },
    Refused,
}

impl<T, F: Future<Output = Result<T, BareError>>> Future for FlooredFuture<F> {
    type Output = Result<T, BareError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            FlooredProgress::Running { future, shared } => future.poll(cx).map(|result| {
                shared.calls.fetch_add(1, Ordering::Relaxed);
                result
            }),
            FlooredProgress::Refused => Poll::Ready(Err(Error::Rejected(Rejected::new(
                "floor",
                buttress::Reason::Open,
            )))),
        }
    }
}

/// One call, from readiness to answer. Not inlined into the loop around it, so that all layers are
/// compiled alike, however small.
#[inline(never)]
pub fn drive<S: Service<u64>>(service: &mut S, request: u64) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    match service.poll_ready(cx) {
        Poll::Ready(Ok(())) => finish(service.call(request)).is_ok(),
        Poll::Ready(Err(_)) => false,
        Poll::Pending => unreachable!("the bare service is always ready"),
    }
}

/// Polls a future that answers at once.
#[inline]
pub fn finish<F: Future>(future: F) -> F::Output {
    let cx = &mut Context::from_waker(Waker::noop());
    match pin!(future).poll(cx) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the bare service answers at once"),
    }
}

/// The time that `threads` threads take for `iterations` calls each, from a common start.
pub fn contended<W: FnMut() + Send>(
    threads: usize,
    iterations: u64,
    worker: impl Fn() -> W + Sync,
) -> Duration {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut call = worker();
                    start.wait();
                    let begun = Instant::now();
                    for _ in 0..iterations {
                        call();
                    }
                    begun.elapsed()
                })
            })
            .collect();
        let times = workers.into_iter().map(|worker| worker.join().unwrap());
        times.max().unwrap()
    })
}
