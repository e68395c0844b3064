//! The keys that have a policy of their own: found without an exclusive lock, bounded, evicted when
//! idle. Times are handed in; nothing is told.
//!
//! # Implementation details
//!
//! A map from hashes to entries serves those who look for a key; the [hand](super::hand), under a lock of
//! its own, those who look for an entry to evict. Only who makes an entry, or evicts one, touches the
//! hand. No lock is held while a key is compared, a policy is asked, or anything is dropped.
//!
//! A place is taken before the entry is made and is the entry's from then on; who evicts an entry has
//! its place. So there are never more entries than places, however many come at once. `places` is only a
//! number: nothing is published by it, and its operations are relaxed.
//!
//! An entry is in the map before it has a seat at the hand, and has left its seat before it leaves the
//! map. Between its going and its leaving the map, who looks for the key finds it gone and puts another
//! in its place; who evicts takes away only what is still its own.

use super::{
    bucket::Bucket,
    entry::{Entry, Hold},
    hand::{Hand, Look},
};
use crate::sys::{Arc, AtomicU64, Mutex, Ordering, shards::Shards};

pub(crate) struct Keys<P, K> {
    buckets: Shards<Bucket<Entry<P, K>>>,
    hand: Mutex<Hand<Entry<P, K>>>,
    places: AtomicU64,
}

/// How many entries are looked at first.
const A_FEW: usize = 4;

/// A place for an entry; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a AtomicU64);

impl Place<'_> {
    /// It is the entry's.
    const fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An entry that was evicted: its place, and what it held, which is the user's and may panic when it goes.
pub(crate) struct Evicted<'a, P, K> {
    place: Place<'a>,
    entry: Arc<Entry<P, K>>,
}

impl<'a, P, K> Evicted<'a, P, K> {
    /// The place, when all else is gone.
    pub(crate) fn place(self) -> Place<'a> {
        let Self { place, entry } = self;
        drop(entry);
        place
    }
}

impl<P, K> Keys<P, K> {
    pub(crate) fn new() -> Self {
        Self {
            buckets: Shards::new(),
            hand: Mutex::new(Hand::new()),
            places: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) const fn hashes(&self) -> &Shards<Bucket<Entry<P, K>>> {
        &self.buckets
    }

    /// How many places are taken.
    pub(crate) fn len(&self) -> u64 {
        self.places.load(Ordering::Relaxed)
    }

    /// The entry of this key, held.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(&K) -> bool) -> Option<Hold<P, K>> {
        let bucket = self.buckets.get(hash)?;
        let entry = bucket.find(|entry| entry.key().is_some_and(&is))?;
        Hold::of(entry)
    }

