use tokio::time::Instant;

use crate::telemetry::State;

/// A circuit breaker at a glance.
///
/// Taking it is a look, with one exception: a half-open breaker notices that probes hang, and may
/// open again for it. It never ends an opening; that takes a call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// The state that it is in.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Counts its changes of state and orders; a result of an earlier generation is late.
    pub generation: u64,
    /// Calls in the window; while open or half-open, those that were in it when it opened.
    pub calls: u64,
    /// Failed ones among them.
    pub failed: u64,
    /// Slow ones among them, failed or not.
    pub slow: u64,
    /// `failed / calls`, 0 of none.
    pub failure_ratio: f64,
    /// `slow / calls`, 0 of none.
    pub slow_ratio: f64,
    /// The probes, while half-open.
    pub probes: Option<Probes>,
    /// Closed, and still letting in only a share of the calls.
    pub recovering: bool,
    /// Calls refused, ever.
    pub rejected: u64,
    /// Calls that ran only because it was disabled or in shadow, ever.
    pub would_have_rejected: u64,
    /// Calls that ended too late to count, ever: in a later generation than they started in, or as a
    /// probe that was given up for hung. They changed nothing.
    pub late_results: u64,
    /// While open: when the first probe may be sent.
    pub next_probe_at: Option<Instant>,
}

/// The trial calls of a half-open circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probes {
    /// Still running.
    pub running: u32,
    /// In, the failed and slow ones included.
    pub judged: u32,
    /// Failed, those that hung among them.
    pub failed: u32,
    /// Slow, failed or not.
    pub slow: u32,
}
