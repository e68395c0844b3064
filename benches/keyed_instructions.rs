//! The twin of `keyed.rs` that counts instructions instead of time: the numbers do not depend on how
//! fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench keyed_instructions`. A row's `Instructions` are those of 100 calls.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/keyed_instructions-* CASE CALLS`
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

use buttress::{
    Bulkhead, CircuitBreaker,
    guard::Guard,
    keyed::{ByCaller, Keyed},
};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{OK, finish, repeat, through_tower, warm};
use tower::{Layer, Service};

const CALLS: u64 = 100;

type PerNumber = Guard<Keyed<buttress::breaker::Breaker, u64, ByCaller>>;

fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(100);
    builder.build().unwrap()
}

fn bulkhead() -> Bulkhead {
    Bulkhead::builder(1_000).build().unwrap()
}

fn alone() -> impl Service<u64> {
    breaker().layer(OK)
}

fn by_number() -> impl Service<u64> {
    let each = breaker().keyed(|request: &u64| *request);
    each.build().unwrap().layer(OK)
}

fn by_text() -> impl Service<u64> {
    let each = breaker().keyed_ref(|_: &u64| black_box("orders.eu-west.example.net"));
    each.build().unwrap().layer(OK)
}

fn bulkhead_by_number() -> impl Service<u64> {
    let each = bulkhead().keyed(|request: &u64| *request);
    each.build().unwrap().layer(OK)
}

fn by_caller() -> PerNumber {
    breaker().per_key().build().unwrap()
}

fn through_for_key(each: &PerNumber, calls: u64) {
    repeat(calls, || {
        let place = each.for_key(black_box(&1));
        finish(place.call(|| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

/// Each call makes a key, and an idle one makes room for it.
fn crowded() -> PerNumber {
    let each = breaker().per_key().max_keys(1_000).build().unwrap();
    (0..1_000_u64).for_each(|key| drop(each.for_key(&key)));
    each
}

fn through_new_keys(each: &PerNumber, calls: u64) {
    (0..calls).for_each(|key| drop(black_box(each.for_key(&(10_000 + key)))));
}

fn warm_keys() -> PerNumber {
    let each = by_caller();
    through_for_key(&each, 1);
    each
}

#[library_benchmark]
#[bench::alone(warm(alone()))]
#[bench::by_number(warm(by_number()))]
#[bench::by_text(warm(by_text()))]
#[bench::bulkhead_by_number(warm(bulkhead_by_number()))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::known(warm_keys())]
fn for_key(each: PerNumber) -> PerNumber {
    through_for_key(&each, CALLS);
    each
}

#[library_benchmark]
#[bench::with_room_made(crowded())]
fn new_keys(each: PerNumber) -> PerNumber {
    through_new_keys(&each, CALLS);
    each
}

library_benchmark_group!(
    name = hundred_calls,
    benchmarks = [layer, for_key, new_keys]
);

/// One case without the runner.
fn run(case: &str, calls: u64) {
    match case {
        "alone" => through_tower(&mut warm(alone()), calls),
        "by_number" => through_tower(&mut warm(by_number()), calls),
        "by_text" => through_tower(&mut warm(by_text()), calls),
        "bulkhead_by_number" => through_tower(&mut warm(bulkhead_by_number()), calls),
        "for_key" => through_for_key(&warm_keys(), calls),
        "new_keys" => through_new_keys(&crowded(), calls),
        other => panic!("no case {other}"),
    }
}

count!(hundred_calls, run, "by_number");
