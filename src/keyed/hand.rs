//! The entries in the order in which they came, and a hand that goes round among them.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use crate::sys::Arc;

/// A clock's hand over entries: what came first, and what was looked at last.
#[derive(Debug)]
pub(super) struct Hand<E> {
    seats: BTreeMap<u64, Seat<E>>,
    /// The last seat that was given.
    last: u64,
    /// The seat that was looked at last.
    at: u64,
}

/// An entry, and what the hand saw of it when its uses had last moved.
#[derive(Debug)]
struct Seat<E> {
    entry: Arc<E>,
    uses: u32,
    since: u64,
}

/// An entry that the hand points at.
#[derive(Debug)]
pub(super) struct Look<E> {
    pub(super) seat: u64,
    pub(super) entry: Arc<E>,
    /// What its uses were when the hand saw them move.
    pub(super) uses: u32,
    /// When that was.
    pub(super) since: u64,
}

impl<E> Hand<E> {
    pub(super) const fn new() -> Self {
        Self {
            seats: BTreeMap::new(),
            last: 0,
            at: 0,
        }
    }

    pub(super) fn seat(&mut self, entry: Arc<E>, uses: u32, since: u64) {
        self.last += 1;
        let seat = Seat { entry, uses, since };
        self.seats.insert(self.last, seat);
    }

    /// Points at the next so many, none of them twice.
    pub(super) fn next(&mut self, most: usize) -> Vec<Look<E>> {
        let after = self.seats.range((Excluded(self.at), Unbounded));
        let from_the_start = self.seats.range(..=self.at);
        let looks: Vec<_> = after
            .chain(from_the_start)
            .take(most)
            .map(|(number, seat)| Look {
                seat: *number,
                entry: Arc::clone(&seat.entry),
                uses: seat.uses,
                since: seat.since,
            })
            .collect();
        if let Some(look) = looks.last() {
            self.at = look.seat;
        }
        looks
    }

    /// Goes back: what follows this seat was not looked at after all.
    pub(super) const fn back_to(&mut self, seat: u64) {
        self.at = seat;
    }

    /// The uses of this one have moved.
    pub(super) fn moved(&mut self, seat: u64, uses: u32, now: u64) {
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.uses = uses;
            seat.since = now;
        }
    }

    /// Its entry is dropped by the caller, after the lock.
    pub(super) fn vacate(&mut self, seat: u64) -> Option<Arc<E>> {
        self.seats.remove(&seat).map(|seat| seat.entry)
    }

    /// Takes the one that came first.
    pub(super) fn oldest(&mut self) -> Option<Arc<E>> {
        self.seats.pop_first().map(|(_, seat)| seat.entry)
    }

    /// All, in the order in which they came.
    pub(super) fn all(&self) -> Vec<Arc<E>> {
        let seats = self.seats.values();
        seats.map(|seat| Arc::clone(&seat.entry)).collect()
    }
}
