use crate::budget;

/// A retry at a glance. What succeeds at the first attempt is not in it: that is for the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// Extra attempts sent, ever.
    pub retries: u64,
    /// Calls answered by an extra attempt, ever.
    pub recovered: u64,
    /// Calls given up after `max_attempts`, ever.
    pub out_of_attempts: u64,
    /// Calls given up since the budget had no attempt left, ever.
    pub out_of_budget: u64,
    /// Calls given up since the deadline could not hold the next wait, ever.
    pub out_of_time: u64,
    /// Calls given up since the dependency asked for a wait beyond `max_hint`, ever.
    pub hint_too_long: u64,
    /// Calls given up since their request cannot be replayed, ever.
    pub not_replayable: u64,
    /// Its budget, unless it has none.
    pub budget: Option<budget::handle::Snapshot>,
}
