//! Log lines, through `tracing`.

use std::fmt;

use tracing::{Level, debug, enabled, info, warn};

use super::event::{Event, EventKind};

/// Whether an event is worth building for the log alone.
pub(super) fn heard(kind: &EventKind) -> bool {
    match kind {
        EventKind::Rejected { .. }
        | EventKind::WouldHaveRejected { .. }
        | EventKind::Waited { .. }
        | EventKind::Retried { .. }
        | EventKind::RetriesStopped { .. }
        | EventKind::TimedOut { .. }
        | EventKind::Hedged { .. }
        | EventKind::HedgeWon { .. }
        | EventKind::FellBack { .. } => enabled!(target: "buttress", Level::DEBUG),
        _ => true,
    }
}

pub(super) fn write(event: &Event) {
    let Event {
        policy, generation, ..
    } = *event;
    match &event.kind {
        EventKind::Opened {
            reason,
            calls,
            failed,
            slow,
            reopened,
            opening,
            open_for,
            enforced,
        } => warn!(
            target: "buttress",
            policy, generation, reason = reason.as_str(), calls, failed, slow, opening, ?open_for,
            reopened, enforced, "circuit breaker opened"
        ),
        EventKind::HalfOpened { probes, enforced } => info!(
            target: "buttress",
            policy, generation, probes, enforced, "circuit breaker half-open"
        ),
        EventKind::ProbesTimedOut { count } => warn!(
            target: "buttress",
            policy, generation, count, "circuit breaker probes timed out"
        ),
        EventKind::Closed {
            probes,
            failed,
            enforced,
        } => info!(
            target: "buttress",
            policy, generation, probes, failed, enforced, "circuit breaker closed"
        ),
        EventKind::ForcedOpen { open_for } => warn!(
            target: "buttress",
            policy, generation, ?open_for, "circuit breaker forced open"
        ),
        EventKind::ForcedClosed => warn!(
            target: "buttress",
            policy, generation, "circuit breaker forced closed"
        ),
        EventKind::Disabled => warn!(
            target: "buttress",
            policy, generation, "circuit breaker disabled"
        ),
        EventKind::Reset => info!(
            target: "buttress",
            policy, generation, "circuit breaker reset"
        ),
        EventKind::Reconfigured { window_cleared } => info!(
            target: "buttress",
            policy, generation, window_cleared, "reconfigured"
        ),
        EventKind::Rejected {
            reason,
            retry_after,
        } => debug!(
            target: "buttress",
            policy, generation, reason = reason.as_str(), ?retry_after, "rejected"
        ),
        EventKind::WouldHaveRejected {
            reason,
            retry_after,
        } => debug!(
            target: "buttress",
            policy, generation, reason = reason.as_str(), ?retry_after, "would have rejected"
        ),
        EventKind::Waited { wait } => debug!(
            target: "buttress",
            policy, generation, ?wait, "waited"
        ),
        EventKind::KeysExhausted { keys } => warn!(
            target: "buttress",
            policy, generation, keys, "keys exhausted"
        ),
        EventKind::Retried {
            attempt,
            delay,
            hinted,
        } => debug!(
            target: "buttress",
            policy, generation, attempt, ?delay, hinted, "retried"
        ),
        EventKind::RetriesStopped { attempts, reason } => debug!(
            target: "buttress",
            policy, generation, attempts, reason = reason.as_str(), "retries stopped"
        ),
        EventKind::BudgetExhausted => warn!(
            target: "buttress",
            policy, generation, "retry budget exhausted"
        ),
        EventKind::TimedOut { kind, limit } => debug!(
            target: "buttress",
            policy, generation, kind = kind.as_str(), ?limit, "timed out"
        ),
        EventKind::Hedged { attempt, after } => debug!(
            target: "buttress",
            policy, generation, attempt, ?after, "hedged"
        ),
        EventKind::HedgeWon { attempt, after } => debug!(
            target: "buttress",
            policy, generation, attempt, ?after, "hedge won"
        ),
        EventKind::FellBack { result } => debug!(
            target: "buttress",
            policy, generation, result = result.as_str(), "fell back"
        ),
        EventKind::ConfigApplied {
            changes,
            unregistered,
        } => info!(
            target: "buttress",
            policy, generation, changes = %Listed(changes), unregistered = %Listed(unregistered),
            "configuration applied"
        ),
        EventKind::ConfigRejected { faults } => warn!(
            target: "buttress",
            policy, generation, faults = %Listed(faults), "configuration rejected"
        ),
        EventKind::SourceFailed { error, retry_in } => warn!(
            target: "buttress",
            policy, generation, %error, ?retry_in, "configuration source failed"
        ),
        EventKind::WatchFailed {
            error,
            polled_every,
        } => warn!(
            target: "buttress",
            policy, generation, %error, ?polled_every, "configuration polled instead of watched"
        ),
    }
}

/// One after another, in one line.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, item) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{item}")?;
        }
        Ok(())
    }
}
