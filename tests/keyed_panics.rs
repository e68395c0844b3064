//! Keys, closures and policies that panic, at each place at which they are asked: nothing is lost.
#![cfg(feature = "keyed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/watched.rs"]
mod watched;

use std::{
    cell::Cell,
    collections::BTreeSet,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering::SeqCst,
};

use buttress::{
    Outcome,
    guard::{Guard, Template},
    keyed::{ByCaller, Keyed, Overflow},
};
use watched::Watched;

thread_local! {
    /// How many questions are answered before one panics; none if negative.
    static FUSE: Cell<i64> = const { Cell::new(-1) };
}

fn burn() {
    let left = FUSE.get();
    if left >= 0 {
        FUSE.set(left - 1);
    }
    assert_ne!(left, 0, "the fuse has burnt down");
}

/// A key all of whose questions may panic. Those of like remainder have the same hash.
#[derive(Debug)]
struct Fickle(u64);

impl Hash for Fickle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        burn();
        (self.0 % 3).hash(state);
    }
}

impl PartialEq for Fickle {
    fn eq(&self, other: &Self) -> bool {
        burn();
        self.0 == other.0
    }
}

impl Eq for Fickle {}

impl Clone for Fickle {
    fn clone(&self) -> Self {
        burn();
        Self(self.0)
    }
}

type Fickles = Guard<Keyed<Watched, Fickle, ByCaller>>;

fn call(keys: &Fickles, key: u64, outcome: Outcome) -> bool {
    match keys.for_key(&Fickle(key)).try_acquire() {
        Ok(permit) => {
            permit.settle(outcome);
            true
        }
        Err(_) => false,
    }
}

/// Does it again and again, with a longer fuse each time, until nothing panics.
fn with_every_fuse(overflow: Overflow, piece: impl Fn(&Fickles)) {
    for fuse in 0.. {
        let template = Guard::new(Watched::new(1));
        let keys = template.per_key::<Fickle>().max_keys(4).overflow(overflow);
        let keys = keys.configure(|_, most| {
            burn();
            most
        });
        let keys = keys.build().unwrap();
        for key in 0..4 {
            let remembered = key < 2;
            let outcome = if remembered {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            assert!(call(&keys, key, outcome));
        }
        FUSE.set(fuse);
        let end = catch_unwind(AssertUnwindSafe(|| piece(&keys)));
        let burnt = FUSE.replace(-1) < 0;
        assert_eq!(end.is_err(), burnt);

        let shown = keys.snapshot().keys;
        assert_eq!(shown.len(), keys.len());
        let different: BTreeSet<u64> = shown.iter().map(|(key, _)| key.0).collect();
        assert_eq!(different.len(), shown.len());
        assert!(shown.iter().all(|(_, (_, running, _))| *running == 0));
        let known = |key: &Fickle| keys.with(key, Template::snapshot).is_some();
        assert!(shown.iter().all(|(key, _)| known(key)));
        if overflow != Overflow::EvictOldest {
            assert_eq!(keys.template().fates.lost.load(SeqCst), 0);
            assert!(different.contains(&0) && different.contains(&1));
            // All places are there, and those of the idle can be had.
            for key in [100, 101] {
                assert!(call(&keys, key, Outcome::Failure));
                assert!(known(&Fickle(key)));
            }
            assert_eq!(keys.len(), 4);
        }
        if !burnt {
            assert!(fuse > 3, "{fuse}");
            return;
        }
    }
}

#[test]
fn a_panic_on_the_way_to_a_known_key() {
    with_every_fuse(Overflow::Reject, |keys| {
        call(keys, 3, Outcome::Success);
        call(keys, 0, Outcome::Success);
    });
}

#[test]
fn a_panic_while_a_key_makes_room_for_another() {
    with_every_fuse(Overflow::Reject, |keys| {
        call(keys, 9, Outcome::Success);
        call(keys, 12, Outcome::Success);
    });
}

#[test]
fn a_panic_while_keys_share_a_policy_or_are_refused() {
    for overflow in [Overflow::Share, Overflow::Reject] {
        with_every_fuse(overflow, |keys| {
            let permits = [2, 3].map(|key| keys.for_key(&Fickle(key)).try_acquire());
            assert!(permits.iter().all(Result::is_ok));
            call(keys, 9, Outcome::Success);
            call(keys, 12, Outcome::Success);
        });
    }
}

#[test]
fn a_panic_while_the_oldest_makes_room() {
    with_every_fuse(Overflow::EvictOldest, |keys| {
        for key in 2..12 {
            call(keys, key, Outcome::Failure);
        }
    });
}

#[test]
fn a_panic_while_settings_change_or_a_snapshot_is_taken() {
    with_every_fuse(Overflow::Reject, |keys| {
        keys.reconfigure_all(2).unwrap();
        drop(keys.snapshot());
    });
}
