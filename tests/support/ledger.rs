//! A recorder to look into, and its names.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use buttress::{Outcome, breaker::State};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

pub(crate) const CALLS: &str = "buttress_calls_total";
pub(crate) const REJECTED: &str = "buttress_rejected_total";
pub(crate) const STATE: &str = "buttress_breaker_state";
pub(crate) const TRANSITIONS: &str = "buttress_breaker_transitions_total";

pub(crate) const STATES: [State; 6] = [
    State::Closed,
    State::Open,
    State::HalfOpen,
    State::ForcedOpen,
    State::ForcedClosed,
    State::Disabled,
];

/// Counts how often a handle is asked for.
#[derive(Default)]
pub(crate) struct Clerk {
    inner: DebuggingRecorder,
    pub(crate) registrations: Cell<u32>,
    pub(crate) descriptions: Cell<u32>,
}

impl Clerk {
    fn registers(&self) {
        self.registrations.set(self.registrations.get() + 1);
    }

    fn describes(&self) {
        self.descriptions.set(self.descriptions.get() + 1);
    }
}

impl Recorder for Clerk {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describes();
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describes();
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describes();
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.registers();
        self.inner.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.registers();
        self.inner.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.registers();
        self.inner.register_histogram(key, metadata)
    }
}

/// All metrics so far, by name and labels. A snapshot takes the values away, so they are summed up;
/// that does for gauges, too, since they are only ever raised and lowered.
pub(crate) struct Ledger<'a> {
    pub(crate) clerk: &'a Clerk,
    snapshotter: Snapshotter,
    sums: BTreeMap<String, f64>,
    /// The unit of each name, and whether it was described.
    pub(crate) units: BTreeMap<String, (Option<Unit>, bool)>,
}

impl<'a> Ledger<'a> {
    fn new(clerk: &'a Clerk) -> Self {
        Self {
            clerk,
            snapshotter: clerk.inner.snapshotter(),
            sums: BTreeMap::new(),
            units: BTreeMap::new(),
        }
    }

    /// `name{label=value,...}` and its value, for all that were ever registered.
    pub(crate) fn all(&mut self) -> &BTreeMap<String, f64> {
        for (key, unit, description, value) in self.snapshotter.snapshot().into_vec() {
            let (_, key) = key.into_parts();
            let labels: BTreeSet<_> = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            let labels = labels.into_iter().collect::<Vec<_>>().join(",");
            let change = match value {
                DebugValue::Counter(value) => value as f64,
                DebugValue::Gauge(value) => value.into_inner(),
                DebugValue::Histogram(values) => values.into_iter().map(f64::from).sum(),
            };
            *self
                .sums
                .entry(format!("{}{{{labels}}}", key.name()))
                .or_default() += change;
            self.units
                .insert(key.name().into(), (unit, description.is_some()));
        }
        &self.sums
    }

    pub(crate) fn value(&mut self, name: &str, labels: &str) -> f64 {
        let key = format!("{name}{{{labels}}}");
        *self
            .all()
            .get(&key)
            .unwrap_or_else(|| panic!("no {key} there"))
    }

    pub(crate) fn calls(&mut self, policy: &str, outcome: Outcome) -> f64 {
        let labels = format!("outcome={},policy={policy}", outcome.as_str());
        self.value(CALLS, &labels)
    }

    /// How many breakers of that name are in each state.
    pub(crate) fn states(&mut self, policy: &str) -> [f64; 6] {
        STATES.map(|state| self.value(STATE, &format!("policy={policy},state={state}")))
    }

    pub(crate) fn is_empty(&mut self) -> bool {
        self.all().is_empty() && self.clerk.registrations.get() == 0
    }
}

/// Runs the test under a recorder of its own, by virtual time.
pub(crate) fn recorded(test: impl AsyncFnOnce(&mut Ledger<'_>)) {
    let clerk = Clerk::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    with_local_recorder(&clerk, || {
        runtime.block_on(test(&mut Ledger::new(&clerk)));
    });
}
