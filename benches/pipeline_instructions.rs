//! The twin of `pipeline.rs` that counts instructions instead of time: the numbers do not depend on
//! how fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench pipeline_instructions`. A row's `Instructions` are those of 100 calls; reading
//! the clock is among them.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/pipeline_instructions-* CASE CALLS`
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

use buttress::{Resilience, pipeline::Config, rate_limit};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{After, finish, repeat, through_tower, warm};
use tower::{Layer, Service};

const CALLS: u64 = 100;

fn none() -> Resilience {
    Resilience::builder().build().unwrap()
}

/// Rate limit, retry, circuit breaker, bulkhead, timeouts.
fn five() -> Resilience {
    let mut config = Config::standard();
    config.rate_limit = Some(rate_limit::Config::per_second(1_000_000_000));
    Resilience::builder().config(config).build().unwrap()
}

fn through(resilience: Resilience) -> impl Service<u64> {
    resilience.layer(After(0))
}

fn through_call(resilience: &Resilience, calls: u64) {
    repeat(calls, || {
        finish(resilience.call(|_| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

fn warm_call() -> Resilience {
    let resilience = five();
    through_call(&resilience, 1);
    resilience
}

#[library_benchmark]
#[bench::none(warm(through(none())))]
#[bench::five(warm(through(five())))]
#[bench::hedged(warm(through(Resilience::latency_sensitive())))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::five(warm_call())]
fn call(resilience: Resilience) -> Resilience {
    through_call(&resilience, CALLS);
    resilience
}

library_benchmark_group!(name = hundred_calls, benchmarks = [layer, call]);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "none" => through_tower(&mut through(none()), calls),
        "five" => through_tower(&mut through(five()), calls),
        "hedged" => through_tower(&mut through(Resilience::latency_sensitive()), calls),
        "call" => through_call(&five(), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "five");
