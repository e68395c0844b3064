//! What a rate limit tells: events and metrics.
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
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Deadline, RateLimit, Reason,
    rate_limit::Quota,
    telemetry::{Event, EventKind},
};
use ledger::{Ledger, recorded};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

const MS: Duration = Duration::from_millis(1);
const REJECTED: &str = "buttress_rejected_total";
const AVAILABLE: &str = "buttress_rate_limit_available";
const WAIT: &str = "buttress_rate_limit_wait_seconds";

fn quota() -> Quota {
    let [ten, two] = [10, 2].map(|n| NonZeroU32::new(n).unwrap());
    Quota::per_second(ten).burst(two)
}

fn rejected(ledger: &mut Ledger<'_>, reason: Reason) -> f64 {
    ledger.value(REJECTED, &format!("policy=shop,reason={reason}"))
}

fn available(ledger: &mut Ledger<'_>) -> f64 {
    ledger.value(AVAILABLE, "policy=shop")
}

#[test]
fn refusals_are_counted_by_reason() {
    recorded(async |ledger| {
        let builder = RateLimit::builder(quota()).name("shop").max_wait(100 * MS);
        let limit = builder.build().unwrap().deadline(|by: &Deadline| Some(*by));
        let mut service = limit.layer(service_fn(|_: Deadline| async { Ok::<_, BoxError>(()) }));
        limit.try_acquire_n(2).unwrap();
        for _ in 0..3 {
            limit.try_acquire_n(1).unwrap_err();
        }
        limit.try_acquire_n(3).unwrap_err();
        service.call(Deadline::after(10 * MS)).await.unwrap_err();
        let reasons = [Reason::RateLimited, Reason::CostAboveBurst, Reason::Expired];
        assert_eq!(
            reasons.map(|reason| rejected(ledger, reason)),
            [3.0, 1.0, 1.0]
        );
        assert_eq!(limit.snapshot().rejected, 5);
    });
}

#[test]
fn the_gauge_is_told_at_most_ten_times_a_second_and_leaves_with_the_limit() {
    recorded(async |ledger| {
        let limit = RateLimit::builder(quota()).name("shop").build().unwrap();
        assert!(ledger.is_empty());
        limit.try_acquire_n(2).unwrap();
        // As of the decision's beginning.
        assert_eq!(available(ledger), 2.0);
        advance(99 * MS).await;
        limit.try_acquire_n(1).unwrap_err();
        assert_eq!(available(ledger), 2.0);
        advance(MS).await;
        // Refusals tell it, too.
        limit.try_acquire_n(2).unwrap_err();
        assert_eq!(available(ledger), 1.0);
        let mut config = limit.config();
        config.burst = 5;
        limit.reconfigure(config).unwrap();
        assert_eq!(available(ledger), 4.0);
        let other = limit.fork("shop");
        other.try_acquire_n(1).unwrap();
        assert_eq!(available(ledger), 9.0);
        drop(limit);
        assert_eq!(available(ledger), 5.0);
        drop(other);
        assert_eq!(available(ledger), 0.0);
    });
}

#[test]
fn only_calls_that_had_to_wait_are_timed() {
    recorded(async |ledger| {
        let builder = RateLimit::builder(quota())
            .name("shop")
            .max_wait(1_000 * MS);
        let limit = builder.build().unwrap();
        limit.acquire_n(2).await.unwrap();
        let leaves = spawn(limit.acquire_n(1));
        drop(leaves);
        assert!(!ledger.all().keys().any(|key| key.starts_with(WAIT)));
        limit.acquire_n(1).await.unwrap();
        let mut late = spawn(limit.acquire_n(1));
        assert_pending!(late.poll());
        // How long it has waited, and not only how long it had to.
        advance(150 * MS).await;
        assert_ready_ok!(late.poll());
        let sum = ledger.value(WAIT, "policy=shop");
        assert!((sum - 0.25).abs() < 1e-9, "{sum}");
        assert_eq!(ledger.units[WAIT], (Some(Unit::Seconds), true));
        assert_eq!(limit.snapshot().waited, 250 * MS);
        assert_eq!(limit.snapshot().waits, 2);
    });
}

