//! Who changes the settings while somebody else is at it leaves them behind, to be applied then. When the
//! recorder panicked before it came to that, they were lost, though the change had been accepted.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use buttress::{Resilience, pipeline::Config, telemetry::EventKind};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tokio_test::task::spawn;

/// Its gauge of places panics, once, when it is to.
#[derive(Clone, Default)]
struct Broken(Arc<AtomicBool>);

impl Broken {
    fn tell(&self) {
        assert!(!self.0.swap(false, SeqCst), "a broken gauge");
    }
}

impl GaugeFn for Broken {
    fn increment(&self, _: f64) {
        self.tell();
    }

    fn decrement(&self, _: f64) {
        self.tell();
    }

    fn set(&self, _: f64) {
        self.tell();
    }
}

impl Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match key.name().contains("bulkhead") {
            true => Gauge::from_arc(Arc::new(self.clone())),
            false => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn with(places: u32, ratio: f64) -> Config {
    let mut config = Config::standard();
    config.bulkhead = Some(places.into());
    config.budget.ratio = ratio;
    config
}

#[test]
fn they_are_applied_all_the_same() {
    let of = Arc::new(OnceLock::<Resilience>::new());
    let all = Arc::clone(&of);
    // As another thread would, in the midst of the change: when the budget has taken its settings.
    let other = move |event: &buttress::telemetry::Event| {
        if let (EventKind::Reconfigured { .. }, Some(all)) = (&event.kind, all.get()) {
            let config = with(30, 0.3);
            if all.config() != config {
                all.reconfigure(config).unwrap();
            }
        }
    };
    let all = Resilience::builder()
        .config(with(10, 0.1))
        .on_event(other)
        .build()
        .unwrap();
    of.set(all.clone()).unwrap();
    let broken = Broken::default();
    with_local_recorder(&broken, || {
        assert!(
            spawn(all.call(|_| ready(Ok::<_, ()>(()))))
                .poll()
                .is_ready()
        );
        broken.0.store(true, SeqCst);
        let change = || all.reconfigure(with(20, 0.2));
        assert!(catch_unwind(AssertUnwindSafe(change)).is_err());
    });
    assert_eq!(all.config(), with(30, 0.3));
    let seen = all.snapshot();
    assert_eq!(seen.bulkhead.unwrap().limit, 30);
}
