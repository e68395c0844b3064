//! Counters with the policy's name and one more label, gauges, histograms.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use super::{
    family::{Family, Level, Spread},
    kin::Kin,
    names,
};
use crate::{
    header::Malformed,
    sys::{Arc, AtomicU64, OnceLock, Ordering},
};

/// The counters of one family for one policy, registered when the first of them counts.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize> {
    family: &'static Family<N>,
    handles: Kin<Arc<Handles<N>>>,
}

struct Handles<const N: usize>([Counter; N]);

impl<const N: usize> Handles<N> {
    fn register(policy: &'static str, family: &Family<N>) -> Self {
        let Family {
            name,
            what,
            label,
            values,
        } = *family;
        describe_counter!(name, Unit::Count, what);
        Self(values.map(|value| counter!(name, "policy" => policy, label => value)))
    }
}

impl<const N: usize> Counters<N> {
    pub(crate) fn new(policy: &'static str, family: &'static Family<N>) -> Self {
        let handles = Kin::new(policy);
        Self { family, handles }
    }

    /// For another policy of the same name, with the same handles.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            family: self.family,
            handles: self.handles.fresh(),
        }
    }

    /// One more of the label's value number `at`.
    #[inline]
    pub(crate) fn add(&self, at: usize) {
        match self.handles.get() {
            Some(handles) => handles.0[at].increment(1),
            None => self.add_first(at),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_first(&self, at: usize) {
        let register = |policy| Arc::new(Handles::register(policy, self.family));
        let (handles, _) = self.handles.join(register);
        handles.0[at].increment(1);
    }
}

/// Counters of what most policies never count: a word in each.
#[derive(Debug)]
pub(crate) struct RareCounters<const N: usize>(Arc<Rare<N>>);

#[derive(Debug)]
struct Rare<const N: usize> {
    policy: &'static str,
    family: &'static Family<N>,
    handles: OnceLock<Handles<N>>,
}

impl<const N: usize> RareCounters<N> {
    pub(crate) fn new(policy: &'static str, family: &'static Family<N>) -> Self {
        Self(Arc::new(Rare {
            policy,
            family,
            handles: OnceLock::new(),
        }))
    }

    /// For another policy of the same name, with the same handles.
    pub(crate) fn fresh(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// One more of the label's value number `at`.
    pub(crate) fn add(&self, at: usize) {
        let Rare {
            policy,
            family,
            handles,
        } = &*self.0;
        // The recorder is the user's code, and asked outside every lock, that of the handles included.
        if handles.get().is_none() {
            let _ = handles.set(Handles::register(policy, family));
        }
        let handles = handles.get().expect("set above, here or elsewhere");
        handles.0[at].increment(1);
    }
}

impl<const N: usize> std::fmt::Debug for Handles<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handles").finish_non_exhaustive()
    }
}

impl Level {
    fn register(&self, policy: &'static str) -> Gauge {
        describe_gauge!(self.name, Unit::Count, self.what);
        gauge!(self.name, "policy" => policy)
    }
}

/// A gauge of one policy. It is told of differences, so that policies of one name add up.
pub(crate) struct Meter {
    level: &'static Level,
    handle: Kin<Gauge>,
    /// What the gauge was last told, in billionths.
    told: AtomicU64,
}

impl Meter {
    pub(crate) fn new(policy: &'static str, level: &'static Level) -> Self {
        Self {
            level,
            handle: Kin::new(policy),
            told: AtomicU64::new(0),
        }
    }

    /// For another policy of the same name, with the same gauge.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            level: self.level,
            handle: self.handle.fresh(),
            told: AtomicU64::new(0),
        }
    }

    /// It stands at so many billionths. Registers the gauge the first time.
    pub(crate) fn show(&self, now: u64) {
        let handle = match self.handle.get() {
            Some(handle) => handle,
            None => self.register(),
        };
        // Each difference is told by the one who put the new value there: they add up to the last.
        let before = self.told.swap(now, Ordering::Relaxed);
        if now != before {
            handle.increment((now as f64 - before as f64) / 1e9);
        }
    }

    /// It stands at so many, whole ones.
    pub(crate) fn show_whole(&self, now: u64) {
        self.show(now * 1_000_000_000);
    }

    /// Whether it was registered.
    pub(crate) fn is_known(&self) -> bool {
        self.handle.get().is_some()
    }

    #[cold]
    fn register(&self) -> &Gauge {
        self.handle.join(|policy| self.level.register(policy)).0
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.is_known() {
            self.show(0);
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

/// A gauge that calls count up and down. Those of policies of one name add up.
pub(crate) struct UpDown {
    level: &'static Level,
    handle: Kin<Gauge>,
}

impl UpDown {
    pub(crate) fn new(policy: &'static str, level: &'static Level) -> Self {
        let handle = Kin::new(policy);
        Self { level, handle }
    }

    /// For another policy of the same name, with the same gauge.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            level: self.level,
            handle: self.handle.fresh(),
        }
    }

    /// One more. Answers whether it is the first of this policy; registers the gauge if it has to.
    #[inline]
    pub(crate) fn up(&self) -> bool {
        match self.handle.get() {
            Some(handle) => {
                handle.increment(1.0);
                false
            }
            None => self.up_first(),
        }
    }

    /// One less, of those that were counted up.
    #[inline]
    pub(crate) fn down(&self) {
        if let Some(handle) = self.handle.get() {
            handle.decrement(1.0);
        }
    }

    #[cold]
    #[inline(never)]
    fn up_first(&self) -> bool {
        let (handle, first) = self.handle.join(|policy| self.level.register(policy));
        handle.increment(1.0);
        first
    }

    /// Whether it was registered.
    pub(crate) fn is_known(&self) -> bool {
        self.handle.get().is_some()
    }
}

impl std::fmt::Debug for UpDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpDown").finish_non_exhaustive()
    }
}

/// A histogram of times of one policy, registered when the first is recorded.
pub(crate) struct Times {
    spread: &'static Spread,
    handle: Kin<Histogram>,
}

impl Times {
    pub(crate) fn new(policy: &'static str, spread: &'static Spread) -> Self {
        let handle = Kin::new(policy);
        Self { spread, handle }
    }

    /// For another policy of the same name, with the same histogram.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            spread: self.spread,
            handle: self.handle.fresh(),
        }
    }

    pub(crate) fn record(&self, time: Duration) {
        let handle = match self.handle.get() {
            Some(handle) => handle,
            None => self.register(),
        };
        handle.record(time);
    }

    #[cold]
    fn register(&self) -> &Histogram {
        let Spread { name, what } = *self.spread;
        let register = |policy| {
            describe_histogram!(name, Unit::Seconds, what);
            histogram!(name, "policy" => policy)
        };
        self.handle.join(register).0
    }
}

impl std::fmt::Debug for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Times").finish_non_exhaustive()
    }
}

/// The value of a header was malformed, and somebody went on without it.
pub(super) fn malformed(what: Malformed) {
    describe_counter!(
        names::MALFORMED,
        Unit::Count,
        "Header values that were malformed and ignored."
    );
    counter!(names::MALFORMED, "header" => what.header()).increment(1);
}
