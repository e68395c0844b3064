//! Counters with the policy's name and one more label, and the gauge of a budget.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use super::{
    family::{Family, Level},
    names,
};
use crate::{
    header::Malformed,
    sys::{AtomicU64, OnceLock, Ordering},
};

/// The counters of one family for one policy, registered when the first of them counts.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize> {
    policy: &'static str,
    family: &'static Family<N>,
    handles: OnceLock<Box<Handles<N>>>,
}

struct Handles<const N: usize>([Counter; N]);

impl<const N: usize> Counters<N> {
    pub(crate) const fn new(policy: &'static str, family: &'static Family<N>) -> Self {
        Self {
            policy,
            family,
            handles: OnceLock::new(),
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

    /// The recorder is the user's code: it is asked outside every lock, the handles' own included.
    #[cold]
    #[inline(never)]
    fn add_first(&self, at: usize) {
        let Family {
            name,
            what,
            label,
            values,
        } = *self.family;
        describe_counter!(name, Unit::Count, what);
        let handles = values.map(|value| counter!(name, "policy" => self.policy, label => value));
        let _ = self.handles.set(Box::new(Handles(handles)));
        self.handles.get().expect("set above, here or elsewhere").0[at].increment(1);
    }
}

impl<const N: usize> std::fmt::Debug for Handles<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handles").finish_non_exhaustive()
    }
}

/// A gauge of one policy. It is told of differences, so that policies of one name add up.
pub(crate) struct Meter {
    policy: &'static str,
    level: &'static Level,
    handle: OnceLock<Gauge>,
    /// What the gauge was last told, in billionths.
    told: AtomicU64,
}

impl Meter {
    pub(crate) fn new(policy: &'static str, level: &'static Level) -> Self {
        Self {
            policy,
            level,
            handle: OnceLock::new(),
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

    #[cold]
    fn register(&self) -> &Gauge {
        describe_gauge!(self.level.name, Unit::Count, self.level.what);
        let _ = self
            .handle
            .set(gauge!(self.level.name, "policy" => self.policy));
        self.handle.get().expect("set above, here or elsewhere")
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.handle.get().is_some() {
            self.show(0);
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
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