#[derive(Debug, Clone, Default)]
struct Ear(Arc<Mutex<Vec<EventKind>>>);

impl Ear {
    fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let ear = self.clone();
        move |event| {
            assert_eq!(event.policy, "shop");
            ear.0.lock().unwrap().push(event.kind.clone());
        }
    }

    fn heard(&self) -> Vec<String> {
        let heard = std::mem::take(&mut *self.0.lock().unwrap());
        let said = heard.into_iter().map(|kind| match kind {
            EventKind::Rejected {
                reason,
                retry_after,
                ..
            } => format!("{reason} {retry_after:?}"),
            EventKind::Waited { wait, .. } => format!("waited {wait:?}"),
            EventKind::Reconfigured {
                window_cleared: false,
                ..
            } => "reconfigured".to_owned(),
            other => format!("{other:?}"),
        });
        said.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn events_tell_of_refusals_waits_and_changes() {
    let (built_in, later) = (Ear::default(), Ear::default());
    let limit = RateLimit::builder(quota())
        .name("shop")
        .max_wait(100 * MS)
        .on_event(built_in.listener())
        .build()
        .unwrap();
    let subscription = limit.subscribe(later.listener());
    limit.acquire_n(2).await.unwrap();
    assert!(built_in.heard().is_empty());
    limit.try_acquire_n(1).unwrap_err();
    limit.acquire_n(3).await.unwrap_err();
    limit.acquire_n(1).await.unwrap();
    limit.reconfigure(limit.config()).unwrap();
    let expected = [
        "rate_limited Some(100ms)",
        "cost_above_burst None",
        "waited 100ms",
        "reconfigured",
    ];
    assert_eq!(built_in.heard(), expected);
    assert_eq!(later.heard(), expected);
    drop(subscription);
    let fork = limit.fork("shop");
    fork.try_acquire_n(3).unwrap_err();
    assert_eq!(built_in.heard(), ["cost_above_burst None"]);
    assert!(later.heard().is_empty());
}

/// A listener may ask, and change, the limit that it is told of.
#[tokio::test(start_paused = true)]
async fn a_listener_may_call_back() {
    let limit = RateLimit::builder(quota()).build().unwrap();
    let same = limit.clone();
    let subscription = limit.subscribe(move |event| {
        if matches!(event.kind, EventKind::Rejected { .. }) {
            assert_eq!(same.snapshot().rejected, 1);
            let mut config = same.config();
            config.burst = 10;
            same.reconfigure(config).unwrap();
        }
    });
    limit.try_acquire_n(3).unwrap_err();
    limit.try_acquire_n(10).unwrap();
    drop(subscription);
}

/// Panics wherever it is asked for something.
struct Touchy;

struct Hot;

impl HistogramFn for Hot {
    fn record(&self, _: f64) {
        panic!("not this one");
    }
}

impl Recorder for Touchy {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("no counter")
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("no gauge")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Hot))
    }
}

fn panics<T>(piece: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(piece)).is_err()
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_recorder_or_a_listener_takes_nothing() {
    let limit = RateLimit::builder(quota())
        .max_wait(1_000 * MS)
        .on_event(|_| panic!("not interested"))
        .build()
        .unwrap();
    with_local_recorder(&Touchy, || {
        assert!(panics(|| limit.try_acquire_n(1)));
        assert_eq!(limit.snapshot().available, 2, "the gauge came first");
    });
    limit.try_acquire_n(2).unwrap();
    let mut waiting = spawn(limit.acquire());
    assert_pending!(waiting.poll());
    advance(100 * MS).await;
    with_local_recorder(&Touchy, || assert!(panics(|| drop(waiting.poll()))));
    drop(waiting);
    assert_eq!(limit.snapshot().available, 1, "it goes back with the call");
    // A listener's panic is caught.
    limit.try_acquire_n(1).unwrap();
    limit.try_acquire_n(1).unwrap_err();
}
