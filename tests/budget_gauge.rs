//! The gauge of a budget: what it says, when it appears, and that it goes.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    dead_code,
    reason = "tests may read clocks and take locks, and share a file of which each uses a part"
)]

#[path = "support/ledger.rs"]
mod ledger;

use std::{
    collections::BTreeMap,
    sync::{Arc, Barrier, Mutex},
    thread,
    time::Duration,
};

use buttress::{Budget, budget::Config};
use ledger::{Ledger, recorded};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tokio::time::advance;

const BALANCE: &str = "buttress_retry_budget_balance";

fn balance(ledger: &mut Ledger<'_>, policy: &str) -> f64 {
    // A sum of differences.
    let sum = ledger.value(BALANCE, &format!("policy={policy}"));
    (sum * 1e9).round() / 1e9
}

fn budget(name: &str) -> Budget {
    let builder = Budget::builder().name(name).ratio(0.5).min_per_sec(1.0);
    builder.reserve(10).build().unwrap()
}

#[test]
fn the_gauge_shows_the_balance_after_the_last_change() {
    recorded(async |ledger| {
        let budget = budget("shop");
        budget.deposit();
        assert!(ledger.is_empty());
        assert!(budget.withdraw());
        assert_eq!(
            *ledger.all(),
            BTreeMap::from([(format!("{BALANCE}{{policy=shop}}"), 9.0)])
        );
        let counted = (Some(Unit::Count), true);
        assert_eq!(
            ledger.units,
            BTreeMap::from([(BALANCE.to_owned(), counted)])
        );
        budget.deposit();
        assert_eq!(balance(ledger, "shop"), 9.5);
        advance(Duration::from_millis(100)).await;
        // Time is seen with the next draw.
        assert_eq!(balance(ledger, "shop"), 9.5);
        assert!(budget.withdraw());
        assert_eq!(balance(ledger, "shop"), 8.6);
        while budget.withdraw() {}
        assert_eq!(balance(ledger, "shop"), 0.6);
        assert_eq!(ledger.clerk.registrations.get(), 1);
    });
}

#[test]
fn the_gauge_hears_of_a_change_of_settings() {
    recorded(async |ledger| {
        let budget = budget("shop");
        assert!(budget.withdraw());
        let mut config = budget.config();
        config.reserve = 4;
        budget.reconfigure(config).unwrap();
        assert_eq!(balance(ledger, "shop"), 4.0);
        config.reserve = 100;
        budget.reconfigure(config).unwrap();
        assert_eq!(balance(ledger, "shop"), 4.0);
        budget.deposit();
        assert_eq!(balance(ledger, "shop"), 4.5);
    });
}

#[test]
fn budgets_of_one_name_add_up_and_leave_when_dropped() {
    recorded(async |ledger| {
        let [first, second] = [(); 2].map(|()| budget("shop"));
        let other = first.fork("other");
        assert!(first.withdraw() && second.withdraw() && second.withdraw() && other.withdraw());
        assert_eq!(balance(ledger, "shop"), 17.0);
        assert_eq!(balance(ledger, "other"), 9.0);
        let clone = first.clone();
        drop(first);
        assert_eq!(balance(ledger, "shop"), 17.0);
        drop(clone);
        assert_eq!(balance(ledger, "shop"), 8.0);
        drop((second, other));
        assert_eq!(
            (balance(ledger, "shop"), balance(ledger, "other")),
            (0.0, 0.0)
        );
    });
}

/// A gauge that sums up, and lets others pass in between.
#[derive(Default)]
struct Slow(Mutex<f64>);

impl GaugeFn for Slow {
    fn increment(&self, value: f64) {
        thread::yield_now();
        *self.0.lock().unwrap() += value;
    }

    fn decrement(&self, _: f64) {
        unreachable!()
    }

    fn set(&self, _: f64) {
        unreachable!()
    }
}

/// Has one gauge. While that is registered, somebody else draws from this budget.
struct One(Arc<Slow>, Mutex<Option<Budget>>);

impl Recorder for One {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        unreachable!()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        let other = self.1.lock().unwrap().take();
        assert!(other.is_none_or(|budget| budget.withdraw()));
        Gauge::from_arc(self.0.clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!()
    }
}

/// Overtaken between its draw and its word to the gauge, it does not leave the gauge at what it saw.
#[test]
fn who_was_overtaken_looks_once_more() {
    let gauge = Arc::new(Slow::default());
    let budget = Budget::builder().min_per_sec(0.0).build().unwrap();
    let recorder = One(gauge.clone(), Mutex::new(Some(budget.clone())));
    with_local_recorder(&recorder, || assert!(budget.withdraw()));
    assert_eq!(budget.snapshot().drawn, 2);
    let shown = *gauge.0.lock().unwrap();
    assert_eq!(shown, budget.snapshot().balance);
}

#[test]
fn threads_leave_the_gauge_at_the_last_balance() {
    let gauge = Arc::new(Slow::default());
    let budget = with_local_recorder(&One(gauge.clone(), Mutex::default()), || {
        let mut config = Config::default();
        config.min_per_sec = 0.0;
        config.reserve = 1_000_000;
        let budget = Budget::builder().config(config).build().unwrap();
        assert!(budget.withdraw());
        budget
    });
    for _ in 0..200 {
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for lane in 0..4 {
                let (budget, start) = (&budget, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..20 {
                        match (round + lane) % 4 {
                            0 => budget.deposit(),
                            _ => assert!(budget.withdraw()),
                        }
                    }
                });
            }
        });
        let (shown, real) = (*gauge.0.lock().unwrap(), budget.snapshot().balance);
        assert!((shown - real).abs() < 1e-3, "{shown} shown, {real} there");
    }
}
