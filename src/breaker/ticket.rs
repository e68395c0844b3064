//! The right to run a call, and the answers to those who ask for it.

use crate::error::Reason;

/// The right to run one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The lower bits of the generation that it was given in.
    pub(super) generation: u32,
    pub(super) role: Role,
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
    /// Let in by a disabled one that would have refused: its outcome judges nothing.
    pub(super) const UNJUDGED: Self = Self(u32::MAX);
}

/// The answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Granted(Ticket),
    /// Granted, only because the breaker is disabled.
    Observed(Ticket),
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
