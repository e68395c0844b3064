//! How many backups run, and how many may: a counter.
//!
//! All orderings are relaxed: the counter guards no other memory, and to take a place is one
//! compare-and-swap, so that never more are taken than there were at that moment.

use crate::sys::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Places {
    running: AtomicU64,
    most: AtomicU64,
}

impl Places {
    pub(super) fn new(most: u32) -> Self {
        Self {
            running: AtomicU64::new(0),
            most: AtomicU64::new(most.into()),
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |running| (running < most).then_some(running + 1);
        self.running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    pub(super) fn give_back(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn most(&self) -> u32 {
        u32::try_from(self.most.load(Ordering::Relaxed)).expect("it was one")
    }

    /// Those that run stay; with fewer places the next is free when enough of them have ended.
    pub(super) fn resize(&self, most: u32) {
        self.most.store(most.into(), Ordering::Relaxed);
    }
}
