//! The twin of `fallback.rs` that counts instructions instead of time: the numbers do not depend on
//! how fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench fallback_instructions`. A row's `Instructions` are those of 100 calls.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/fallback_instructions-* CASE CALLS`
//! runs one case; two runs, one longer than the other, subtract to the count per call.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[macro_use]
mod support;

use std::{future::ready, hint::black_box};

use buttress::{
    Fallback,
    fallback::{Builder, Value},
};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{BareError, FAILING, Floor, OK, finish, repeat, through_tower, warm};
use tower::{Layer, Service};

const CALLS: u64 = 100;

fn floor() -> impl Service<u64> {
    Floor::default().layer(OK)
}

fn build<B>(builder: Builder<B>) -> Fallback<B> {
    builder.build().unwrap()
}

fn value() -> impl Service<u64> {
    build(Fallback::value(2_u64)).layer(OK)
}

fn async_function_of() -> impl Service<u64> {
    let answer = |n, _: Result<u64, BareError>| ready(Ok(n));
    build(Fallback::async_function_of(|n: &u64| *n, answer)).layer(OK)
}

fn service() -> impl Service<u64> {
    build(Fallback::service(OK)).layer(OK)
}

fn failed_value() -> impl Service<u64> {
    build(Fallback::value(2_u64)).layer(FAILING)
}

fn failed_service() -> impl Service<u64> {
    build(Fallback::service(OK)).layer(FAILING)
}

fn direct() -> Fallback<Value<u64>> {
    build(Fallback::value(2))
}

fn through_call(fallback: &Fallback<Value<u64>>, calls: u64) {
    repeat(calls, || {
        finish(fallback.call(|| ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

#[library_benchmark]
#[bench::floor(warm(floor()))]
#[bench::value(warm(value()))]
#[bench::async_function_of(warm(async_function_of()))]
#[bench::service(warm(service()))]
#[bench::failed_value(warm(failed_value()))]
#[bench::failed_service(warm(failed_service()))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::value(direct())]
fn call(fallback: Fallback<Value<u64>>) -> Fallback<Value<u64>> {
    through_call(&fallback, CALLS);
    fallback
}

library_benchmark_group!(name = hundred_calls, benchmarks = [layer, call]);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "floor" => through_tower(&mut floor(), calls),
        "value" => through_tower(&mut value(), calls),
        "async_function_of" => through_tower(&mut async_function_of(), calls),
        "service" => through_tower(&mut service(), calls),
        "failed_value" => through_tower(&mut failed_value(), calls),
        "failed_service" => through_tower(&mut failed_service(), calls),
        "call" => through_call(&direct(), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "value");
