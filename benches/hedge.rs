//! A hedged call that needs no hedge, next to the floor: `cargo bench --bench hedge`.
//!
//! The last lines are ratios, from rounds that take turns, so that a noisy machine hurts all alike. (The
//! bars for what hedging buys are in `tests/hedging_simulation.rs`, for what it allocates in
//! `tests/hedging_allocations.rs`.)
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::time::Duration;

use buttress::{Hedge, hedge::Percentile};
use support::{After, Case, Floor, OK, Times, case, clock_alone, drive_pending, driven, time};
use tokio::runtime;
use tower::Layer;

const HOUR: Duration = Duration::from_secs(3600);

fn fixed() -> Hedge {
    Hedge::builder(HOUR).build().unwrap()
}

/// Over a window so long that the percentile is not taken while it is looked at.
fn percentile() -> Hedge {
    let p95 = Percentile::new(0.95, HOUR).window(24 * HOUR);
    Hedge::builder(p95).build().unwrap()
}

/// A timer is made at the first poll, if that is not the last.
fn cases(threads: usize) -> Vec<Case> {
    let second = |name, hedge: Hedge| driven(threads, name, hedge.layer(After(1)), drive_pending);
    vec![
        case(threads, "bare", OK),
        case(threads, "floor", Floor::default().layer(OK)),
        case(threads, "fixed delay", fixed().layer(OK)),
        case(threads, "percentile", percentile().layer(OK)),
        driven(threads, "second poll: bare", After(1), drive_pending),
        second("second poll: fixed delay", fixed()),
        second("second poll: percentile", percentile()),
        clock_alone(threads),
    ]
}

fn main() {
    // A timer needs a runtime to belong to.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let _within = runtime.enter();
    time(&Times {
        cases,
        calls: 50_000,
        floor: Some("floor"),
        judge: |_, _| {},
    });
}
