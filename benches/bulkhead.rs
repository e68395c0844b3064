//! A bulkhead's hot path, next to the floor and to tower's limit: `cargo bench --bench bulkhead`.
//!
//! The last lines are the ratios that ARCHITECTURE.md quotes, from rounds that take turns, so that a
//! noisy machine hurts all alike.
//!
//! The bar for a refusal is not a time: at most 2 locked instructions and no allocation. The latter is
//! for `tests/bulkhead_costs.rs`; the former counts `BENCH=bulkhead_instructions benches/unheard.sh full`:
//! it is 1, the count of refusals.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

#[path = "support/places.rs"]
mod places;
mod support;

use std::{collections::HashMap, hint::black_box, ptr, time::Duration};

use buttress::{Bulkhead, guard::Yes};
use places::{floor, full, on_one_line};
use support::{Case, OK, Times, bar, called, case, clock_alone, finish, time};
use tower::{Layer, limit::GlobalConcurrencyLimitLayer};

const PLACES: u32 = 64;

fn plain() -> Bulkhead {
    let make = || Bulkhead::builder(PLACES).build().unwrap();
    on_one_line(make, |made| ptr::from_ref(made.policy()).addr())
}

fn queueing(places: u32) -> Bulkhead<Yes> {
    let make = || {
        let builder = Bulkhead::builder(places).max_queue(64);
        builder.max_wait(Duration::from_secs(60)).build().unwrap()
    };
    on_one_line(make, |made| ptr::from_ref(made.policy()).addr())
}

fn cases(threads: usize) -> Vec<Case> {
    let direct = plain();
    let call = move || finish(direct.call(|| std::future::ready(Ok::<_, ()>(black_box(1)))));
    let tower = GlobalConcurrencyLimitLayer::new(PLACES as usize);
    let mut cases = vec![
        case(threads, "bare", OK),
        case(threads, "floor", floor().layer(OK)),
        case(threads, "free", plain().layer(OK)),
        case(threads, "free, with a queue", queueing(PLACES).layer(OK)),
        called(threads, "free, call", call),
        case(threads, "tower's limit", tower.layer(OK)),
        case(threads, "full", full().layer(OK)),
        clock_alone(threads),
    ];
    if threads == 1 {
        let one = queueing(1);
        // Two calls: one has the place, the other waits for it and is handed it.
        let handed = move || {
            let first = finish(one.acquire());
            let second = one.acquire();
            drop(first);
            finish(second).is_ok()
        };
        cases.push(called(threads, "two calls, one waits", handed));
    }
    cases
}

fn judge(threads: usize, ns: &HashMap<&str, f64>) {
    let floor = ns["floor"];
    for free in ["free", "free, with a queue"] {
        match threads {
            1 => bar(&format!("{free}, 1.5 x the floor:"), ns[free], 1.5 * floor),
            _ => bar(&format!("{free}, the floor:"), ns[free], floor),
        }
    }
}

fn main() {
    time(&Times {
        cases,
        calls: 100_000,
        floor: Some("floor"),
        judge,
    });
}
