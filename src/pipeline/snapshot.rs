use crate::{breaker, budget, bulkhead, fallback, hedge, rate_limit, retry, timeout};

/// A pipeline at a glance: the patterns that it has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// Its retry.
    pub retry: Option<retry::Snapshot>,
    /// Its hedge.
    pub hedge: Option<hedge::Snapshot>,
    /// What further attempts are paid from.
    pub budget: budget::Snapshot,
    /// Its rate limit.
    pub rate_limit: Option<rate_limit::Snapshot>,
    /// Its circuit breaker.
    pub breaker: Option<breaker::Snapshot>,
    /// Its bulkhead.
    pub bulkhead: Option<bulkhead::Snapshot>,
    /// Attempts that ran out of time, be it their own or the call's. Its `limit` is that of an attempt,
    /// [`Duration::MAX`](std::time::Duration::MAX) for none.
    pub timeout: timeout::Snapshot,
    /// Its fallback.
    pub fallback: Option<fallback::Snapshot>,
}
