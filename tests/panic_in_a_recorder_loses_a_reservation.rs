//! An attempt is set aside in the budget, and then the gauge is told. When the recorder panics, nobody
//! is left to send that attempt, and it must not stay set aside for ever.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use buttress::{Budget, Retry};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tokio_test::task::spawn;

/// Its gauge panics the first time that it is told something.
#[derive(Default)]
struct Broken(AtomicBool);

impl GaugeFn for Broken {
    fn increment(&self, _: f64) {
        assert!(self.0.swap(true, Ordering::Relaxed), "a broken gauge");
    }

    fn decrement(&self, _: f64) {}

    fn set(&self, _: f64) {}
}

impl Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Self::default()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_gauge_is_told_gives_the_attempt_back() {
    let budget = Budget::builder()
        .min_per_sec(0.0)
        .reserve(1)
        .build()
        .unwrap();
    let retry = Retry::builder().budget(budget.clone()).build().unwrap();
    let mut call = spawn(retry.call(|_| async { Err::<(), _>("down") }));
    with_local_recorder(&Broken::default(), || {
        assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
    });
    drop(call);
    let seen = budget.snapshot();
    assert_eq!((seen.reserved, seen.drawn, seen.balance), (0, 0, 1.0));
}
