//! The circuit breaker's hot path, next to the floor: `cargo bench --bench breaker`.
//!
//! The last lines are the ratios that ARCHITECTURE.md quotes, from rounds that take turns, so that a
//! noisy machine hurts all alike.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::{collections::HashMap, hint::black_box, time::Duration};

use buttress::{CircuitBreaker, breaker::Builder};
use support::{Case, FAILING, Floor, OK, Times, bar, called, case, clock_alone, finish, time};
use tower::Layer;

const MINUTE: Duration = Duration::from_secs(60);

fn breaker(setup: impl FnOnce(Builder) -> Builder) -> CircuitBreaker {
    setup(CircuitBreaker::builder().count_window(100))
        .build()
        .unwrap()
}

fn count_window() -> CircuitBreaker {
    breaker(|b| b)
}

fn time_window() -> CircuitBreaker {
    breaker(|b| b.time_window(Duration::from_secs(10)))
}

fn slow_calls() -> CircuitBreaker {
    breaker(|b| b.slow_call_duration(MINUTE))
}

/// Fails below the threshold: never enough calls to be judged.
fn failing() -> CircuitBreaker {
    let failing = breaker(|b| b);
    failing.force_closed();
    failing
}

fn open() -> CircuitBreaker {
    let open = breaker(|b| b);
    open.force_open_for(60 * MINUTE);
    open
}

fn cases(threads: usize) -> Vec<Case> {
    let direct = count_window();
    let call = move || finish(direct.call(|| std::future::ready(Ok::<_, ()>(black_box(1)))));
    vec![
        case(threads, "bare", OK),
        case(threads, "floor", Floor::default().layer(OK)),
        case(threads, "closed, count window", count_window().layer(OK)),
        case(threads, "closed, time window", time_window().layer(OK)),
        case(threads, "closed, slow calls", slow_calls().layer(OK)),
        case(threads, "closed, failure", failing().layer(FAILING)),
        case(threads, "open", open().layer(OK)),
        called(threads, "call, count window", call),
        clock_alone(threads),
    ]
}

fn judge(threads: usize, ns: &HashMap<&str, f64>) {
    let floor = ns["floor"];
    let [count, time] = ["closed, count window", "closed, time window"].map(|case| ns[case]);
    bar("count window, 1.5 x the floor:", count, 1.5 * floor);
    match threads {
        1 => bar(
            "time window, 1.5 x the floor + its clock reading:",
            time,
            1.5 * floor + ns["the clock alone"],
        ),
        _ => bar("time window, the floor:", time, floor),
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
