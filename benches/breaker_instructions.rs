//! The twin of `breaker.rs` that counts instructions instead of time: the numbers do not depend on
//! how fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench breaker_instructions`. A row's `Instructions` are those of 100 calls.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/breaker_instructions-* CASE CALLS`
//! runs one case; two runs, one longer than the other, subtract to the count per call. That is
//! what `unheard.sh` does.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[macro_use]
mod support;

use std::{hint::black_box, time::Duration};

use buttress::{CircuitBreaker, breaker::Builder};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{FAILING, Floor, OK, finish, repeat, through_tower, warm};
use tower::{Layer, Service};

const CALLS: u64 = 100;
const HOUR: Duration = Duration::from_secs(3600);

fn breaker(setup: impl FnOnce(Builder) -> Builder) -> CircuitBreaker {
    setup(CircuitBreaker::builder().count_window(100))
        .build()
        .unwrap()
}

fn floor() -> impl Service<u64> {
    Floor::default().layer(OK)
}

fn count_window() -> impl Service<u64> {
    breaker(|b| b).layer(OK)
}

/// So long that it does not move on while it is looked at.
fn time_window() -> impl Service<u64> {
    breaker(|b| b.time_window(10 * HOUR)).layer(OK)
}

fn slow_calls() -> impl Service<u64> {
    breaker(|b| b.slow_call_duration(HOUR)).layer(OK)
}

/// Failures that are recorded and open nothing.
fn failure() -> impl Service<u64> {
    let breaker = breaker(|b| b);
    breaker.force_closed();
    breaker.layer(FAILING)
}

fn open() -> impl Service<u64> {
    let breaker = breaker(|b| b);
    breaker.force_open_for(HOUR);
    breaker.layer(OK)
}

fn through_call(breaker: &CircuitBreaker, calls: u64) {
    repeat(calls, || {
        finish(breaker.call(|| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

fn through_permit(breaker: &CircuitBreaker, calls: u64) {
    repeat(calls, || {
        if let Ok(permit) = black_box(breaker).try_acquire() {
            permit.success();
        }
    });
}

fn warm_breaker() -> CircuitBreaker {
    let breaker = breaker(|b| b);
    through_call(&breaker, 1);
    breaker
}

#[library_benchmark]
#[bench::floor(warm(floor()))]
#[bench::closed_count_window(warm(count_window()))]
#[bench::closed_time_window(warm(time_window()))]
#[bench::closed_slow_calls(warm(slow_calls()))]
#[bench::closed_failure(warm(failure()))]
#[bench::open(warm(open()))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::count_window(warm_breaker())]
fn call(breaker: CircuitBreaker) -> CircuitBreaker {
    through_call(&breaker, CALLS);
    breaker
}

#[library_benchmark]
#[bench::count_window(warm_breaker())]
fn try_acquire(breaker: CircuitBreaker) -> CircuitBreaker {
    through_permit(&breaker, CALLS);
    breaker
}

library_benchmark_group!(
    name = hundred_calls,
    benchmarks = [layer, call, try_acquire]
);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "floor" => through_tower(&mut floor(), calls),
        "closed_count_window" => through_tower(&mut count_window(), calls),
        "closed_time_window" => through_tower(&mut time_window(), calls),
        "closed_slow_calls" => through_tower(&mut slow_calls(), calls),
        "closed_failure" => through_tower(&mut failure(), calls),
        "open" => through_tower(&mut open(), calls),
        "call" => through_call(&breaker(|b| b), calls),
        "try_acquire" => through_permit(&breaker(|b| b), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "closed_count_window");
