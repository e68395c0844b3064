//! The token bucket: pure, every time handed in, and lock-light.
//!
//! # Implementation details
//!
//! One word holds what is *missing* to a full bucket, in billionths of an attempt. A deposit is one
//! load while that is zero, and else a compare-and-swap that takes from it. Who draws takes the lock,
//! since refilling by time and drawing must be one step: were a draw's credit put in apart from it,
//! another draw in between would make room for credit that a full bucket ought to have lost. Under the
//! lock both happen in one compare-and-swap, before or after any deposit.
//!
//! An attempt that is only planned is *reserved*: it stays in the bucket, and nobody else gets it. So a
//! call does not wait in vain, and what counts is still the moment at which the attempt is sent.
//!
//! Time is credited late, when somebody asks, and that makes no difference: between two draws there are
//! only deposits and credits, each takes from what is missing, down to zero, and so their sum counts
//! and not their order. What a draw sees is what a bucket would hold that is refilled all the time.
//!
//! That is exact. What a nanosecond refills may be a fraction of a billionth, which waits under the
//! lock for the rest of it; but a full bucket loses it like all else.
//!
//! So for every interval: draws <= ratio x deposits + min_per_sec x seconds + capacity, where a draw
//! and a deposit happen at their compare-and-swap. A draw whose clock was read before another's, but
//! which comes later, credits nothing: time is credited up to the latest clock that was read, once.
//!
//! All orderings are relaxed: the words guard no other memory, and what belongs to the lock is only
//! touched under it. Who makes a deposit after a draw, in the same thread or told by another, does not
//! see the bucket fuller than the draw left it: that much a single word promises by itself.

use super::config::Config;
use crate::sys::{AtomicU64, Line, Mutex, Ordering};

/// One attempt.
pub(super) const WHOLE: u64 = 1_000_000_000;

const NANOS_PER_SEC: u128 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Bucket {
    /// Alone on its line: while nobody draws, all only read it.
    open: Line<Open>,
    /// What it holds when full. Changes only under the lock.
    capacity: AtomicU64,
    draws: Mutex<Draws>,
}

/// What deposits touch, who take no lock.
#[derive(Debug)]
struct Open {
    /// What is missing to a full bucket.
    missing: AtomicU64,
    /// What an answered call deposits.
    ratio: AtomicU64,
}

#[derive(Debug)]
struct Draws {
    config: Config,
    /// What a second refills.
    per_sec: u64,
    /// Up to when time has been credited, in nanoseconds since the bucket was made.
    credited: u64,
    /// Attempts that are waiting to be sent, of those that are there.
    reserved: u64,
    /// What time has refilled beyond whole billionths, in billionths of one. Gone when it is full.
    fraction: u64,
    drawn: u64,
    refused: u64,
    /// The last who asked was refused.
    dry: bool,
}

/// A bucket at a glance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// What is there, in billionths.
    pub(super) balance: u64,
    pub(super) reserved: u64,
    pub(super) drawn: u64,
    pub(super) refused: u64,
}

/// What became of a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) granted: bool,
    /// The first refusal after a grant.
    pub(super) ran_dry: bool,
}

impl Bucket {
    /// Full, at time zero.
    pub(super) fn new(config: Config) -> Self {
        Self {
            open: Line(Open {
                missing: AtomicU64::new(0),
                ratio: AtomicU64::new(billionths(config.ratio)),
            }),
            capacity: AtomicU64::new(config.capacity()),
            draws: Mutex::new(Draws {
                per_sec: billionths(config.min_per_sec),
                config,
                credited: 0,
                reserved: 0,
                fraction: 0,
                drawn: 0,
                refused: 0,
                dry: false,
            }),
        }
    }

