//! The fallback's hot path, a call that succeeds, next to the floor: `cargo bench --bench fallback`.
//!
//! The last lines are the ratios, from rounds that take turns, so that a noisy machine hurts all alike;
//! `RATIOS_ONLY=1` prints nothing else.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::{collections::HashMap, future::ready, hint::black_box};

use buttress::{
    Fallback,
    fallback::{Builder, Covered},
};
use support::{
    Bare, BareError, Case, FAILING, Floor, OK, Times, called, case, finish, is_bench, time,
};
use tower::Layer;

type Answer = Result<u64, BareError>;

fn covered<B>(inner: Bare, builder: Builder<B>) -> Covered<Bare, B> {
    builder.build().unwrap().layer(inner)
}

fn cases(threads: usize) -> Vec<Case> {
    let async_function_of = Fallback::async_function_of(|n: &u64| *n, |n, _: Answer| ready(Ok(n)));
    let direct = Fallback::value(2_u64).build().unwrap();
    let call = move || finish(direct.call(|| ready(Ok::<_, ()>(black_box(1)))));
    vec![
        case(threads, "bare", OK),
        case(threads, "floor", Floor::default().layer(OK)),
        case(threads, "value", covered(OK, Fallback::value(2_u64))),
        case(threads, "async function of", covered(OK, async_function_of)),
        case(threads, "service", covered(OK, Fallback::service(OK))),
        case(
            threads,
            "failed, value",
            covered(FAILING, Fallback::value(2_u64)),
        ),
        case(
            threads,
            "failed, service",
            covered(FAILING, Fallback::service(OK)),
        ),
        called(threads, "call, value", call),
    ]
}

fn judge(_: usize, ns: &HashMap<&str, f64>) {
    for name in ["value", "async function of", "service"] {
        let verdict = if ns[name] <= ns["floor"] {
            "met"
        } else {
            "MISSED"
        };
        println!("  aim: {name}, no more than the floor: {verdict}");
    }
}

fn main() {
    time(&Times {
        cases,
        calls: 100_000,
        floor: Some("floor"),
        judge,
    });
    if is_bench() {
        println!(
            "\nbar: 0 allocations when the first attempt succeeds: asserted in tests/allocations.rs"
        );
    }
}
