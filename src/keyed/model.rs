//! The entries before the model checker: `RUSTFLAGS='--cfg buttress_loom' cargo test --release --lib
//! model::`.

use loom::{model::Builder, thread};

use super::{entry::Hold, keys::Keys};
use crate::sys::{Arc, AtomicU64, Ordering};

/// A policy that remembers: what is evicted while this is not 0 is lost.
struct Memory(AtomicU64);

impl Memory {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn is_idle(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

type Held = Hold<Memory, u64>;
type All = Keys<Memory, u64>;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// What a call does: the entry of its key, or one in a place of its own, or nothing.
fn enter(keys: &All, key: u64, most: u64) -> Option<Held> {
    let hash = 0;
    keys.find(hash, |known| *known == key).or_else(|| {
        let place = keys.place(most);
        let room = || Some(keys.make_room(64, 0, Memory::is_idle)?.place());
        let place = place.or_else(room)?;
        let new = Hold::new(hash, Some(key), Memory::new());
        Some(keys.put(place, new, 0).0)
    })
}

#[test]
fn nobody_holds_what_is_gone_and_nothing_is_forgotten() {
    check(|| {
        let first = Hold::new(0, Some(1), Memory::new());
        let entry = Arc::clone(first.entry());
        drop(first);
        let other = Arc::clone(&entry);
        let caller = thread::spawn(move || {
            let Some(hold) = Hold::of(other) else {
                return false;
            };
            hold.policy().add();
            assert!(!hold.entry().word().is_gone());
            true
        });
        let word = entry.word();
        let evicted = entry.evict_idle(word, Memory::is_idle);
        let called = caller.join().unwrap();
        assert!(!(evicted && called), "it was used, and is gone");
        assert_eq!(entry.word().is_gone(), evicted);
        assert_eq!(entry.word().holders(), 0);
    });
}

#[test]
fn who_came_and_went_during_the_question_is_noticed() {
    check(|| {
        let first = Hold::new(0, Some(1), Memory::new());
        let entry = Arc::clone(first.entry());
        drop(first);
        let other = Arc::clone(&entry);
        let caller = thread::spawn(move || {
            if let Some(hold) = Hold::of(other) {
                hold.policy().add();
            }
        });
        let word = entry.word();
        let evicted = entry.evict_idle(word, |memory| {
            let idle = memory.is_idle();
            thread::yield_now();
            idle
        });
        caller.join().unwrap();
        assert!(!evicted || entry.policy().is_idle());
    });
}

#[test]
fn two_that_make_the_same_key_end_with_one_entry() {
    check(|| {
        let keys = Arc::new(All::new());
        let other = Arc::clone(&keys);
        let caller = thread::spawn(move || enter(&other, 1, 2).unwrap());
        let mine = enter(&keys, 1, 2).unwrap();
        let theirs = caller.join().unwrap();
        assert!(Arc::ptr_eq(mine.entry(), theirs.entry()));
        assert_eq!(keys.all().len(), 1);
        assert_eq!(keys.len(), 1);
    });
}

/// Where there is a place to spare, the caller need not wait for that of the evicted, and puts its entry
/// where that one still is.
#[test]
fn a_key_that_is_called_while_it_is_evicted_has_one_entry() {
    for places in [1, 2] {
        check(move || {
            let keys = Arc::new(All::new());
            drop(enter(&keys, 1, places));
            let other = Arc::clone(&keys);
            let caller = thread::spawn(move || {
                let Some(hold) = enter(&other, 1, places) else {
                    // At this moment its place was another's, on the way from one entry to none.
                    assert_eq!(places, 1);
                    return false;
                };
                hold.policy().add();
                assert!(!hold.entry().word().is_gone());
                true
            });
            drop(keys.make_room(64, 0, Memory::is_idle));
            let called = caller.join().unwrap();
            let found = keys.find(0, |key| *key == 1);
            assert_eq!(found.is_some(), called);
            assert!(found.is_none_or(|hold| !hold.policy().is_idle()));
            assert_eq!(keys.all().len() as u64, keys.len());
            assert_eq!(keys.len(), u64::from(called));
        });
    }
}

#[test]
fn those_of_one_hash_leave_each_other_alone() {
    check(|| {
        let keys = Arc::new(All::new());
        drop((enter(&keys, 1, 3), enter(&keys, 2, 3)));
        let other = Arc::clone(&keys);
        let evictor = thread::spawn(move || drop(other.evict_oldest()));
        drop(enter(&keys, 3, 3));
        evictor.join().unwrap();
        let found = [1, 2, 3].map(|key| keys.find(0, |known| *known == key).is_some());
        assert_eq!(found, [false, true, true]);
        assert_eq!(keys.len(), 2);
    });
}

#[test]
fn there_are_never_more_entries_than_places() {
    check(|| {
        let keys = Arc::new(All::new());
        drop(enter(&keys, 1, 1));
        let other = Arc::clone(&keys);
        let caller = thread::spawn(move || {
            let held = enter(&other, 2, 1);
            held.inspect(|hold| hold.policy().add())
        });
        let mine = enter(&keys, 3, 1);
        let theirs = caller.join().unwrap();
        assert!(mine.is_none() || theirs.is_none());
        assert!(mine.is_some() || theirs.is_some(), "one was idle");
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.all().len(), 1);
        drop((mine, theirs));
    });
}

#[test]
fn an_entry_is_evicted_once() {
    check(|| {
        let keys = Arc::new(All::new());
        drop(enter(&keys, 1, 1));
        let other = Arc::clone(&keys);
        let evictor = thread::spawn(move || other.evict_oldest().is_some());
        let mine = keys.make_room(64, 0, Memory::is_idle).is_some();
        let theirs = evictor.join().unwrap();
        assert!(mine != theirs);
        assert_eq!(keys.len(), 0);
        assert!(keys.find(0, |_| true).is_none());
    });
}

#[test]
fn what_a_holder_did_is_seen_by_who_evicts() {
    check(|| {
        let first = Hold::new(0, Some(1), Memory::new());
        first.policy().add();
        let entry = Arc::clone(first.entry());
        let other = Arc::clone(&entry);
        let caller = thread::spawn(move || {
            // It remembers and forgets: at last it is to be remembered.
            let hold = Hold::of(other).expect("it is held");
            hold.policy().add();
            drop(first);
            hold.policy().remove();
        });
        let word = entry.word();
        assert!(!entry.evict_idle(word, Memory::is_idle));
        caller.join().unwrap();
    });
}
