//! The twin of `rate_limit.rs` that counts instructions instead of time: the numbers do not depend on
//! how fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench rate_limit_instructions`. A row's `Instructions` are those of 100 calls; reading
//! the clock is among them.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/rate_limit_instructions-* CASE CALLS`
//! runs one case; two runs, one longer than the other, subtract to the count per call.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[macro_use]
mod support;

use std::{hint::black_box, num::NonZeroU32, time::Duration};

use buttress::{RateLimit, guard::Yes, rate_limit::Quota};
use governor::{RateLimiter, clock::MonotonicClock};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{OK, finish, repeat, through_tower, warm};
use tower::{Layer, Service};

const CALLS: u64 = 100;
const MANY: NonZeroU32 = NonZeroU32::new(1_000_000_000).unwrap();
const ONE: NonZeroU32 = NonZeroU32::new(1).unwrap();

fn generous() -> RateLimit {
    RateLimit::builder(Quota::per_second(MANY)).build().unwrap()
}

fn patient() -> RateLimit<Yes> {
    let builder = RateLimit::builder(Quota::per_second(MANY));
    builder.max_wait(Duration::from_secs(1)).build().unwrap()
}

fn allowed() -> impl Service<u64> {
    generous().layer(OK)
}

fn may_wait() -> impl Service<u64> {
    patient().layer(OK)
}

/// Nothing is left, and will not be for a day.
fn refused() -> impl Service<u64> {
    let limit = RateLimit::builder(Quota::per_day(ONE)).build().unwrap();
    limit.try_acquire_n(1).unwrap();
    limit.layer(OK)
}

fn through_call(limit: &RateLimit, calls: u64) {
    repeat(calls, || {
        finish(limit.call(|| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

fn through_acquire_n(limit: &RateLimit, calls: u64) {
    repeat(calls, || {
        black_box(limit).try_acquire_n(black_box(1)).is_ok()
    });
}

fn through_governor(calls: u64) {
    let quota = governor::Quota::per_second(MANY);
    let limiter = RateLimiter::direct_with_clock(quota, MonotonicClock);
    repeat(calls, || black_box(&limiter).check().is_ok());
}

fn warm_limit() -> RateLimit {
    let limit = generous();
    through_call(&limit, 1);
    limit
}

#[library_benchmark]
#[bench::allowed(warm(allowed()))]
#[bench::may_wait(warm(may_wait()))]
#[bench::refused(warm(refused()))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::allowed(warm_limit())]
fn call(limit: RateLimit) -> RateLimit {
    through_call(&limit, CALLS);
    limit
}

#[library_benchmark]
#[bench::allowed(warm_limit())]
fn try_acquire_n(limit: RateLimit) -> RateLimit {
    through_acquire_n(&limit, CALLS);
    limit
}

#[library_benchmark]
#[bench::allowed(CALLS)]
fn governor_check(calls: u64) {
    through_governor(calls);
}

library_benchmark_group!(
    name = hundred_calls,
    benchmarks = [layer, call, try_acquire_n, governor_check]
);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "allowed" => through_tower(&mut allowed(), calls),
        "may_wait" => through_tower(&mut may_wait(), calls),
        "refused" => through_tower(&mut refused(), calls),
        "call" => through_call(&generous(), calls),
        "try_acquire_n" => through_acquire_n(&generous(), calls),
        "governor" => through_governor(calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "allowed");
