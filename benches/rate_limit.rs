//! The rate limit, next to governor's: `cargo bench --bench rate_limit`.
//!
//! governor reads the same monotonic clock as tokio does, in a tower adapter that does no more than it
//! has to: it asks in `call`, and its future is the inner one or a refusal.
//!
//! The last lines are the figures that ARCHITECTURE.md quotes, from rounds that take turns, so that a
//! noisy machine hurts all alike.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::{
    collections::HashMap, future::Future, hint::black_box, num::NonZeroU32, pin::Pin, sync::Arc,
    task::Context, task::Poll, time::Duration,
};

use buttress::{CircuitBreaker, RateLimit, Reason, Rejected, guard::Guard, rate_limit::Quota};
use governor::{
    RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use pin_project::pin_project;
use support::{BareError, Case, OK, Times, bar, called, case, clock_alone, finish, time};
use tower::{Layer, Service};

/// So many that none is refused, however fast the calls are made.
const MANY: NonZeroU32 = NonZeroU32::new(1_000_000_000).unwrap();
const ONE: NonZeroU32 = NonZeroU32::new(1).unwrap();

type Instant = <MonotonicClock as Clock>::Instant;
type Governor = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

/// governor as a tower service.
#[derive(Clone)]
struct Governed<S> {
    inner: S,
    limiter: Arc<Governor>,
    /// Whether a refusal says when to come back, as ours does.
    hints: bool,
}

impl<S: Service<u64, Error = BareError>> Service<u64> for Governed<S> {
    type Response = S::Response;
    type Error = BareError;
    type Future = GovernedFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BareError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: u64) -> Self::Future {
        match self.limiter.check() {
            Ok(()) => GovernedFuture::Running(self.inner.call(request)),
            Err(not_until) => {
                let mut rejected = Rejected::new("governor", Reason::RateLimited);
                if self.hints {
                    let wait = not_until.wait_time_from(self.limiter.clock().now());
                    rejected = rejected.with_retry_after(wait);
                }
                GovernedFuture::Refused(Some(rejected))
            }
        }
    }
}

#[pin_project(project = GovernedProgress)]
enum GovernedFuture<F> {
    Running(#[pin] F),
    Refused(Option<Rejected>),
}

impl<T, F: Future<Output = Result<T, BareError>>> Future for GovernedFuture<F> {
    type Output = Result<T, BareError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            GovernedProgress::Running(future) => future.poll(cx),
            GovernedProgress::Refused(no) => {
                let no = no.take().expect("polled after it answered");
                Poll::Ready(Err(no.into()))
            }
        }
    }
}

fn governed(quota: governor::Quota, hints: bool) -> impl Service<u64> + Clone + Send + Sync {
    let limiter = Arc::new(RateLimiter::direct_with_clock(quota, MonotonicClock));
    Governed {
        inner: OK,
        limiter,
        hints,
    }
}

fn generous() -> RateLimit {
    RateLimit::builder(Quota::per_second(MANY)).build().unwrap()
}

/// Nothing is left, and will not be for a day.
fn used_up() -> RateLimit {
    let limit = RateLimit::builder(Quota::per_day(ONE)).build().unwrap();
    limit.try_acquire_n(1).unwrap();
    limit
}

/// Has let one in already.
fn governor_used_up(hints: bool) -> impl Service<u64> + Clone + Send + Sync {
    let quota = governor::Quota::with_period(Duration::from_secs(86_400)).unwrap();
    let mut service = governed(quota, hints);
    support::through_tower(&mut service, 1);
    service
}

fn cases(threads: usize) -> Vec<Case> {
    let waits = RateLimit::builder(Quota::per_second(MANY)).max_wait(Duration::from_secs(1));
    let waits = waits.build().unwrap();
    let costs = RateLimit::builder(Quota::per_second(MANY)).cost(|cost: &u64| *cost as u32);
    let costs = costs.build().unwrap();
    let breaker = CircuitBreaker::builder().count_window(100).build().unwrap();
    let pair = Guard::new((generous(), breaker));
    let direct = generous();
    let call = move || finish(direct.call(|| std::future::ready(Ok::<_, ()>(black_box(1)))));
    let taken = generous();
    let many = governor::Quota::per_second(MANY);
    let checked = RateLimiter::direct_with_clock(many, MonotonicClock);
    vec![
        case(threads, "bare", OK),
        clock_alone(threads),
        case(threads, "allowed, ours", generous().layer(OK)),
        case(threads, "allowed, governor", governed(many, true)),
        case(threads, "allowed, ours, may wait", waits.layer(OK)),
        case(threads, "allowed, ours, a cost", costs.layer(OK)),
        case(threads, "allowed, ours and a breaker", pair.layer(OK)),
        called(threads, "call, ours", call),
        called(threads, "try_acquire_n, ours", move || {
            taken.try_acquire_n(1).is_ok()
        }),
        called(threads, "check, governor", move || checked.check().is_ok()),
        case(threads, "refused, ours", used_up().layer(OK)),
        case(threads, "refused, governor", governor_used_up(true)),
        case(
            threads,
            "refused, governor, no hint",
            governor_used_up(false),
        ),
    ]
}

fn judge(_: usize, ns: &HashMap<&str, f64>) {
    let [ours, theirs] = ["allowed, ours", "allowed, governor"].map(|case| ns[case]);
    bar("allowed, governor's + 10 ns:", ours, theirs + 10.0);
    // Its refusal without a word of when to come back: that would be another clock reading.
    let [ours, theirs] = ["refused, ours", "refused, governor, no hint"].map(|case| ns[case]);
    bar("refused, governor's + 10 ns:", ours, theirs + 10.0);
}

fn main() {
    time(&Times {
        cases,
        calls: 50_000,
        floor: None,
        judge,
    });
}
