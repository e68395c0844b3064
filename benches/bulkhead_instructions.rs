//! The twin of `bulkhead.rs` that counts instructions instead of time: the numbers do not depend on
//! how fast or how busy the machine is. See `breaker_instructions.rs` for how to run it, and
//! `unheard.sh` for the locked ones: `BENCH=bulkhead_instructions benches/unheard.sh free full`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[path = "support/places.rs"]
mod places;
#[macro_use]
mod support;

use std::{hint::black_box, time::Duration};

use buttress::{Bulkhead, guard::Yes};
use gungraun::{library_benchmark, library_benchmark_group};
use places::{Tally, full};
use support::{OK, finish, repeat, through_tower, warm};
use tower::{Layer, Service, limit::GlobalConcurrencyLimitLayer};

const CALLS: u64 = 100;
const PLACES: u32 = 64;

fn plain() -> Bulkhead {
    Bulkhead::builder(PLACES).build().unwrap()
}

fn queueing(places: u32) -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(places).max_queue(64);
    builder.max_wait(Duration::from_secs(60)).build().unwrap()
}

fn floor() -> impl Service<u64> {
    Tally::default().layer(OK)
}

fn free() -> impl Service<u64> {
    plain().layer(OK)
}

fn free_with_a_queue() -> impl Service<u64> {
    queueing(PLACES).layer(OK)
}

fn towers_limit() -> impl Service<u64> {
    GlobalConcurrencyLimitLayer::new(PLACES as usize).layer(OK)
}

fn refused() -> impl Service<u64> {
    full().layer(OK)
}

fn through_call(bulkhead: &Bulkhead, calls: u64) {
    repeat(calls, || {
        finish(bulkhead.call(|| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

/// One has the place, the other waits for it and is handed it.
fn through_the_queue(bulkhead: &Bulkhead<Yes>, calls: u64) {
    repeat(calls, || {
        let first = finish(bulkhead.acquire());
        let second = bulkhead.acquire();
        drop(first);
        finish(second).is_ok()
    });
}

fn warm_bulkhead() -> Bulkhead {
    let bulkhead = plain();
    through_call(&bulkhead, 1);
    bulkhead
}

fn warm_queue() -> Bulkhead<Yes> {
    let bulkhead = queueing(1);
    through_the_queue(&bulkhead, 1);
    bulkhead
}

#[library_benchmark]
#[bench::floor(warm(floor()))]
#[bench::free(warm(free()))]
#[bench::free_with_a_queue(warm(free_with_a_queue()))]
#[bench::towers_limit(warm(towers_limit()))]
#[bench::full(warm(refused()))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::free(warm_bulkhead())]
fn call(bulkhead: Bulkhead) -> Bulkhead {
    through_call(&bulkhead, CALLS);
    bulkhead
}

#[library_benchmark]
#[bench::two_calls_one_waits(warm_queue())]
fn acquire(bulkhead: Bulkhead<Yes>) -> Bulkhead<Yes> {
    through_the_queue(&bulkhead, CALLS);
    bulkhead
}

library_benchmark_group!(name = hundred_calls, benchmarks = [layer, call, acquire]);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "floor" => through_tower(&mut floor(), calls),
        "free" => through_tower(&mut free(), calls),
        "free_with_a_queue" => through_tower(&mut free_with_a_queue(), calls),
        "towers_limit" => through_tower(&mut towers_limit(), calls),
        "full" => through_tower(&mut refused(), calls),
        "call" => through_call(&plain(), calls),
        "two_calls_one_waits" => through_the_queue(&queueing(1), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "free");
