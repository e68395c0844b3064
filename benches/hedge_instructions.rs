//! The twin of `hedge.rs` that counts instructions instead of time: the numbers do not depend on how
//! fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench hedge_instructions`. A row's `Instructions` are those of 100 calls.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/hedge_instructions-* CASE CALLS`
//! runs one case; two runs, one longer than the other, subtract to the count per call.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[macro_use]
mod support;

use std::{hint::black_box, time::Duration};

use buttress::{Hedge, hedge::Percentile};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{Floor, OK, finish, repeat, through_tower};
use tower::{Layer, Service};

const CALLS: u64 = 100;
const HOUR: Duration = Duration::from_secs(3600);

fn fixed_delay() -> Hedge {
    Hedge::builder(HOUR).build().unwrap()
}

/// Over a window so long that the percentile is not taken while it is looked at.
fn percentile() -> Hedge {
    let p95 = Percentile::new(0.95, HOUR).window(24 * HOUR);
    Hedge::builder(p95).build().unwrap()
}

fn floor() -> impl Service<u64> {
    Floor::default().layer(OK)
}

fn through_call(hedge: &Hedge, calls: u64) {
    repeat(calls, || {
        finish(hedge.call(|_| std::future::ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

#[library_benchmark]
#[bench::floor(floor())]
#[bench::fixed_delay(fixed_delay().layer(OK))]
#[bench::percentile(percentile().layer(OK))]
fn layer<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, CALLS);
    service
}

#[library_benchmark]
#[bench::fixed_delay(fixed_delay())]
fn call(hedge: Hedge) -> Hedge {
    through_call(&hedge, CALLS);
    hedge
}

library_benchmark_group!(name = hundred_calls, benchmarks = [layer, call]);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    match case {
        "floor" => through_tower(&mut floor(), calls),
        "fixed_delay" => through_tower(&mut fixed_delay().layer(OK), calls),
        "percentile" => through_tower(&mut percentile().layer(OK), calls),
        "call" => through_call(&fixed_delay(), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "fixed_delay");
