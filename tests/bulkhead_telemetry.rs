//! What a bulkhead tells: its events, and its metrics.
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
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use buttress::{
    Bulkhead, Deadline, Reason,
    bulkhead::{Builder, Config},
    guard::{Now, Policy, Yes},
    telemetry::{Event, EventKind},
};
use ledger::{REJECTED, recorded};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};

const SECOND: Duration = Duration::from_secs(1);

const IN_FLIGHT: &str = "buttress_bulkhead_in_flight";
const LIMIT: &str = "buttress_bulkhead_limit";
const QUEUED: &str = "buttress_bulkhead_queued";
const WAIT: &str = "buttress_bulkhead_wait_seconds";

fn queueing(places: u32) -> Builder<Yes> {
    let builder = Bulkhead::builder(places).name("shop");
    builder.max_queue(2).max_wait(SECOND)
}

fn config(limit: u32) -> Config {
    let mut config = Config::new(limit);
    config.max_queue = 2;
    config.max_wait = SECOND;
    config
}

/// One call of each kind of end: let in, after half a second, too late, refused, too late by deadline.
async fn a_day(bulkhead: &Bulkhead<Yes>) {
    let place = bulkhead.acquire().await.unwrap();
    let deadline = Deadline::after(SECOND / 4);
    let hasty = bulkhead.clone().deadline(move |(): &()| Some(deadline));
    let mut hasty = spawn(hasty.acquire());
    let mut lucky = spawn(bulkhead.acquire());
    assert!(bulkhead.acquire().await.is_err());
    assert_pending!(hasty.poll());
    advance(SECOND / 4).await;
    assert!(assert_ready!(hasty.poll()).is_err());
    let mut late = spawn(bulkhead.acquire());
    assert_pending!(lucky.poll());
    assert_pending!(late.poll());
    advance(SECOND / 4).await;
    drop(place);
    let _place = assert_ready_ok!(lucky.poll());
    advance(SECOND).await;
    assert!(assert_ready!(late.poll()).is_err());
}

#[tokio::test(start_paused = true)]
async fn events_are_told_in_order() {
    let heard = Arc::<Mutex<Vec<Event>>>::default();
    let ear = Arc::clone(&heard);
    let listener = move |event: &Event| ear.lock().unwrap().push(event.clone());
    let bulkhead = queueing(1).on_event(listener).build().unwrap();
    let begun = tokio::time::Instant::now();
    a_day(&bulkhead).await;
    bulkhead.reconfigure(config(5)).unwrap();
    let told: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|event| {
            assert_eq!((event.policy, event.generation), ("shop", 0));
            let what = match event.kind {
                EventKind::Rejected {
                    reason,
                    retry_after,
                    ..
                } => format!("{reason}, {retry_after:?}"),
                EventKind::Waited { wait, .. } => format!("waited {wait:?}"),
                EventKind::Reconfigured { window_cleared, .. } => format!("{window_cleared}"),
                ref other => panic!("{other:?}"),
            };
            (event.seq, (event.at - begun).as_millis(), what)
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 0, "full, None".into()),
            (2, 250, "expired, None".into()),
            (3, 500, "waited 500ms".into()),
            (4, 1500, "full, None".into()),
            (5, 1500, "false".into()),
        ]
    );
    let fork = bulkhead.fork("other");
    let place = fork.acquire().await.unwrap();
    fork.reconfigure(config(1)).unwrap();
    assert_eq!(heard.lock().unwrap().last().unwrap().policy, "other");
    drop(place);
}

/// What each metric was told, one after the other.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct Entry(Book, String);

impl Entry {
    fn note(&self, value: f64) {
        let mut book = self.0.0.lock().unwrap();
        book.entry(self.1.clone()).or_default().push(value);
    }
}

impl HistogramFn for Entry {
    fn record(&self, value: f64) {
        self.note(value);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        Entry(self.clone(), format!("{} in {unit:?}", key.as_str())).note(0.0);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        let name = format!("{}{labels:?}", key.name());
        Histogram::from_arc(Arc::new(Entry(self.clone(), name)))
    }
}

#[test]
fn the_histogram_has_the_waits_of_those_who_were_let_in() {
    let book = Book::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    with_local_recorder(&book, || {
        runtime.block_on(a_day(&queueing(1).build().unwrap()));
    });
    let expected = [
        (format!("{WAIT} in Some(Seconds)"), vec![0.0]),
        (format!("{WAIT}[\"shop\"]"), vec![0.5]),
    ];
    assert_eq!(*book.0.lock().unwrap(), BTreeMap::from(expected));
}

