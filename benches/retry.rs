//! The retry's hot path, next to a floor that clones one `Arc`: `cargo bench --bench retry`.
//!
//! `RATIOS_ONLY=1 cargo bench --bench retry` prints only the ratios that ARCHITECTURE.md quotes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench reads clocks"
)]

mod support;

use std::{hint::black_box, sync::Arc};

use buttress::{Budget, Retry};
use support::{BareError, Case, Counted, FAILING, OK, Times, bar, called, case, finish, time};
use tower::{
    Layer,
    retry::{
        Policy, RetryLayer,
        budget::{Budget as _, TpsBudget},
    },
};

fn retry() -> Retry {
    Retry::builder().build().unwrap()
}

/// One that is not full, and never will be: each deposit is a compare-and-swap.
fn drained() -> Retry {
    let budget = Budget::builder()
        .reserve(1_000_000)
        .ratio(1e-9)
        .build()
        .unwrap();
    assert!(budget.withdraw());
    Retry::builder().budget(budget).build().unwrap()
}

/// Every call fails, and the budget has nothing left.
fn exhausted() -> Retry {
    let budget = Budget::builder().ratio(0.0).min_per_sec(0.0).reserve(1);
    let budget = budget.build().unwrap();
    assert!(budget.withdraw());
    Retry::builder().budget(budget).build().unwrap()
}

/// tower's retry with its budget, as its documentation has it.
#[derive(Clone)]
struct Towers(Arc<TpsBudget>);

impl Policy<u64, u64, BareError> for Towers {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, BareError>) -> Option<Self::Future> {
        match result {
            Ok(_) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

fn cases(threads: usize) -> Vec<Case> {
    let towers = RetryLayer::new(Towers(Arc::new(TpsBudget::default())));
    let direct = retry();
    let call = move || finish(direct.call(|_| std::future::ready(Ok::<_, ()>(black_box(1)))));
    vec![
        case(
            threads,
            "floor: one Arc cloned",
            Counted::default().layer(OK),
        ),
        case(threads, "bare", OK),
        case(threads, "retry, first attempt succeeds", retry().layer(OK)),
        case(threads, "retry, budget not full", drained().layer(OK)),
        case(
            threads,
            "retry, fails, no budget left",
            exhausted().layer(FAILING),
        ),
        called(threads, "call, first attempt succeeds", call),
        case(threads, "tower's retry with its budget", towers.layer(OK)),
    ]
}

fn main() {
    time(&Times {
        cases,
        calls: 100_000,
        floor: Some("floor: one Arc cloned"),
        judge: |_, ns| {
            let first = ns["retry, first attempt succeeds"];
            let allowed = 1.5 * ns["floor: one Arc cloned"];
            bar("first attempt, 1.5 x the floor:", first, allowed);
        },
    });
}