    /// Nothing is missing, whatever time has refilled since it was last credited.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.open.missing.load(Ordering::Relaxed) == 0
    }

    /// An answered call deposits. Answers whether that changed anything.
    #[inline]
    pub(super) fn deposit(&self) -> bool {
        match self.open.missing.load(Ordering::Relaxed) {
            0 => false,
            missing => self.fill(missing),
        }
    }

    #[inline(never)]
    fn fill(&self, mut missing: u64) -> bool {
        let ratio = self.open.ratio.load(Ordering::Relaxed);
        while missing > 0 && ratio > 0 {
            let less = missing.saturating_sub(ratio);
            match self.swap(missing, less) {
                Ok(()) => return true,
                Err(other) => missing = other,
            }
        }
        false
    }

    /// Takes one attempt, if there is one that nobody has reserved.
    pub(super) fn draw(&self, now: u64) -> Drawn {
        let draws = &mut *self.draws.lock();
        let reserved = draws.reserved;
        let drawn = self.ask(draws, now, reserved, true);
        draws.drawn += u64::from(drawn.granted);
        drawn
    }

    /// Sets one aside, if there is one that nobody has reserved. To be redeemed or released.
    pub(super) fn reserve(&self, now: u64) -> Drawn {
        let draws = &mut *self.draws.lock();
        let reserved = draws.reserved;
        let drawn = self.ask(draws, now, reserved, false);
        draws.reserved += u64::from(drawn.granted);
        drawn
    }

    /// Takes the one that was set aside. It is there, unless the bucket was made smaller since.
    pub(super) fn redeem(&self, now: u64) -> Drawn {
        let draws = &mut *self.draws.lock();
        draws.reserved -= 1;
        let dry = draws.dry;
        let drawn = self.ask(draws, now, 0, true);
        // It was granted when it was set aside: a dryness that was told of since is not over.
        draws.dry |= dry;
        draws.drawn += u64::from(drawn.granted);
        drawn
    }

    /// The one that was set aside is not needed.
    pub(super) fn release(&self) {
        self.draws.lock().reserved -= 1;
    }

    /// Credits time, and asks for one attempt beyond those that are reserved.
    fn ask(&self, draws: &mut Draws, now: u64, reserved: u64, take: bool) -> Drawn {
        let capacity = self.capacity.load(Ordering::Relaxed);
        let wanted = reserved.saturating_add(1).saturating_mul(WHOLE);
        let credit = draws.credit(now);
        let mut missing = self.open.missing.load(Ordering::Relaxed);
        loop {
            let before = missing.saturating_sub(credit);
            let granted = before.saturating_add(wanted) <= capacity;
            let taken = if granted && take { WHOLE } else { 0 };
            match self.swap(missing, before + taken) {
                Err(other) => missing = other,
                Ok(()) => {
                    draws.lose_fraction(before);
                    let ran_dry = !granted && !draws.dry;
                    draws.dry = !granted;
                    draws.refused += u64::from(!granted);
                    return Drawn { granted, ran_dry };
                }
            }
        }
    }

    pub(super) fn look(&self, now: u64) -> Look {
        let draws = &*self.draws.lock();
        let missing = self.open.missing.load(Ordering::Relaxed);
        let missing = missing.saturating_sub(draws.due(now).0);
        let capacity = self.capacity.load(Ordering::Relaxed);
        Look {
            balance: capacity.saturating_sub(missing),
            reserved: draws.reserved,
            drawn: draws.drawn,
            refused: draws.refused,
        }
    }

    /// What was there after the last draw, deposit or change of settings, in billionths. What time has
    /// refilled since is not in it.
    pub(super) fn balance(&self) -> u64 {
        let capacity = self.capacity.load(Ordering::Relaxed);
        capacity.saturating_sub(self.open.missing.load(Ordering::Relaxed))
    }

    pub(super) fn config(&self) -> Config {
        self.draws.lock().config
    }

    /// Takes other settings. What is there stays, as far as it fits.
    pub(super) fn reconfigure(&self, config: Config, now: u64) {
        let draws = &mut *self.draws.lock();
        let credit = draws.credit(now);
        let (old, new) = (self.capacity.load(Ordering::Relaxed), config.capacity());
        let mut missing = self.open.missing.load(Ordering::Relaxed);
        loop {
            let before = missing.saturating_sub(credit);
            let after = new - old.saturating_sub(before).min(new);
            match self.swap(missing, after) {
                Err(other) => missing = other,
                Ok(()) => {
                    draws.lose_fraction(before.min(after));
                    break;
                }
            }
        }
        self.open
            .ratio
            .store(billionths(config.ratio), Ordering::Relaxed);
        self.capacity.store(new, Ordering::Relaxed);
        draws.per_sec = billionths(config.min_per_sec);
        draws.config = config;
    }

    fn swap(&self, missing: u64, other: u64) -> Result<(), u64> {
        let relaxed = Ordering::Relaxed;
        self.open
            .missing
            .compare_exchange_weak(missing, other, relaxed, relaxed)
            .map(drop)
    }
}

impl Draws {
    /// What time has refilled since it was last credited, and the fraction beyond.
    fn due(&self, now: u64) -> (u64, u64) {
        let nanos = now.saturating_sub(self.credited);
        // At most 2^64 x 10^15.
        let due = u128::from(nanos) * u128::from(self.per_sec) + u128::from(self.fraction);
        let whole = u64::try_from(due / NANOS_PER_SEC).unwrap_or(u64::MAX);
        (whole, (due % NANOS_PER_SEC) as u64)
    }

    /// The same, and it counts as credited. A `now` that is older than another's credits nothing.
    fn credit(&mut self, now: u64) -> u64 {
        let (due, fraction) = self.due(now);
        self.credited = self.credited.max(now);
        self.fraction = fraction;
        due
    }

    /// Nothing was missing once the credit was in it: there was no room for the fraction. It is
    /// enough to look then: what is missing can only have become less since the last draw.
    fn lose_fraction(&mut self, missing: u64) {
        if missing == 0 {
            self.fraction = 0;
        }
    }
}

/// To the nearest billionth.
pub(super) fn billionths(value: f64) -> u64 {
    (value * 1e9).round() as u64
}
