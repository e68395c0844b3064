//! The right to run a call, and the answers to those who ask for it.

use crate::error::Reason;

/// The right to run one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The role above the generation: two numbers in one, for one comparison on the way out. (And as
    /// two stores of half a word they would be loaded as one, which stalls the processor.)
    key: u64,
    /// When the call started; [`UNTIMED`] if nobody asked.
    pub(super) started: u64,
}

/// The start of a call for which no clock was read.
pub(crate) const UNTIMED: u64 = u64::MAX;

/// How much of the generation travels: as much as fits beside the rest in one atomic word.
pub(crate) const GENERATION_BITS: u32 = 28;

/// What a call is to the breaker, in one word: a probe is named by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role(pub(super) u32);

impl Role {
    /// Let in by a closed breaker: its outcome enters the window.
    pub(super) const REGULAR: Self = Self(0);
    /// Let in by one that only observes and would have refused: its outcome judges nothing.
    pub(super) const UNJUDGED: Self = Self(u32::MAX);
}

impl Ticket {
    #[inline]
    pub(super) const fn new(role: Role, generation: u32, started: u64) -> Self {
        Self {
            key: (role.0 as u64) << 32 | generation as u64,
            started,
        }
    }

    #[inline]
    pub(super) const fn role(self) -> Role {
        Role((self.key >> 32) as u32)
    }

    /// The lower bits of the generation that it was given in.
    #[inline]
    pub(super) const fn generation(self) -> u32 {
        self.key as u32
    }

    /// A regular ticket's key is its generation, and no other ticket's key is any generation.
    #[inline]
    pub(super) const fn key(self) -> u64 {
        self.key
    }
}

/// The answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Granted(Ticket),
    /// Granted, only because the breaker is disabled or in shadow: else it would be this refusal.
    Observed(Ticket, Refusal),
    Refused(Refusal),
}

/// Why not, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// Nanoseconds, if known.
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal that does not know for how long.
    pub(super) const fn of(reason: Reason) -> Self {
        Self {
            reason,
            retry_after: None,
        }
    }

    /// Open, until then.
    pub(super) const fn open_until(until: u64, now: u64) -> Self {
        Self {
            reason: Reason::Open,
            retry_after: Some(until.saturating_sub(now)),
        }
    }
}
