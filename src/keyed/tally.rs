//! What happened to keys, for the snapshot and for the metrics.

use crate::{
    sys::{AtomicU64, Ordering},
    telemetry::{Counters, UpDown, names},
};

/// Why a key was evicted, in the order of the metric's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    Unused,
    Room,
    Oldest,
}

/// What became of calls whose key found no place, in the order of the metric's labels.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Shared,
    Rejected,
    Evicted,
}

/// Counts. First here, then in the metrics: a recorder is the user's code.
#[derive(Debug)]
pub(super) struct Tally {
    evicted: [AtomicU64; 3],
    shared_calls: AtomicU64,
    rejected: AtomicU64,
    faulty_settings: AtomicU64,
    /// Those that the gauge was told of.
    seated: AtomicU64,
    keys: UpDown,
    evictions: Counters<3>,
    answers: Counters<3>,
    rejections: Counters<1>,
}

/// A key that counts, until it has its place or has not got it.
pub(super) struct Seat<'a>(&'a Tally);

impl Seat<'_> {
    pub(super) const fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.unseat();
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub(super) fn new(policy: &'static str) -> Self {
        Self {
            evicted: [const { 0 }; 3].map(AtomicU64::new),
            shared_calls: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            faulty_settings: AtomicU64::new(0),
            seated: AtomicU64::new(0),
            keys: UpDown::new(policy, &names::KEYS),
            evictions: Counters::new(policy, &names::KEYS_EVICTED),
            answers: Counters::new(policy, &names::KEYS_OVERFLOW),
            rejections: Counters::new(policy, &names::KEYS_REJECTED),
        }
    }

    /// A key is about to have its place.
    pub(super) fn seat(&self) -> Seat<'_> {
        self.keys.up();
        one_more(&self.seated);
        Seat(self)
    }

    fn unseat(&self) {
        self.seated.fetch_sub(1, Ordering::Relaxed);
        self.keys.down();
    }

    pub(super) fn evict(&self, why: Eviction) {
        one_more(&self.evicted[why as usize]);
        self.unseat();
        self.evictions.add(why as usize);
    }

    pub(super) fn share(&self) {
        one_more(&self.shared_calls);
        self.answers.add(Answer::Shared as usize);
    }

    pub(super) fn reject(&self) {
        one_more(&self.rejected);
        self.answers.add(Answer::Rejected as usize);
        self.rejections.add(0);
    }

    pub(super) fn oldest_made_room(&self) {
        self.answers.add(Answer::Evicted as usize);
    }

    pub(super) fn faulty_settings(&self) {
        one_more(&self.faulty_settings);
    }

    pub(super) fn evicted(&self, why: Eviction) -> u64 {
        self.evicted[why as usize].load(Ordering::Relaxed)
    }

    pub(super) fn shared_calls(&self) -> u64 {
        self.shared_calls.load(Ordering::Relaxed)
    }

    pub(super) fn all_rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    pub(super) fn all_faulty_settings(&self) -> u64 {
        self.faulty_settings.load(Ordering::Relaxed)
    }
}

/// The gauge counts the keys of all that have the name: those of this one leave.
impl Drop for Tally {
    fn drop(&mut self) {
        for _ in 0..self.seated.load(Ordering::Relaxed) {
            self.keys.down();
        }
    }
}
