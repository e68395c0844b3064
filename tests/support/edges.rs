//! Where the naive reference is about to change, so that random steps can go to just there.

use buttress::breaker::Window;

use super::{
    lists::{Fate, nanos, piece},
    reference::{Phase, Reference, Role, Running},
};

/// An instant at which something changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edge {
    /// The running sub-window ends.
    Piece,
    /// All that is in a time window has left it.
    Window,
    /// The wait is over.
    Until,
    /// The oldest probe hangs.
    Hang,
    /// The ramp is over.
    Ramp,
    /// Closed long enough for openings to be forgotten.
    Forgotten,
}

impl Reference {
    /// Whether this is a late call, or one never judged, that may pass without a glance at the
    /// probes that are out.
    pub(crate) fn passes_by_probes(&self, running: Running) -> bool {
        let is_void = running.role == Role::Unjudged || running.generation != self.generation;
        let half_open = matches!(self.phase, Phase::HalfOpen { .. });
        half_open && is_void && !matches!(running.role, Role::Probe(_))
    }

    /// When the next such edge is, if there is one.
    pub(crate) fn edge(&self, edge: Edge) -> Option<u64> {
        let span = match self.config.window {
            Window::Time(span) => Some(piece(span)),
            Window::Count(_) => None,
        };
        match (edge, &self.phase) {
            (Edge::Piece, _) => span.map(|piece| (self.now / piece + 1) * piece),
            (Edge::Window, _) => {
                let newest = self.completed.last()?.at;
                span.map(|piece| (newest / piece + 10) * piece)
            }
            (Edge::Until, Phase::Open { until }) => Some(*until),
            (Edge::Hang, Phase::HalfOpen { probes }) => probes
                .iter()
                .filter(|probe| probe.fate == Fate::Running)
                .map(|probe| probe.started + nanos(self.config.probe_timeout))
                .min(),
            (Edge::Forgotten, Phase::Closed { since, .. }) => Some(since + self.planned),
            (
                Edge::Ramp,
                Phase::Closed {
                    ramp: Some(ramp), ..
                },
            ) => Some(ramp.start + self.config.ramp.map_or(0, nanos)),
            _ => None,
        }
    }
}
