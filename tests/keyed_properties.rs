//! Which keys are alive, against a naive reference; and per key, on real threads, never more than one
//! policy would admit.
#![cfg(feature = "keyed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

#[path = "support/watched.rs"]
mod watched;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
    time::Duration,
};

use buttress::{
    Bulkhead, Outcome,
    guard::{Guard, Permit},
    keyed::{ByCaller, ForKey, Keyed, Overflow},
};
use buttress::{OnError, deadline::NoDeadline};
use support::{Dice, advance, paused};
use watched::Watched;

const SECOND: u64 = 1_000_000_000;
/// How long an idle key must be unused to be evicted though there is room.
const UNUSED: u64 = 10 * SECOND;

type PerNumber = Guard<Keyed<Watched, u64, ByCaller>>;
type Right = Permit<ForKey<Watched, u64, ByCaller, OnError, NoDeadline>>;

/// A key with a policy of its own, as the reference sees it.
#[derive(Debug, Default)]
struct Known {
    blamed: bool,
    used_at: u64,
}

/// Calls, their ends and time, at random; the reference says who must be there and who may be gone.
async fn run(seed: u64) -> (u64, u64, u64) {
    let mut dice = Dice(seed);
    let most = dice.between(1, 12);
    let overflow = dice.pick(&[Overflow::Share, Overflow::Reject, Overflow::EvictOldest]);
    let template = Guard::new(Watched::new(3));
    let keys = template.per_key().max_keys(most as u32).overflow(overflow);
    let keys: PerNumber = keys.idle_for(Duration::from_nanos(UNUSED)).build().unwrap();

    let mut now = 0;
    // In the order in which they came.
    let mut order: Vec<u64> = Vec::new();
    let mut known = BTreeMap::<u64, Known>::new();
    let mut held: Vec<(u64, Right)> = Vec::new();
    // Rights of the policy that is shared, and of the evicted.
    let mut strays: Vec<Right> = Vec::new();
    let (mut evicted, mut overflowed) = (0, 0);
    for _ in 0..400 {
        match dice.between(0, 9) {
            0 => {
                let time = dice.pick(&[1, SECOND, 5 * SECOND, UNUSED, UNUSED + 1]);
                now += time;
                advance(time).await;
            }
            1..=2 if !held.is_empty() => {
                let at = dice.between(0, held.len() as u64 - 1) as usize;
                let (key, right) = held.swap_remove(at);
                let failed = dice.once_in(2);
                right.settle(if failed {
                    Outcome::Failure
                } else {
                    Outcome::Success
                });
                known.get_mut(&key).unwrap().blamed = failed;
            }
            3 if !strays.is_empty() => {
                let at = dice.between(0, strays.len() as u64 - 1) as usize;
                strays.swap_remove(at).success();
            }
            _ => {
                let key = dice.between(0, 2 * most);
                let was_known = known.contains_key(&key);
                let is_held = |key: &u64| held.iter().any(|(of, _)| of == key);
                let idle = |key: &u64| !known[key].blamed && !is_held(key);
                let before: BTreeSet<u64> = known.keys().copied().collect();
                let could: BTreeSet<u64> = before.iter().copied().filter(idle).collect();
                let place = keys.for_key(&key);
                let right = place.try_acquire();
                let shown: Vec<u64> = keys.snapshot().keys.iter().map(|(key, _)| *key).collect();
                let after: BTreeSet<u64> = shown.iter().copied().collect();
                let gone: BTreeSet<u64> = before.difference(&after).copied().collect();
                assert!(after.len() as u64 <= most);
                if was_known {
                    assert!(gone.is_empty(), "a known key evicts nobody");
                } else if after.contains(&key) {
                    let unused = |key: &u64| now - known[key].used_at >= UNUSED;
                    let full = before.len() as u64 == most;
                    if full && could.is_empty() {
                        assert_eq!(overflow, Overflow::EvictOldest);
                        assert_eq!(gone, BTreeSet::from([order[0]]));
                        overflowed += 1;
                    } else {
                        assert!(gone.is_subset(&could), "{gone:?} of {could:?}");
                        let early = gone.iter().filter(|key| !unused(key)).count();
                        // One may have made room, if there was none.
                        assert!(early <= usize::from(full), "{early}");
                        assert!(!full || !gone.is_empty());
                    }
                } else {
                    assert!(could.is_empty() && before.len() as u64 == most);
                    assert!(gone.is_empty());
                    assert_ne!(overflow, Overflow::EvictOldest);
                    assert_eq!(place.policy().is_some(), overflow == Overflow::Share);
                    overflowed += 1;
                }
                evicted += gone.len() as u64;
                for key in &gone {
                    known.remove(key);
                    order.retain(|one| one != key);
                    let (theirs, others) = held.into_iter().partition(|(of, _)| of == key);
                    held = others;
                    let theirs: Vec<(u64, Right)> = theirs;
                    strays.extend(theirs.into_iter().map(|(_, right)| right));
                }
                if after.contains(&key) {
                    if !was_known {
                        order.push(key);
                    }
                    known.entry(key).or_default().used_at = now;
                    // A policy lets in three at once, and one that was made anew has none running.
                    let running = held.iter().filter(|(of, _)| *of == key).count();
                    assert_eq!(right.is_ok(), running < 3);
                    held.extend(right.map(|right| (key, right)));
                } else {
                    strays.extend(right);
                }
                assert_eq!(shown, order);
            }
        }
        assert_eq!(keys.len(), known.len());
    }
    let shown = keys.snapshot();
    for (key, (_, running, blamed)) in &shown.keys {
        let holds = held.iter().filter(|(of, _)| of == key).count();
        assert_eq!((*running as usize, *blamed), (holds, known[key].blamed));
    }
    let counted = shown.evicted_unused + shown.evicted_for_room + shown.evicted_oldest;
    assert_eq!(counted, evicted);
    let lost = keys.template().fates.lost.load(SeqCst);
    if overflow != Overflow::EvictOldest {
        assert_eq!(lost, 0);
    }
    (shown.evicted_unused, shown.evicted_for_room, overflowed)
}

