//! What an evicted entry owns is the user's, and a recorder hears of its policy's end: when one of them
//! panicked, the place was lost.
#![cfg(feature = "keyed")]

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
};

use buttress::{
    Bulkhead, RateLimit,
    guard::{Guard, Now, Policy, Template},
    keyed::{ByCaller, Keyed, Overflow},
    rate_limit::{Limiter, Quota},
};
use tower::{BoxError, Layer, Service, service_fn};

thread_local! {
    static PANICS: Cell<bool> = const { Cell::new(false) };
    /// Makes a call of the same key before the one that is on its way.
    static FIRST: Cell<Option<PerKey>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Touchy(u64);

impl Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        assert!(!PANICS.replace(false), "dropped");
    }
}

type PerKey = Guard<Keyed<Limiter, Touchy, ByCaller>>;

fn per_key(overflow: Overflow) -> PerKey {
    let quota = Quota::per_second(NonZeroU32::MIN);
    let limit = RateLimit::builder(quota).build().unwrap();
    let builder = limit.per_key().max_keys(2).overflow(overflow);
    builder.build().unwrap()
}

/// A call whose key needs the place of another, whose drop panics.
fn evict(keys: &PerKey, key: u64) {
    let key = Touchy(key);
    let call = || {
        PANICS.set(true);
        let _ = keys.for_key(&key).try_acquire();
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
}

#[test]
fn one_that_makes_room() {
    let keys = per_key(Overflow::Reject);
    for key in 0..2 {
        drop(keys.for_key(&Touchy(key)));
    }
    evict(&keys, 2);
    assert_eq!(keys.snapshot().keys.len(), keys.len());
}

#[test]
fn the_oldest() {
    let keys = per_key(Overflow::EvictOldest);
    for key in 0..2 {
        let _done = keys.for_key(&Touchy(key)).try_acquire().unwrap();
    }
    evict(&keys, 2);
    assert_eq!(keys.snapshot().keys.len(), keys.len());
}

/// Another call with the same key was first, and the entry that nobody needs goes: what is there is held
/// by nobody.
#[test]
fn one_too_many() {
    let quota = Quota::per_second(NonZeroU32::MIN);
    let builder = RateLimit::builder(quota).build().unwrap().per_key();
    let builder = builder.max_keys(2).overflow(Overflow::Reject);
    let keys: PerKey = builder
        .configure(|key, config| {
            if let Some(keys) = FIRST.take() {
                drop(keys.for_key(key));
                PANICS.set(true);
            }
            config
        })
        .build()
        .unwrap();
    let one = Touchy(1);
    FIRST.set(Some(keys.clone()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(keys.for_key(&one)))).is_err());
    assert_eq!((keys.snapshot().keys.len(), keys.len()), (1, 1));

    let two = keys.for_key(&Touchy(2));
    assert!(keys.for_key(&Touchy(3)).policy().is_some());
    drop(two);
}

/// A key that was only looked for goes when its call has been let in.
#[test]
fn one_that_is_known() {
    let places = Bulkhead::builder(1).build().unwrap();
    let keys = places.keyed(|key: &u64| Touchy(*key)).build().unwrap();
    drop(keys.for_key(&Touchy(1)));
    let mut service = keys.layer(service_fn(|_: u64| async { Ok::<_, BoxError>(()) }));
    PANICS.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(1)))).is_err());
    let running = keys.with(&Touchy(1), |places| places.snapshot().in_flight);
    assert_eq!(running, Some(0));
    assert!(keys.policy().idle(&Now::lazy()));
}

/// A key that has no place goes when its call has found the policy that such keys share.
#[test]
fn one_without_a_place() {
    let keys = per_key(Overflow::Share);
    let held = [0, 1].map(|key| keys.for_key(&Touchy(key)));
    let stranger = Touchy(2);
    PANICS.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(keys.for_key(&stranger)))).is_err());
    drop(held);
    assert!(keys.policy().idle(&Now::lazy()));
}
