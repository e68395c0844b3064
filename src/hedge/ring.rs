//! Counts of latencies that forget: a ring of slots, recorded without a lock.
//!
//! # Implementation details
//!
//! Who records loads which slot is the running one and adds to a bucket of it. Who turns the ring (one at
//! a time: the caller holds the lock) empties the slot that is next, and only then, with release, names it
//! the running one. Who has seen the new name, with acquire, adds after the emptying: nothing that belongs
//! to the new slot is lost. Who has seen the old one adds to the old slot, which is still in the window;
//! if it took so long about it that the ring has come round, its addition is lost with the slot's old
//! counts, or counts for one window more. Either is harmless: one attempt among the rest.

use super::histogram::Count;
use crate::sys::{AtomicU64, Line, Ordering};

/// The running one and those before that are still in the window.
pub(super) const SLOTS: usize = 4;

/// A word per bucket: the completed ones in the lower half, those cut short in the upper. Four billion
/// of one kind in one bucket, before its slot is emptied, would overflow: 190,000 a second in a slot of six
/// hours.
const COMPLETED: u64 = 1;
const CUT_SHORT: u64 = 1 << 32;

#[derive(Debug)]
pub(super) struct Ring {
    running: Line<AtomicU64>,
    slots: [Box<[AtomicU64]>; SLOTS],
}

impl Ring {
    /// Empty.
    pub(super) fn new(buckets: usize) -> Self {
        let slot = || (0..buckets).map(|_| AtomicU64::new(0)).collect();
        Self {
            running: Line(AtomicU64::new(0)),
            slots: std::array::from_fn(|_| slot()),
        }
    }

    /// One more in this bucket.
    #[inline]
    pub(super) fn record(&self, bucket: usize, completed: bool) {
        let running = self.running.load(Ordering::Acquire) as usize;
        let one = if completed { COMPLETED } else { CUT_SHORT };
        self.slots[running][bucket].fetch_add(one, Ordering::Relaxed);
    }

    /// Moves on by so many slots: what they held is forgotten. By one caller at a time.
    pub(super) fn turn(&self, slots: u64) {
        for _ in 0..slots.min(SLOTS as u64) {
            // Only ever written here, by one at a time.
            let next = (self.running.load(Ordering::Relaxed) + 1) % SLOTS as u64;
            for count in &self.slots[next as usize] {
                count.store(0, Ordering::Relaxed);
            }
            self.running.store(next, Ordering::Release);
        }
    }

    /// What is in the window.
    pub(super) fn sum(&self, into: &mut [Count]) {
        into.fill(Count::default());
        for slot in &self.slots {
            for (sum, count) in into.iter_mut().zip(slot) {
                let count = count.load(Ordering::Relaxed);
                sum.completed += count % CUT_SHORT;
                sum.cut_short += count / CUT_SHORT;
            }
        }
    }
}

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use super::{Count, Ring, SLOTS};

    fn sum(ring: &Ring) -> [Count; 3] {
        let mut sum = [Count::default(); 3];
        ring.sum(&mut sum);
        sum
    }

    #[test]
    fn it_holds_the_running_slot_and_those_before_and_forgets_the_rest() {
        let ring = Ring::new(3);
        for slot in 0..20 {
            ring.record(1, true);
            ring.record(2, false);
            let held = u64::min(slot + 1, SLOTS as u64);
            let [none, completed, cut_short] = sum(&ring);
            assert_eq!((none.completed, none.cut_short), (0, 0));
            assert_eq!((completed.completed, completed.cut_short), (held, 0));
            assert_eq!((cut_short.completed, cut_short.cut_short), (0, held));
            ring.turn(1);
        }
        ring.turn(u64::MAX);
        assert_eq!(sum(&ring), [Count::default(); 3]);
    }
}