#[test]
fn who_is_alive_is_who_the_reference_says() {
    let mut seen = (0, 0, 0);
    for seed in 0..200 {
        let (unused, room, overflowed) = paused(run(seed));
        seen = (seen.0 + unused, seen.1 + room, seen.2 + overflowed);
    }
    // Everything happened, and often.
    assert!(seen.0 > 100 && seen.1 > 1_000 && seen.2 > 500, "{seen:?}");
}

/// Four threads, more keys than places, and places so few that there is always somebody to evict.
#[test]
fn per_key_never_more_run_than_one_bulkhead_allows() {
    const KEYS: usize = 40;
    const MOST: u64 = 2;
    let bulkhead = Bulkhead::builder(MOST as u32).build().unwrap();
    let keys = bulkhead.per_key::<usize>().max_keys(8);
    let keys = keys.overflow(Overflow::Reject).build().unwrap();
    let running = [const { AtomicU64::new(0) }; KEYS];
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (keys, running, admitted) = (&keys, &running, &admitted);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                let mut mine = Vec::new();
                for _ in 0..20_000 {
                    // A few are asked for most of the time.
                    let key = dice.between(0, KEYS as u64 - 1).min(dice.between(0, 60)) as usize;
                    if let Ok(permit) = keys.for_key(&key).try_acquire() {
                        let now = running[key].fetch_add(1, SeqCst) + 1;
                        assert!(now <= MOST, "{now} of key {key}");
                        admitted.fetch_add(1, SeqCst);
                        mine.push((key, permit));
                    }
                    if mine.len() > 2 || dice.once_in(2) {
                        let Some((key, permit)) = mine.pop() else {
                            continue;
                        };
                        running[key].fetch_sub(1, SeqCst);
                        permit.success();
                    }
                    assert!(keys.len() <= 8);
                }
                for (key, permit) in mine {
                    running[key].fetch_sub(1, SeqCst);
                    permit.success();
                }
            });
        }
    });
    let seen = keys.snapshot();
    assert!(seen.keys.iter().all(|(_, seen)| seen.in_flight == 0));
    assert!(seen.evicted_for_room > 1_000, "{}", seen.evicted_for_room);
    assert!(seen.rejected > 0 && admitted.load(SeqCst) > 10_000);
}

#[test]
fn no_entry_is_evicted_that_is_not_idle_whatever_the_threads_do() {
    let template = Guard::new(Watched::new(2));
    let keys = template.per_key::<u64>().max_keys(6);
    let keys: PerNumber = keys.build().unwrap();
    thread::scope(|scope| {
        for seed in 0..4 {
            let keys = &keys;
            scope.spawn(move || {
                let mut dice = Dice(seed);
                for _ in 0..20_000 {
                    let key = dice.between(0, 19);
                    if let Ok(permit) = keys.for_key(&key).try_acquire() {
                        // Blamed now and then, and forgiven most of the time.
                        let failed = dice.once_in(8);
                        permit.settle(if failed {
                            Outcome::Failure
                        } else {
                            Outcome::Success
                        });
                    }
                }
            });
        }
    });
    let fates = &keys.template().fates;
    let [made, dropped, lost] =
        [&fates.made, &fates.dropped, &fates.lost].map(|of| of.load(SeqCst));
    assert_eq!(lost, 0);
    assert!(dropped > 1_000, "{dropped}");
    // All others are in their places, or shared.
    let shared = u64::from(keys.snapshot().shared.is_some());
    assert_eq!(made - dropped, keys.len() as u64 + shared);
    assert!(keys.len() <= 6);
}
