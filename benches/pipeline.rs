//! The whole pipeline, next to the same five patterns of tower, recloser and governor, composed:
//! `cargo bench --bench pipeline`.
//!
//! Within a tokio runtime, since tower's timeout needs one from the start. The others' adapters do no more
//! than they have to.
//!
//! The last lines are the figures that ARCHITECTURE.md quotes, from rounds that take turns, so that a
//! noisy machine hurts all alike.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    unreachable_pub,
    reason = "a bench reads clocks"
)]

mod support;

/// What a call reads of the settings, alone.
#[allow(dead_code, reason = "it is only read here")]
#[path = "../src/sys/together.rs"]
mod together;

mod sync {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}

use std::{
    collections::HashMap, future::Future, hint::black_box, num::NonZeroU32, pin::Pin, sync::Arc,
    task::Context, task::Poll, time::Duration,
};

use buttress::{
    Resilience,
    breaker::{self, Window},
    pipeline::Config,
    rate_limit,
};
use governor::{
    RateLimiter,
    clock::MonotonicClock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use pin_project::pin_project;
use recloser::{AnyError, AsyncRecloser, Recloser, RecloserFuture};
use support::{After, Case, Times, bar, called, clock_alone, drive_pending, driven, finish, time};
use together::Together;
use tokio::runtime::Runtime;
use tower::{
    BoxError, Layer, Service, ServiceBuilder,
    limit::ConcurrencyLimitLayer,
    retry::{
        Policy, RetryLayer,
        budget::{Budget as _, TpsBudget},
    },
    timeout::TimeoutLayer,
};

/// So many that none is refused, however fast the calls are made.
const MANY: u32 = 1_000_000_000;
const LIMIT: Duration = Duration::from_secs(10);

/// tower's retry with its budget, as its documentation has it.
#[derive(Clone)]
struct Retries(Arc<TpsBudget>);

impl Policy<u64, u64, BoxError> for Retries {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, BoxError>) -> Option<Self::Future> {
        match result {
            Ok(_) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// recloser as a tower service.
#[derive(Clone)]
struct Reclosed<S> {
    inner: S,
    breaker: AsyncRecloser,
}

impl<S: Service<u64, Response = u64, Error = BoxError>> Service<u64> for Reclosed<S> {
    type Response = u64;
    type Error = BoxError;
    type Future = ReclosedFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: u64) -> Self::Future {
        ReclosedFuture(self.breaker.call(self.inner.call(request)))
    }
}

#[pin_project]
struct ReclosedFuture<F>(#[pin] RecloserFuture<F, AnyError>);

impl<F: Future<Output = Result<u64, BoxError>>> Future for ReclosedFuture<F> {
    type Output = Result<u64, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx).map_err(|error| match error {
            recloser::Error::Inner(error) => error,
            recloser::Error::Rejected => "open".into(),
        })
    }
}

type Instant = <MonotonicClock as governor::clock::Clock>::Instant;
type Governor = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

/// governor as a tower service.
#[derive(Clone)]
struct Governed<S> {
    inner: S,
    limiter: Arc<Governor>,
}

impl<S: Service<u64, Response = u64, Error = BoxError>> Service<u64> for Governed<S> {
    type Response = u64;
    type Error = BoxError;
    type Future = GovernedFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: u64) -> Self::Future {
        match self.limiter.check() {
            Ok(()) => GovernedFuture::Running(self.inner.call(request)),
            Err(_) => GovernedFuture::Refused,
        }
    }
}

#[pin_project(project = GovernedProgress)]
enum GovernedFuture<F> {
    Running(#[pin] F),
    Refused,
}

impl<F: Future<Output = Result<u64, BoxError>>> Future for GovernedFuture<F> {
    type Output = Result<u64, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            GovernedProgress::Running(future) => future.poll(cx),
            GovernedProgress::Refused => Poll::Ready(Err("used up".into())),
        }
    }
}

fn composed(inner: After) -> impl Service<u64> + Clone + Send + Sync {
    let quota = governor::Quota::per_second(NonZeroU32::new(MANY).unwrap());
    let limiter = Arc::new(RateLimiter::direct_with_clock(quota, MonotonicClock));
    let breaker = AsyncRecloser::from(Recloser::custom().build());
    ServiceBuilder::new()
        .layer(TimeoutLayer::new(LIMIT))
        .layer(RetryLayer::new(Retries(Arc::new(TpsBudget::default()))))
        .layer(ConcurrencyLimitLayer::new(64))
        .layer_fn(move |inner| Reclosed {
            inner,
            breaker: breaker.clone(),
        })
        .layer_fn(move |inner| Governed {
            inner,
            limiter: Arc::clone(&limiter),
        })
        .service(inner)
}

/// Rate limit, retry, circuit breaker, bulkhead, timeouts, with their defaults.
fn five(window: Window) -> Resilience {
    let mut config = Config::standard();
    config.rate_limit = Some(rate_limit::Config::per_second(MANY));
    let mut breaker = breaker::Config::default();
    breaker.window = window;
    config.breaker = Some(breaker);
    Resilience::builder().config(config).build().unwrap()
}

const TIME: Window = Window::Time(LIMIT);
/// As many as recloser judges by.
const COUNT: Window = Window::Count(100);

fn cases(threads: usize) -> Vec<Case> {
    let driven = |name, pipeline: Resilience, pendings| {
        driven(
            threads,
            name,
            pipeline.layer(After(pendings)),
            drive_pending,
        )
    };
    let direct = five(TIME);
    let call = move || finish(direct.call(|_| std::future::ready(Ok::<_, ()>(black_box(1)))));
    let settings = Together::new([1, 2, 3]);
    vec![
        support::driven(threads, "bare", After(0), drive_pending),
        clock_alone(threads),
        driven("five patterns", five(TIME), 0),
        driven("five patterns, count window", five(COUNT), 0),
        support::driven(threads, "five of others", composed(After(0)), drive_pending),
        driven("none of them", Resilience::builder().build().unwrap(), 0),
        driven("standard", Resilience::standard(), 0),
        driven("latency_sensitive", Resilience::latency_sensitive(), 0),
        called(threads, "call, five patterns", call),
        called(threads, "settings read", move || settings.get()),
        driven("five patterns, second poll", five(TIME), 1),
        support::driven(
            threads,
            "five of others, second poll",
            composed(After(1)),
            drive_pending,
        ),
    ]
}

fn judge(_: usize, ns: &HashMap<&str, f64>) {
    let [ours, theirs] = ["five patterns", "five of others"].map(|case| ns[case]);
    bar("five patterns, half of the others':", ours, theirs / 2.0);
    let ours = ns["five patterns, count window"];
    bar("count window, half of the others':", ours, theirs / 2.0);
    bar("settings read, 3 ns:", ns["settings read"], 3.0);
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
