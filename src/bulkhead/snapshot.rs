use std::time::Duration;

/// A bulkhead at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// How many calls may run at once.
    pub limit: u32,
    /// How many run in a place of their own. For a while more than may, if the limit was lowered. One
    /// that was let in after a wait and has not been polled since is among them; one that runs only
    /// because the bulkhead is in shadow is not.
    pub in_flight: u64,
    /// How many wait for a place.
    pub queued: u64,
    /// Calls that had to wait and were let in, ever.
    pub waits: u64,
    /// How long they waited, all of them together.
    pub waited: Duration,
    /// Calls refused, ever, those of the next two counts included.
    pub rejected: u64,
    /// Among them: those that had waited as long as allowed.
    pub timed_out: u64,
    /// Among them: those whose deadline passed while they waited, or when they would have had to.
    pub expired: u64,
    /// Calls that ran only because it was in shadow, ever: there was no place for them. With a queue some
    /// of them would have waited for one and had it.
    pub would_have_rejected: u64,
}
