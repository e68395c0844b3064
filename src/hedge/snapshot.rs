use std::time::Duration;

/// A hedge at a glance.
///
/// Taking it takes the percentile anew, if the delay is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// The delay in force.
    pub delay: Duration,
    /// Latencies of successful attempts in the percentile's window; 0 with a fixed delay.
    pub samples: u64,
    /// Attempts in that window of which only is known that they took longer than they were let: losers,
    /// abandoned and failed ones. 0 with a fixed delay.
    pub cut_short: u64,
    /// Hedges sent, ever.
    pub hedged: u64,
    /// Calls answered by a hedge, ever.
    pub won: u64,
    /// Hedges that were due and not sent, ever.
    pub withheld: Withheld,
}

/// Hedges that were due and not sent, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Withheld {
    /// The budget had none left.
    pub budget: u64,
    /// The request's deadline had passed.
    pub deadline: u64,
    /// The request cannot be replayed.
    pub not_replayable: u64,
}
