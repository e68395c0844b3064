//! A breaker that is switched off is asked by nobody, so one that was open stayed open in the metrics for
//! ever, calls that were still running opened one that was not there any more, and an order to one that
//! was not there was told as if it had been carried out.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Resilience, breaker,
    breaker::{Order, State},
    pipeline::{Builder, Config},
    telemetry::EventKind,
};
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::sleep;
use tokio_test::{assert_pending, task::spawn};

type Told = Arc<Mutex<Vec<EventKind>>>;

/// Judges three calls.
fn strict() -> breaker::Config {
    let mut config = breaker::Config::default();
    config.min_calls = 3;
    config
}

fn breaker(builder: Builder) -> (Resilience, Told) {
    let told = Told::default();
    let told_to = Arc::clone(&told);
    let builder = builder.on_event(move |event| told_to.lock().unwrap().push(event.kind.clone()));
    (builder.build().unwrap(), told)
}

/// How many breakers the gauge shows in this state.
fn shown(snapshotter: &Snapshotter, state: &str) -> f64 {
    let seen = snapshotter.snapshot().into_vec();
    let of_state = seen.iter().find_map(|(key, _, _, value)| {
        let mut labels = key.key().labels();
        let is_it = labels.any(|label| label.key() == "state" && label.value() == state);
        match value {
            DebugValue::Gauge(value) if is_it => Some(value.into_inner()),
            _ => None,
        }
    });
    of_state.expect("a gauge")
}

#[tokio::test(start_paused = true)]
async fn one_that_was_open_is_open_no_more() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (all, _) = breaker(Resilience::builder().breaker(strict()));
    with_local_recorder(&recorder, || {
        for _ in 0..3 {
            let mut call = spawn(all.call(async |_| Err::<(), _>("down")));
            assert!(call.poll().is_ready());
        }
        assert_eq!(all.snapshot().breaker.unwrap().state, State::Open);
        all.reconfigure(Config::default()).unwrap();
        assert_eq!(shown(&snapshotter, "open"), 0.0);
        assert_eq!(all.call(async |_| Ok::<_, ()>(())).now(), Ok(()));
    });
}

#[tokio::test(start_paused = true)]
async fn calls_that_still_run_do_not_open_one_that_is_gone() {
    let (all, told) = breaker(Resilience::builder().breaker(strict()));
    let hang = async |_| {
        sleep(Duration::from_secs(1)).await;
        Err::<(), _>("down")
    };
    let mut calls: Vec<_> = (0..3).map(|_| spawn(all.call(hang))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    all.reconfigure(Config::default()).unwrap();
    sleep(Duration::from_secs(1)).await;
    for call in &mut calls {
        assert!(call.poll().is_ready());
    }
    let told = told.lock().unwrap();
    let opened = told.iter().any(|it| matches!(it, EventKind::Opened { .. }));
    assert!(!opened, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_to_one_that_is_not_there_plays_no_part() {
    let (all, told) = breaker(Resilience::builder());
    all.order(Order::ForceOpen(None));
    assert_eq!(all.call(async |_| Ok::<_, ()>(())).now(), Ok(()));
    assert_eq!(told.lock().unwrap()[..], []);
    let mut config = Config::default();
    config.breaker = Some(strict());
    all.reconfigure(config).unwrap();
    assert_eq!(all.call(async |_| Ok::<_, ()>(())).now(), Ok(()));
}

trait Now: Future {
    fn now(self) -> Self::Output;
}

impl<F: Future> Now for F {
    fn now(self) -> F::Output {
        match spawn(self).poll() {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it is ready at once"),
        }
    }
}
