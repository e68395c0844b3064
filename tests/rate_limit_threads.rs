//! Eight threads at one rate limit: in no interval of their clocks is more let in than the burst and
//! what the interval pays off.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{num::NonZeroU32, pin::pin, sync::Barrier, thread, time::Duration};

use buttress::{
    RateLimit,
    guard::{Admission, Admit, Flag, Now},
    rate_limit::{Config, Quota, Ticket, Turn},
};
use tokio::time::Instant;

const THREADS: u64 = 8;

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// A reproducible sequence (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// What the policies of the two kinds of limit have in common.
trait Limits: Admit<u32, Ticket = Ticket, Wait = Turn> + Sync {}

impl<L: Admit<u32, Ticket = Ticket, Wait = Turn> + Sync> Limits for L {}

/// A grant: its instant, in nanoseconds since the start, and its cost.
type Grant = (u64, u32);

/// One thread's grants that it has kept. Some it takes back at once, some it leaves while it waits.
fn grants<L: Limits>(limit: &L, origin: Instant, calls: u32, dice: &mut Dice) -> Vec<Grant> {
    let mut kept = Vec::new();
    let mut last: Option<(L::Ticket, Grant)> = None;
    for _ in 0..calls {
        let now = Now::lazy();
        let nanos = |at: Instant| (at - origin).as_nanos() as u64;
        // Read, and then perhaps overtaken by the others.
        let read = nanos(now.get());
        if dice.below(16) == 0 {
            thread::yield_now();
        }
        let cost = 1 + dice.below(3) as u32;
        match limit.admit(&now, &cost) {
            Admission::Granted(ticket) => {
                kept.extend(last.replace((ticket, (read, cost))).map(|(_, grant)| grant));
            }
            Admission::Wait(wait) => {
                let mut turn = pin!(wait);
                let turn = L::Queues::pin(turn.as_mut());
                let grant = (nanos(turn.at()), cost);
                match dice.below(3) {
                    0 => limit.leave(turn),
                    _ => kept.push(grant),
                }
            }
            Admission::Refused(_) => {}
        }
        if dice.below(3) == 0 {
            if let Some((ticket, _)) = last.take() {
                limit.cancel(ticket);
            }
        }
    }
    kept.extend(last.map(|(_, grant)| grant));
    kept
}

/// Nanoseconds per call.
fn pace(calls: u32, period: Duration) -> i128 {
    period.as_nanos().div_ceil(calls.into()) as i128
}

/// For all intervals that begin and end with a grant, so for all there are: what was let in by some
/// grant is never more than the burst above what was paid off since any before it.
fn assert_lawful(mut grants: Vec<Grant>, pace: i128, burst: u32) -> usize {
    grants.sort_unstable();
    let (mut sum, mut least) = (0, i128::MAX);
    for &(at, cost) in &grants {
        least = least.min(sum - i128::from(at));
        sum += i128::from(cost) * pace;
        assert!(sum - i128::from(at) - least <= i128::from(burst) * pace);
    }
    grants.len()
}

fn eight_threads<L: Limits>(limit: &L, config: &Config, calls: u32, seed: u64) -> usize {
    let origin = Instant::now();
    let start = Barrier::new(THREADS as usize);
    let all: Vec<Grant> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let start = &start;
                let mut dice = Dice(seed * THREADS + number);
                scope.spawn(move || {
                    start.wait();
                    grants(limit, origin, calls, &mut dice)
                })
            })
            .collect();
        let grants = threads.into_iter().map(|thread| thread.join().unwrap());
        grants.flatten().collect()
    });
    assert_lawful(all, pace(config.calls, config.period), config.burst)
}

#[test]
fn never_too_many_with_eight_threads() {
    let mut granted = 0;
    for seed in 0..10 {
        for (quota, calls) in [
            // About as many as they ask for, a tenth of it, next to none.
            (Quota::per_second(n(10_000_000)).burst(n(50)), 3_000),
            (Quota::per_second(n(1_000_000)).burst(n(3)), 3_000),
            (Quota::per_day(n(100)), 300),
        ] {
            let limit = RateLimit::builder(quota).cost(|cost: &u32| *cost).build();
            let limit = limit.unwrap();
            granted += eight_threads(limit.policy(), &limit.config(), calls, seed);
        }
    }
    assert!(granted > 5_000, "{granted}");
}

#[test]
fn never_too_many_with_eight_threads_whose_calls_wait() {
    let mut granted = 0;
    for seed in 0..10 {
        for (quota, wait) in [
            (Quota::per_second(n(10_000_000)).burst(n(50)), 1),
            (Quota::per_second(n(1_000_000)).burst(n(3)), 5),
            (Quota::per_hour(n(1_000)).burst(n(3)), 3_600_000),
        ] {
            let builder = RateLimit::builder(quota).cost(|cost: &u32| *cost);
            let limit = builder.max_wait(Duration::from_millis(wait)).build();
            let limit = limit.unwrap();
            granted += eight_threads(limit.policy(), &limit.config(), 3_000, seed);
        }
    }
    assert!(granted > 5_000, "{granted}");
}

#[test]
#[should_panic(expected = "i128::from(burst) * pace")]
fn one_too_many_would_be_found() {
    let lawful = vec![(0, 1), (0, 2), (10, 1), (25, 1)];
    assert_eq!(assert_lawful(lawful.clone(), 10, 3), 4);
    assert_lawful([lawful, vec![(29, 1)]].concat(), 10, 3);
}