#[test]
fn gauges_and_counters_say_what_the_snapshot_says() {
    recorded(async |ledger| {
        let bulkhead = queueing(2).build().unwrap();
        assert!(ledger.is_empty());
        // Before the first call nothing is registered, since there may be no recorder yet.
        bulkhead.reconfigure(config(1)).unwrap();
        assert!(ledger.is_empty());
        let gauge = |name: &str| format!("{name}{{policy=shop}}");
        let place = bulkhead.acquire().await.unwrap();
        let mut expected = BTreeMap::from([(gauge(IN_FLIGHT), 1.0), (gauge(LIMIT), 1.0)]);
        assert_eq!(*ledger.all(), expected);

        let waiting = [(); 2].map(|()| spawn(bulkhead.acquire()));
        expected.insert(gauge(QUEUED), 2.0);
        assert_eq!(*ledger.all(), expected);
        assert!(bulkhead.acquire().await.is_err());
        expected.insert(format!("{REJECTED}{{policy=shop,reason=full}}"), 1.0);
        expected.insert(format!("{REJECTED}{{policy=shop,reason=expired}}"), 0.0);
        assert_eq!(*ledger.all(), expected);

        // Up and down; nobody who waits is told yet.
        bulkhead.reconfigure(config(3)).unwrap();
        bulkhead.reconfigure(config(2)).unwrap();
        expected.insert(gauge(LIMIT), 2.0);
        assert_eq!(ledger.value(LIMIT, "policy=shop"), 2.0);
        drop(place);
        drop(waiting);
        assert_eq!(ledger.value(QUEUED, "policy=shop"), 0.0);
        assert_eq!(ledger.value(IN_FLIGHT, "policy=shop"), 0.0);
        let counted = (Some(Unit::Count), true);
        assert!(ledger.units.values().all(|unit| *unit == counted));
    });
}

#[test]
fn bulkheads_of_one_name_add_up_and_leave_when_dropped() {
    recorded(async |ledger| {
        let bulkheads = [4, 3].map(|places| {
            let builder = Bulkhead::builder(places).name("shop");
            builder.build().unwrap()
        });
        let places = bulkheads.each_ref().map(|one| one.try_acquire().unwrap());
        let mut seen = || [IN_FLIGHT, LIMIT].map(|name| ledger.value(name, "policy=shop"));
        assert_eq!(seen(), [2.0, 7.0]);
        let [first, second] = bulkheads;
        let [one, other] = places;
        drop(first);
        assert_eq!(seen(), [2.0, 7.0], "a call still runs in it");
        drop(one);
        assert_eq!(seen(), [1.0, 3.0]);
        drop((second, other));
        assert_eq!(seen(), [0.0, 0.0]);
    });
}

/// Everything it hands out panics, but for the first so many times.
#[derive(Clone, Default)]
struct Broken(Arc<AtomicU32>);

impl Broken {
    fn hit(&self) {
        // Counts down to the one that breaks.
        let before = self.0.fetch_sub(1, SeqCst);
        assert!(before != 0, "a broken recorder");
    }
}

impl CounterFn for Broken {
    fn increment(&self, _: u64) {
        self.hit();
    }
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Broken {
    fn increment(&self, _: f64) {
        self.hit();
    }
    fn decrement(&self, _: f64) {
        self.hit();
    }
    fn set(&self, _: f64) {}
}

impl HistogramFn for Broken {
    fn record(&self, _: f64) {
        self.hit();
    }
}

impl Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.hit();
        Counter::from_arc(Arc::new(self.clone()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.hit();
        Gauge::from_arc(Arc::new(self.clone()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.hit();
        Histogram::from_arc(Arc::new(self.clone()))
    }
}

/// Wherever it breaks, every place is free in the end, and nobody is left in the queue.
#[test]
fn a_recorder_that_panics_costs_no_place() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let _within = runtime.enter();
    let mut broke = 0;
    for at in 0..40 {
        let bulkhead = queueing(1).build().unwrap();
        let broken = Broken(Arc::new(AtomicU32::new(at)));
        with_local_recorder(&broken, || {
            let mut tries = |piece: &mut dyn FnMut()| {
                let result = catch_unwind(AssertUnwindSafe(piece));
                broke += u32::from(result.is_err());
            };
            let (mut place, mut calls) = (None, Vec::new());
            tries(&mut || place = Some(spawn(bulkhead.acquire())));
            for _ in 0..3 {
                tries(&mut || calls.push(spawn(bulkhead.acquire())));
            }
            for call in &mut calls {
                tries(&mut || drop(call.poll()));
            }
            tries(&mut || drop(place.take()));
            for call in &mut calls {
                tries(&mut || {
                    if call.is_woken() {
                        drop(call.poll());
                    }
                });
            }
            while let Some(call) = calls.pop() {
                let mut call = Some(call);
                tries(&mut || drop(call.take()));
            }
        });
        // What follows is the end of the bulkhead, of which its gauges hear, too.
        broken.0.store(u32::MAX, SeqCst);
        let seen = bulkhead.snapshot();
        assert_eq!((seen.in_flight, seen.queued), (0, 0), "broke at {at}");
        assert!(bulkhead.policy().idle(&Now::lazy()));
    }
    assert!(broke > 10, "{broke}");
}

#[test]
fn a_refusal_names_the_policy() {
    let bulkhead = Bulkhead::builder(1).name("shop").build().unwrap();
    let _place = bulkhead.try_acquire().unwrap();
    let no = bulkhead.try_acquire().unwrap_err();
    assert_eq!((no.policy(), no.reason()), ("shop", Reason::Full));
    assert_eq!(no.to_string(), "shop: as many calls as allowed are running");
}
