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

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use buttress::{CircuitBreaker, breaker::Builder};
use criterion::{Criterion, criterion_group};
use support::{Bare, Floor, contended, drive, finish};
use tower::Layer;

const OK: Bare = Bare { fails: false };
const FAILING: Bare = Bare { fails: true };
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

/// Every case: a name, and a maker of workers that share one state.
macro_rules! cases {
    ($run:ident) => {
        $run!("bare", OK);
        $run!("floor", Floor::default().layer(OK));
        $run!("closed, count window", count_window().layer(OK));
        $run!("closed, time window", time_window().layer(OK));
        $run!("closed, slow calls", slow_calls().layer(OK));
        $run!("closed, failure", failing().layer(FAILING));
        $run!("open", open().layer(OK));
    };
}

fn bench(c: &mut Criterion) {
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("{threads} thread(s)"));
        macro_rules! run {
            ($name:literal, $service:expr) => {
                let service = $service;
                group.bench_function($name, |b| {
                    b.iter_custom(|n| {
                        contended(threads, n, || {
                            let mut service = service.clone();
                            move || {
                                black_box(drive(&mut service, black_box(1)));
                            }
                        })
                    });
                });
            };
        }
        cases!(run);

        let direct = count_window();
        group.bench_function("call, count window", |b| {
            b.iter_custom(|n| {
                contended(threads, n, || {
                    || {
                        let call = direct.call(|| std::future::ready(Ok::<_, ()>(black_box(1))));
                        black_box(finish(call).is_ok());
                    }
                })
            });
        });
        group.bench_function("the clock alone", |b| {
            b.iter_custom(|n| {
                contended(threads, n, || {
                    || {
                        black_box(tokio::time::Instant::now());
                    }
                })
            });
        });
        group.finish();
    }
}

/// Medians over rounds in which every case has its turn.
fn ratios() {
    const ROUNDS: usize = 60;
    const CALLS: u64 = 100_000;

    for threads in [1, 2] {
        let mut names: Vec<&str> = Vec::new();
        let mut times: Vec<Vec<f64>> = Vec::new();
        for _ in 0..ROUNDS {
            let mut case = 0;
            macro_rules! run {
                ($name:literal, $service:expr) => {
                    let service = $service;
                    let took = contended(threads, CALLS, || {
                        let mut service = service.clone();
                        move || {
                            black_box(drive(&mut service, black_box(1)));
                        }
                    });
                    if names.len() == case {
                        names.push($name);
                        times.push(Vec::new());
                    }
                    times[case].push(took.as_secs_f64() * 1e9 / CALLS as f64);
                    case += 1;
                };
            }
            cases!(run);
            let begun = Instant::now();
            for _ in 0..CALLS {
                black_box(tokio::time::Instant::now());
            }
            if names.len() == case {
                names.push("the clock alone");
                times.push(Vec::new());
            }
            times[case].push(begun.elapsed().as_secs_f64() * 1e9 / CALLS as f64);
        }
        for of_case in &mut times {
            of_case.sort_by(f64::total_cmp);
        }
        let median = |of_case: &[f64]| of_case[ROUNDS / 2];
        let floor = median(&times[1]);
        println!("\nratios, {threads} thread(s), medians of {ROUNDS} rounds");
        for (name, of_case) in names.iter().zip(&times) {
            let ns = median(of_case);
            println!("  {name:<22} {ns:7.1} ns  {:5.2} x the floor", ns / floor);
        }
        let [count, time, clock] = [2, 3, times.len() - 1].map(|case| median(&times[case]));
        let bar = |what: &str, ns: f64, allowed: f64| {
            let verdict = if ns <= allowed { "met" } else { "MISSED" };
            println!("  bar: {what} {ns:.1} ns, allowed {allowed:.1}: {verdict}");
        };
        bar("count window, 1.5 x the floor:", count, 1.5 * floor);
        match threads {
            1 => bar(
                "time window, 1.5 x the floor + its clock reading:",
                time,
                1.5 * floor + clock,
            ),
            _ => bar("time window, the floor:", time, floor),
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .sample_size(20)
        .without_plots();
    targets = bench
}

fn main() {
    if std::env::var_os("RATIOS_ONLY").is_none() {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
    // `cargo test --benches` only asks whether it runs.
    if std::env::args().any(|argument| argument == "--bench") {
        ratios();
    }
}
