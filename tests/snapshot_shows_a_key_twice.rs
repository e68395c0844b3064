//! A snapshot taken while an entry made way showed it, too: a key twice, or more keys than may be.
#![cfg(feature = "keyed")]
#![allow(clippy::disallowed_types, reason = "tests may share flags")]

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use buttress::{RateLimit, keyed::Overflow, rate_limit::Quota};

#[test]
fn every_key_is_there_once() {
    let quota = Quota::per_second(NonZeroU32::MIN);
    let limit = RateLimit::builder(quota).build().unwrap();
    let keys = limit.per_key::<u64>().max_keys(2);
    let keys = keys.overflow(Overflow::Reject).build().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for key in (0..3).cycle().take_while(|_| !over.load(Relaxed)) {
                    drop(keys.for_key(&key));
                }
            });
        }
        let mut snapshots = (0..500_000).map(|_| keys.snapshot().keys);
        let odd = snapshots.find(|seen| {
            let different: BTreeSet<_> = seen.iter().map(|(key, _)| *key).collect();
            different.len() < seen.len() || seen.len() > 2
        });
        over.store(true, Relaxed);
        assert_eq!(odd, None);
    });
}
