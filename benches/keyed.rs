//! What a key costs: one policy per key next to the policy alone: `cargo bench --bench keyed`.
//!
//! The hot key is one among ten thousand. The last lines are the figures that ARCHITECTURE.md quotes,
//! from rounds that take turns, so that a noisy machine hurts all alike; after them, what a million
//! keys do to the memory of the process.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::{collections::HashMap, fs, hint::black_box, num::NonZeroU32};

use buttress::{Bulkhead, CircuitBreaker, RateLimit, keyed::Overflow, rate_limit::Quota};
use support::{Case, OK, Times, bar, called, case, drive, finish, is_bench, time};
use tower::Layer;

/// So many that none is refused, however fast the calls are made.
const MANY: NonZeroU32 = NonZeroU32::new(1_000_000_000).unwrap();
const KEYS: u64 = 10_000;

fn limit() -> RateLimit {
    RateLimit::builder(Quota::per_second(MANY)).build().unwrap()
}

fn bulkhead() -> Bulkhead {
    Bulkhead::builder(1_000).build().unwrap()
}

fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(100);
    builder.build().unwrap()
}

/// A service with one for each number, and ten thousand of them known.
macro_rules! by_number {
    ($template:expr) => {{
        let each = $template.keyed(|request: &u64| *request).build().unwrap();
        let mut service = each.layer(OK);
        for key in 0..KEYS {
            assert!(drive(&mut service, key));
        }
        assert_eq!(each.len(), KEYS as usize);
        service
    }};
}

const NAMES: [&str; 2] = ["orders.eu-west.example.net", "prices.eu-west.example.net"];

/// The same for text, looked up as the request has it.
macro_rules! by_text {
    ($template:expr) => {{
        let each = $template.keyed_ref(|request: &u64| NAMES[*request as usize % 2]);
        each.build().unwrap().layer(OK)
    }};
}

fn cases(threads: usize) -> Vec<Case> {
    let by_caller = breaker().per_key::<u64>().build().unwrap();
    let call = move || {
        let place = by_caller.for_key(black_box(&1));
        finish(place.call(|| std::future::ready(Ok::<_, ()>(black_box(1)))))
    };
    vec![
        case(threads, "rate limit", limit().layer(OK)),
        case(threads, "rate limit per u64", by_number!(limit())),
        case(threads, "rate limit per &str", by_text!(limit())),
        case(threads, "bulkhead", bulkhead().layer(OK)),
        case(threads, "bulkhead per u64", by_number!(bulkhead())),
        case(threads, "bulkhead per &str", by_text!(bulkhead())),
        case(threads, "breaker", breaker().layer(OK)),
        case(threads, "breaker per u64", by_number!(breaker())),
        case(threads, "breaker per &str", by_text!(breaker())),
        called(threads, "breaker, for_key and call", call),
    ]
}

fn judge(threads: usize, ns: &HashMap<&str, f64>) {
    if threads > 1 {
        return;
    }
    for (alone, per_key) in [
        ("rate limit", "rate limit per u64"),
        ("bulkhead", "bulkhead per u64"),
        ("breaker", "breaker per u64"),
    ] {
        let what = format!("{per_key}, at most 60 ns above:");
        bar(&what, ns[per_key], ns[alone] + 60.0);
    }
}

/// Kilobytes of memory that the process has in use.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// A million keys, each used once, where ten thousand may be kept.
fn a_million_keys() {
    println!("\na million keys, max_keys {KEYS}");
    macro_rules! flood {
        ($what:literal, $template:expr, $overflow:expr) => {
            let each = $template.keyed(|request: &u64| *request);
            let each = each.max_keys(KEYS as u32).overflow($overflow);
            let each = each.build().unwrap();
            let mut service = each.layer(OK);
            let mut at = [0; 2];
            let begun = std::time::Instant::now();
            for (upto, at) in [KEYS * 2, 1_000_000].into_iter().zip(&mut at) {
                let from = if upto == 1_000_000 { KEYS * 2 } else { 0 };
                for key in from..upto {
                    black_box(drive(&mut service, key));
                }
                *at = resident();
            }
            let each_ns = begun.elapsed().as_secs_f64() * 1e3;
            let [early, late] = at;
            println!(
                "  {:<40} {:>6} kB after 20,000, {late} kB after all, {} keys, {each_ns:.0} ns each",
                $what, early, each.len()
            );
        };
    }
    flood!("rate limit, idle ones make room", limit(), Overflow::Share);
    flood!("bulkhead, idle ones make room", bulkhead(), Overflow::Share);
    flood!("breaker, idle ones make room", breaker(), Overflow::Share);
    let daily = || RateLimit::builder(Quota::per_day(NonZeroU32::MIN)).build();
    let daily = || daily().unwrap();
    flood!("rate limit, all in debt, shared", daily(), Overflow::Share);
    flood!(
        "rate limit, all in debt, rejected",
        daily(),
        Overflow::Reject
    );
    flood!(
        "rate limit, all in debt, oldest",
        daily(),
        Overflow::EvictOldest
    );
}

fn main() {
    time(&Times {
        cases,
        calls: 100_000,
        floor: None,
        judge,
    });
    if is_bench() {
        a_million_keys();
    }
}
