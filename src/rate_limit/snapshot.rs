use std::time::Duration;

use tokio::time::Instant;

use super::config::Config;

/// A rate limit at a glance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// The settings in force.
    pub config: Config,
    /// How many calls of cost 1 would be let in at once.
    pub available: u32,
    /// When the next call of cost 1 would be let in, if not at once; in shadow it would be let in at once
    /// all the same.
    pub next_at: Option<Instant>,
    /// Calls refused, ever: those whose deadline passed while they waited included.
    pub rejected: u64,
    /// Calls that had to wait and were let in, ever.
    pub waits: u64,
    /// How long they have waited, in sum.
    pub waited: Duration,
    /// Calls that ran only because it was in shadow, ever. Those that would have had to wait are not among
    /// them.
    pub would_have_rejected: u64,
}