    /// A place among so many, if there is one.
    pub(crate) fn place(&self, most: u64) -> Option<Place<'_>> {
        let one_more = |taken| (taken < most).then_some(taken + 1);
        self.places
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Place(&self.places))
    }

    /// A place, whether there is one or not.
    pub(crate) fn place_beyond(&self) -> Place<'_> {
        self.places.fetch_add(1, Ordering::Relaxed);
        Place(&self.places)
    }

    /// Puts an entry in its place: true, unless another came first with the same key, whose entry it is
    /// then.
    pub(crate) fn put(&self, place: Place<'_>, new: Hold<P, K>, now: u64) -> (Hold<P, K>, bool)
    where
        K: Eq,
    {
        let hash = new.entry().hash();
        loop {
            let present = self.buckets.get(hash);
            let is_it = |entry: &Entry<P, K>| entry.key() == new.entry().key();
            let known = present.clone().and_then(|bucket| bucket.find(is_it));
            let gone = match known.map(|entry| (Arc::clone(&entry), Hold::of(entry))) {
                Some((_, Some(hold))) => {
                    // The user's, like all that is dropped here: what is to be answered comes after.
                    drop((present, new));
                    return (hold, false);
                }
                Some((gone, None)) => Some(gone),
                None => None,
            };
            let others = present
                .iter()
                .flat_map(|bucket| bucket.without(gone.as_ref()));
            let next = Bucket::of(others.chain([Arc::clone(new.entry())]));
            let put = self
                .buckets
                .exchange(hash, present.as_ref(), next, Bucket::same);
            if put.is_ok() {
                place.keep();
                let entry = Arc::clone(new.entry());
                let uses = entry.word().uses();
                self.hand.lock().seat(entry, uses, now);
                break;
            }
        }
        (new, true)
    }

    /// Looks at so many entries, where the hand points, and evicts those that nobody holds, that nobody
    /// has used for `unused`, and that are idle.
    pub(crate) fn sweep(
        &self,
        most: usize,
        unused: u64,
        now: u64,
        idle: impl Fn(&P) -> bool,
    ) -> impl Iterator<Item = Evicted<'_, P, K>> {
        let looks = self.hand.lock().next(most);
        looks
            .into_iter()
            .filter_map(move |look| self.visit(look, unused, now, &idle))
    }

    /// Looks at up to so many entries and evicts the first that nobody holds and that is idle.
    pub(crate) fn make_room(
        &self,
        most: usize,
        now: u64,
        idle: impl Fn(&P) -> bool,
    ) -> Option<Evicted<'_, P, K>> {
        // No more than there are; first a few, since one of them may do.
        let mut left = most.min(usize::try_from(self.len()).unwrap_or(usize::MAX));
        let mut step = A_FEW;
        while left > 0 {
            let mut looks = self.hand.lock().next(left.min(step)).into_iter();
            left = left.saturating_sub(step);
            step = left;
            let evicted = looks.find_map(|look| {
                let seat = look.seat;
                let evicted = self.visit(look, 0, now, &idle)?;
                self.hand.lock().back_to(seat);
                Some(evicted)
            });
            // Others may have evicted the rest of them.
            drop(looks);
            if evicted.is_some() {
                return evicted;
            }
        }
        None
    }

    fn visit(
        &self,
        look: Look<Entry<P, K>>,
        unused: u64,
        now: u64,
        idle: impl Fn(&P) -> bool,
    ) -> Option<Evicted<'_, P, K>> {
        let word = look.entry.word();
        let mut since = look.since;
        if word.uses() != look.uses {
            self.hand.lock().moved(look.seat, word.uses(), now);
            since = now;
        }
        if now.saturating_sub(since) < unused || !look.entry.evict_idle(word, idle) {
            return None;
        }
        let seated = self.hand.lock().vacate(look.seat);
        drop(seated);
        Some(self.evicted(look.entry))
    }

    /// Evicts the entry that came first, whoever holds it.
    pub(crate) fn evict_oldest(&self) -> Option<Evicted<'_, P, K>> {
        loop {
            let oldest = self.hand.lock().oldest()?;
            // Who evicts it for being idle at this moment finds its seat empty, and has its place.
            if oldest.evict() {
                return Some(self.evicted(oldest));
            }
        }
    }

    fn evicted(&self, entry: Arc<Entry<P, K>>) -> Evicted<'_, P, K> {
        let place = Place(&self.places);
        self.take_away(&entry);
        Evicted { place, entry }
    }

    fn take_away(&self, entry: &Arc<Entry<P, K>>) {
        let hash = entry.hash();
        while let Some(present) = self.buckets.get(hash) {
            if !present.entries().iter().any(|one| Arc::ptr_eq(one, entry)) {
                return;
            }
            let next = Bucket::of(present.without(Some(entry)));
            let taken = self
                .buckets
                .exchange(hash, Some(&present), next, Bucket::same);
            if taken.is_ok() {
                return;
            }
        }
    }

    /// All entries, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Entry<P, K>>> {
        let mut all = self.hand.lock().all();
        // One that is going may have been followed already by another of its key.
        all.retain(|entry| !entry.word().is_gone());
        all
    }
}
