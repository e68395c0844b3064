//! Log lines, through `tracing`.

use tracing::{info, warn};

use super::event::{Event, EventKind};

/// Whether events are worth building for the log alone.
pub(super) const HEARD: bool = true;

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
            policy, generation, window_cleared, "circuit breaker reconfigured"
        ),
    }
}
