//! The twin of `timeout.rs` that counts instructions instead of time: the numbers do not depend on how
//! fast or how busy the machine is.
//!
//! With valgrind: `cargo install gungraun-runner --version 0.18.2`, then
//! `cargo bench --bench timeout_instructions`. A row's `Instructions` are those of 100 calls.
//!
//! Without the runner: `valgrind --tool=callgrind target/release/deps/timeout_instructions-* CASE CALLS`
//! runs one case; two runs, one longer than the other, subtract to the count per call.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench does as it likes"
)]

#[macro_use]
mod support;

use std::{future::ready, hint::black_box, time::Duration};

use buttress::{Deadline, Timeout};
use gungraun::{library_benchmark, library_benchmark_group};
use support::{After, drive_pending, finish, repeat};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, timeout::TimeoutLayer};

const CALLS: u64 = 100;
const LIMIT: Duration = Duration::from_secs(3600);

fn timeout() -> Timeout {
    Timeout::builder(LIMIT).build().unwrap()
}

/// The bare service.
fn bare(pendings: u32) -> impl Service<u64> {
    After(pendings)
}

fn ours(pendings: u32) -> impl Service<u64> {
    timeout().layer(After(pendings))
}

fn towers(pendings: u32) -> impl Service<u64> {
    TimeoutLayer::new(LIMIT).layer(After(pendings))
}

/// Every request has a deadline, later than the limit.
fn with_deadline(pendings: u32) -> impl Service<u64> {
    let deadline = Deadline::after(10 * LIMIT);
    let strategy = move |_: &u64| Some(deadline);
    let timeout = Timeout::builder(LIMIT).deadline(strategy).build().unwrap();
    timeout.layer(After(pendings))
}

/// Its driver does not run: nothing is counted but the calls.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn through_tower<S: Service<u64>>(service: &mut S, calls: u64) {
    repeat(calls, || drive_pending(service, black_box(1)));
}

fn through_call(timeout: &Timeout, calls: u64) {
    repeat(calls, || {
        finish(timeout.call(|| ready(Ok::<_, ()>(black_box(1))))).is_ok()
    });
}

/// A runtime to wait in, and a service that has been called once.
fn warm<S: Service<u64>>(mut service: S) -> (Runtime, S) {
    let runtime = runtime();
    let within = runtime.enter();
    through_tower(&mut service, 1);
    drop(within);
    (runtime, service)
}

#[library_benchmark]
#[bench::first_poll_bare(warm(bare(0)))]
#[bench::first_poll_ours(warm(ours(0)))]
#[bench::first_poll_towers(warm(towers(0)))]
#[bench::first_poll_deadline(warm(with_deadline(0)))]
#[bench::second_poll_bare(warm(bare(1)))]
#[bench::second_poll_ours(warm(ours(1)))]
#[bench::second_poll_towers(warm(towers(1)))]
#[bench::second_poll_deadline(warm(with_deadline(1)))]
fn layer<S: Service<u64>>((runtime, mut service): (Runtime, S)) -> (Runtime, S) {
    let within = runtime.enter();
    through_tower(&mut service, CALLS);
    drop(within);
    (runtime, service)
}

#[library_benchmark]
#[bench::first_poll(timeout())]
fn call(timeout: Timeout) -> Timeout {
    through_call(&timeout, CALLS);
    timeout
}

library_benchmark_group!(name = hundred_calls, benchmarks = [layer, call]);

/// The same cases, each for as many calls as one likes, and no runner.
fn run(case: &str, calls: u64) {
    let runtime = runtime();
    let _within = runtime.enter();
    let (poll, which) = case.split_once('_').expect("POLL_WHICH");
    let pendings = match poll {
        "first" => 0,
        "second" => 1,
        _ => panic!("no such poll: {poll}"),
    };
    match which {
        "bare" => through_tower(&mut bare(pendings), calls),
        "ours" => through_tower(&mut ours(pendings), calls),
        "towers" => through_tower(&mut towers(pendings), calls),
        "deadline" => through_tower(&mut with_deadline(pendings), calls),
        "call" => through_call(&timeout(), calls),
        _ => panic!("no case of this name: {case}"),
    }
}

count!(hundred_calls, run, "second_ours");
