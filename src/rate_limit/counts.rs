//! What a limit counts besides the rate.

use std::time::Duration;

use crate::sys::{AtomicU64, Line, Ordering, own_lane};

/// Counted by thread, and apart from what all calls read: a limit that refuses a flood is not to make
/// its threads wait for one another.
#[derive(Debug)]
pub(super) struct Counts(Box<[Line<Lane>]>);

#[derive(Debug, Default)]
struct Lane {
    rejected: AtomicU64,
    would_have_rejected: AtomicU64,
    calls_waited: AtomicU64,
    waited: AtomicU64,
}

/// Threads share them by turns.
const LANES: usize = 4;

impl Counts {
    /// A compact one has a single lane, for limits that are kept by the thousand.
    pub(super) fn new(compact: bool) -> Self {
        let lanes = if compact { 1 } else { LANES };
        Self((0..lanes).map(|_| Line::default()).collect())
    }

    #[inline]
    fn lane(&self) -> &Lane {
        own_lane(&self.0).expect("there is one at least")
    }

    #[inline]
    pub(super) fn add_rejected(&self) {
        self.lane().rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_would_have_rejected(&self) {
        let would_have_rejected = &self.lane().would_have_rejected;
        would_have_rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// One of them never started. Its lane may be another's: only the sum counts.
    pub(super) fn take_would_have_rejected(&self) {
        let would_have_rejected = &self.lane().would_have_rejected;
        would_have_rejected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn add_waited(&self, wait: Duration) {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let lane = self.lane();
        lane.calls_waited.fetch_add(1, Ordering::Relaxed);
        lane.waited.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn rejected(&self) -> u64 {
        self.sum(|lane| &lane.rejected)
    }

    pub(super) fn would_have_rejected(&self) -> u64 {
        self.sum(|lane| &lane.would_have_rejected)
    }

    /// How many calls, and how long in sum.
    pub(super) fn waited(&self) -> (u64, Duration) {
        let nanos = self.sum(|lane| &lane.waited);
        let calls = self.sum(|lane| &lane.calls_waited);
        (calls, Duration::from_nanos(nanos))
    }

    fn sum(&self, of: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        let lanes = self.0.iter();
        let counts = lanes.map(|lane| of(lane).load(Ordering::Relaxed));
        counts.fold(0, u64::wrapping_add)
    }
}
