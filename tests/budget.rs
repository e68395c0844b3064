//! The budget as its users have it: settings, forks, change while it runs, what it tells, what it
//! allocates. Its law stands in `budget_properties.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use allocator::allocations;
use buttress::{
    Budget,
    budget::{Builder, Config},
    telemetry::{Event, EventKind},
};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

/// Refilled by nothing.
fn sealed(reserve: u32) -> Builder {
    Budget::builder()
        .ratio(0.0)
        .min_per_sec(0.0)
        .reserve(reserve)
}

fn empty(budget: &Budget) -> usize {
    std::iter::from_fn(|| budget.withdraw().then_some(())).count()
}

/// The kinds of event heard.
#[derive(Debug, Clone, Default)]
struct Ear(Arc<Mutex<Vec<Event>>>);

impl Ear {
    fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let ear = self.clone();
        move |event| ear.0.lock().unwrap().push(event.clone())
    }

    /// Policies and kinds since the last time.
    fn heard(&self) -> Vec<(&'static str, &'static str)> {
        let heard = std::mem::take(&mut *self.0.lock().unwrap());
        let kind = |event: &Event| match event.kind {
            EventKind::BudgetExhausted => "exhausted",
            EventKind::Reconfigured {
                window_cleared: false,
                ..
            } => "reconfigured",
            _ => "unheard of",
        };
        heard
            .iter()
            .map(|event| (event.policy, kind(event)))
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn starts_full_with_the_documented_defaults() {
    let config = Config::default();
    assert_eq!(
        (config.ratio, config.min_per_sec, config.reserve),
        (0.2, 1.0, 30)
    );
    let budget = Budget::default();
    assert_eq!(budget.config(), config);
    assert_eq!(budget.name(), "budget");
    let seen = budget.snapshot();
    assert_eq!(
        (seen.policy, seen.balance, seen.drawn, seen.refused),
        ("budget", 30.0, 0, 0)
    );
    assert_eq!(empty(&budget), 30);
    // Five calls, or a second.
    (0..4).for_each(|_| budget.deposit());
    assert!(!budget.withdraw());
    budget.deposit();
    assert_eq!(empty(&budget), 1);
    advance(SECOND - Duration::from_nanos(1)).await;
    assert!(!budget.withdraw());
    advance(Duration::from_nanos(1)).await;
    assert_eq!(empty(&budget), 1);
    let seen = budget.snapshot();
    assert_eq!((seen.balance, seen.drawn, seen.refused), (0.0, 32, 5));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_knows_what_time_has_refilled_and_changes_nothing() {
    let budget = Budget::builder()
        .min_per_sec(0.5)
        .reserve(2)
        .build()
        .unwrap();
    assert_eq!(empty(&budget), 2);
    advance(SECOND).await;
    assert_eq!(budget.snapshot().balance, 0.5);
    assert_eq!(budget.snapshot(), budget.snapshot());
    advance(SECOND * 86_400 * 365).await;
    assert_eq!(budget.snapshot().balance, 2.0);
    assert_eq!(empty(&budget), 2);
}

#[tokio::test(start_paused = true)]
async fn all_clones_are_one_budget_and_a_fork_is_another() {
    let budget = sealed(2).name("shop").build().unwrap();
    let clone = budget.clone();
    assert!(clone.withdraw());
    let fork = budget.fork("shop-b");
    assert_eq!((fork.name(), fork.config()), ("shop-b", budget.config()));
    assert_eq!(empty(&fork), 2);
    assert_eq!(empty(&budget), 1);
    assert_eq!(empty(&clone), 0);
    // Settings are each one's own, too.
    budget.reconfigure(Config::default()).unwrap();
    assert_eq!(fork.config().reserve, 2);
}

#[test]
fn every_bad_setting_is_named_at_once() {
    let told = |builder: Builder| {
        let error = builder.name("shop").build().unwrap_err();
        assert_eq!(error.policy(), "shop");
        let violations = error.violations().iter();
        violations
            .map(|v| format!("{} {} {}", v.field, v.value, v.rule))
            .collect::<Vec<_>>()
    };
    let bad = Budget::builder()
        .ratio(-0.1)
        .min_per_sec(f64::NAN)
        .reserve(0);
    assert_eq!(
        told(bad),
        [
            "ratio -0.1 must be 0 to 100",
            "min_per_sec NaN must be 0 to 1000000",
            "reserve 0 must be 1 to 1000000",
        ]
    );
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-9, 100.1] {
        assert_eq!(told(Budget::builder().ratio(bad)).len(), 1, "{bad}");
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-9, 1e6 + 0.1] {
        assert_eq!(told(Budget::builder().min_per_sec(bad)).len(), 1, "{bad}");
    }
    assert_eq!(told(Budget::builder().reserve(1_000_001)).len(), 1);
    for good in [0.0, -0.0, 1e-9, 100.0] {
        Budget::builder().ratio(good).build().unwrap();
    }
    for good in [0.0, -0.0, 1e-9, 1e6] {
        Budget::builder().min_per_sec(good).build().unwrap();
    }
    Budget::builder().reserve(1_000_000).build().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_keeps_what_is_there_as_far_as_it_fits() {
    let budget = sealed(10).build().unwrap();
    assert!((0..4).all(|_| budget.withdraw()));
    let change = |reserve, min_per_sec| {
        let mut config = budget.config();
        config.reserve = reserve;
        config.min_per_sec = min_per_sec;
        budget.reconfigure(config).unwrap();
        budget.snapshot().balance
    };
    assert_eq!(change(100, 0.0), 6.0);
    assert_eq!(change(5, 1.0), 5.0);
    assert_eq!(change(100, 1.0), 5.0);
    // What was refilled until now was refilled by the old settings.
    advance(SECOND * 3).await;
    assert_eq!(change(100, 0.0), 8.0);
    advance(SECOND * 3).await;
    assert_eq!(change(100, 0.5), 8.0);
    advance(SECOND * 3).await;
    assert_eq!(budget.snapshot().balance, 9.5);
    assert_eq!(budget.snapshot().drawn, 4);
}

#[test]
fn a_bad_change_changes_nothing() {
    let ear = Ear::default();
    let budget = sealed(3)
        .name("shop")
        .on_event(ear.listener())
        .build()
        .unwrap();
    let before = (budget.config(), budget.snapshot());
    let mut config = Config::default();
    config.ratio = f64::NAN;
    config.reserve = 0;
    let error = budget.reconfigure(config).unwrap_err();
    assert_eq!((error.policy(), error.violations().len()), ("shop", 2));
    assert_eq!((budget.config(), budget.snapshot()), before);
    assert_eq!(ear.heard(), []);
}

#[tokio::test(start_paused = true)]
async fn drying_out_is_told_once_each_time() {
    let (ear, other) = (Ear::default(), Ear::default());
    let builder = Budget::builder()
        .name("shop")
        .ratio(0.5)
        .min_per_sec(1.0)
        .reserve(2);
    let budget = builder.on_event(ear.listener()).build().unwrap();
    let subscription = budget.subscribe(other.listener());
    let exhausted = [("shop", "exhausted")];
    // The last attempt is granted: nobody has been refused yet.
    assert!(budget.withdraw() && budget.withdraw());
    assert_eq!(ear.heard(), []);
    assert!(!budget.withdraw());
    assert_eq!(ear.heard(), exhausted);
    assert_eq!(other.heard(), exhausted);
    drop(subscription);
    // Still dry, with half an attempt in it.
    budget.deposit();
    assert!(!budget.withdraw() && !budget.withdraw());
    assert_eq!(ear.heard(), []);
    budget.deposit();
    assert!(budget.withdraw() && !budget.withdraw());
    assert_eq!(ear.heard(), exhausted);
    advance(SECOND).await;
    assert!(budget.withdraw() && !budget.withdraw());
    assert_eq!(ear.heard(), exhausted);
    // A fork has the listeners from the start, a dryness of its own and its own name.
    let fork = budget.fork("shop-b");
    assert_eq!(empty(&fork), 2);
    assert_eq!(ear.heard(), [("shop-b", "exhausted")]);
    budget.reconfigure(Config::default()).unwrap();
    assert_eq!(ear.heard(), [("shop", "reconfigured")]);
    assert_eq!(other.heard(), []);
}

#[test]
fn a_listener_may_use_the_budget() {
    let slot = Arc::new(Mutex::new(None::<Budget>));
    let inside = slot.clone();
    let listener = move |event: &Event| {
        if let EventKind::BudgetExhausted = event.kind {
            let budget = inside.lock().unwrap().clone().unwrap();
            assert!(!budget.withdraw());
            budget.deposit();
            budget.reconfigure(budget.config()).unwrap();
            assert_eq!(budget.snapshot().balance, 1.0);
        }
    };
    let budget = sealed(1).ratio(1.0).on_event(listener).build().unwrap();
    *slot.lock().unwrap() = Some(budget.clone());
    assert!(budget.withdraw() && !budget.withdraw());
    assert!(budget.withdraw());
    *slot.lock().unwrap() = None;
}

#[tokio::test(start_paused = true)]
async fn deposits_and_draws_allocate_nothing() {
    let budget = Budget::builder().ratio(0.5).reserve(2).build().unwrap();
    // The first draw registers the gauge.
    assert!(budget.withdraw());
    let (mut granted, mut refused) = (0, 0);
    let made = allocations(|| {
        for _ in 0..1_000 {
            budget.deposit();
            match budget.withdraw() {
                true => granted += 1,
                false => refused += 1,
            }
        }
        (0..1_000).for_each(|_| budget.deposit());
        let _ = (budget.snapshot(), budget.config());
    });
    assert_eq!(made, 0);
    assert!(granted > 400 && refused > 400);
}
