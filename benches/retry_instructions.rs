//! The twin of `retry.rs` that counts instructions instead of time: the numbers do not depend on how
//! fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench retry_instructions`. A row's `Instructions` are those of 100 calls.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/retry_instructions-* CASE CALLS`
//! runs one case; two runs, one longer than the other, subtract to the count per call.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[macro_use]
mod support;

use std::hint::black_box;

use buttress::{Budget, Retry};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{Counted, FAILING, OK, finish, repeat, through_tower, warm};
use tower::{Layer, Service};

const CALLS: u64 = 100;

fn retry() -> Retry {
    Retry::builder().build().unwrap()
}

fn floor() -> impl Service<u64> {
    Counted::default().layer(OK)
}

fn first_attempt() -> impl Service<u64> {
    retry().layer(OK)
}

/// Every call fails, and there is nothing left to repeat it with.
fn no_budget_left() -> impl Service<u64> {
    let budget = Budget::builder().ratio(0.0).min_per_sec(0.0).reserve(1);
    let budget = budget.build().unwrap();
    assert!(budget.withdraw());
    let retry = Retry::builder().budget(budget).build().unwrap();
    retry.layer(FAILING)
}

fn through_call(retry: &Retry, calls: u64) {
    repeat(calls, || {
        finish(retry.call(|_| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

fn warm_retry() -> Retry {
    let retry = retry();
    through_call(&retry, 1);
    retry
}

#[library_benchmark]
#[bench::floor(warm(floor()))]
#[bench::first_attempt(warm(first_attempt()))]
#[bench::no_budget_left(warm(no_budget_left()))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::first_attempt(warm_retry())]
fn call(retry: Retry) -> Retry {
    through_call(&retry, CALLS);
    retry
}

library_benchmark_group!(name = hundred_calls, benchmarks = [layer, call]);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "floor" => through_tower(&mut floor(), calls),
        "first_attempt" => through_tower(&mut first_attempt(), calls),
        "no_budget_left" => through_tower(&mut no_budget_left(), calls),
        "call" => through_call(&retry(), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "first_attempt");
