//! The two atomic words of the [gate](super::gate), and what they are made from.

use super::ticket::GENERATION_BITS;
use crate::sys::{AtomicU64, Ordering};

/// What calls see without asking the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) door: Door,
    /// The breaker is disabled or in shadow: refusals are only counted.
    pub(crate) observed: bool,
    /// The lower bits of the generation.
    pub(crate) generation: u32,
    /// Until when a door that is open or full refuses for certain; else 0.
    pub(crate) until: u64,
    /// From when on the window has to move before anything is recorded.
    pub(crate) advance_due: u64,
    /// The age from which on a call is slow.
    pub(crate) slow_after: u64,
}

/// A door for calls. As with the breaker itself, open means that nobody gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// All may pass.
    Closed,
    /// Nobody may, before `until`.
    Open,
    /// Half-open, and all probes taken; none of them can hang before `until`.
    Full,
    /// Nobody may, before another order.
    Forced,
    /// It depends: ask the machine.
    Ask,
}

/// From the lowest bit: 28 of the generation, 1 timed, 1 observed, 3 of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(pub(super) u64);

/// Calls are timed from their start.
const TIMED: u64 = 1 << GENERATION_BITS;
const OBSERVED: u64 = TIMED << 1;
const DOOR_SHIFT: u32 = GENERATION_BITS + 2;

impl Head {
    pub(super) fn of(published: &Published) -> Self {
        let door = (published.door as u64) << DOOR_SHIFT;
        let observed = if published.observed { OBSERVED } else { 0 };
        let timed = if published.slow_after == u64::MAX {
            0
        } else {
            TIMED
        };
        Self(door | observed | timed | u64::from(published.generation))
    }

    #[inline]
    pub(super) const fn generation(self) -> u32 {
        self.0 as u32 & (TIMED as u32 - 1)
    }

    #[inline]
    pub(super) const fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    #[inline]
    pub(super) const fn is_observed(self) -> bool {
        self.0 & OBSERVED != 0
    }

    /// The usual case, told from all others by one comparison.
    #[inline]
    pub(super) const fn is_closed(self) -> bool {
        self.0 < 1 << DOOR_SHIFT
    }

    #[inline]
    pub(super) const fn door(self) -> Door {
        match self.0 >> DOOR_SHIFT {
            0 => Door::Closed,
            1 => Door::Open,
            2 => Door::Full,
            3 => Door::Forced,
            _ => Door::Ask,
        }
    }
}

/// From the lowest bit: 32 of pending successes, 28 of their generation, 1 for a time window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally(pub(super) u64);

pub(super) const PENDING: u64 = u32::MAX as u64;

impl Tally {
    /// The mark of a time window, in the upper half.
    pub(super) const CLOCKED: u64 = 1 << GENERATION_BITS;

    pub(super) fn empty(published: &Published) -> Self {
        let clocked = if published.advance_due == u64::MAX {
            0
        } else {
            Self::CLOCKED
        };
        Self((clocked | u64::from(published.generation)) << 32)
    }

    /// Adds one if the upper half still is `era` and `holds`; false if not.
    #[inline]
    pub(super) fn count(
        tally: &AtomicU64,
        present: Self,
        era: u64,
        holds: impl Fn() -> bool,
    ) -> bool {
        match present.count_once(tally, era, &holds) {
            Ok(counted) => counted,
            Err(other) => Self::count_in_a_crowd(tally, other, era, holds),
        }
    }

    /// Others were quicker. Apart from the first attempt, which keeps that one short.
    #[cold]
    fn count_in_a_crowd(
        tally: &AtomicU64,
        mut present: Self,
        era: u64,
        holds: impl Fn() -> bool,
    ) -> bool {
        loop {
            match present.count_once(tally, era, &holds) {
                Ok(counted) => return counted,
                Err(other) => present = other,
            }
        }
    }

    #[inline]
    fn count_once(
        self,
        tally: &AtomicU64,
        era: u64,
        holds: impl Fn() -> bool,
    ) -> Result<bool, Self> {
        // A full tally would carry into the era, and so is told from the right one, too. (It cannot
        // become the right one: no ticket is of a later generation than the tally.)
        let next = self.0.wrapping_add(1);
        if next >> 32 != era || !holds() {
            return Ok(false);
        }
        tally
            .compare_exchange_weak(self.0, next, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| true)
            .map_err(Self)
    }

    #[inline]
    pub(super) const fn is_clocked(self) -> bool {
        self.0 >> 32 & Self::CLOCKED != 0
    }

    /// The generation and the kind of window.
    pub(super) const fn era(self) -> u64 {
        self.0 >> 32
    }

    pub(super) const fn pending(self) -> u64 {
        self.0 & PENDING
    }

    pub(super) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & (Self::CLOCKED as u32 - 1)
    }
}
