use std::time::Duration;

/// A bulkhead at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// How many calls may run at once.
    pub limit: u32,
    /// How many run. For a while more than may, if the limit was lowered. One that was let in after a
    /// wait and has not been polled since is among them.
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
}
