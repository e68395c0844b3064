//! What the machine tells of itself.

use super::state::{Machine, Mode, Phase};
use crate::telemetry::{EventKind, State};

/// Something that happened, with all that is told about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) kind: EventKind,
    pub(crate) seq: u64,
    pub(crate) at: u64,
    pub(crate) generation: u64,
    pub(crate) from: State,
    pub(crate) to: State,
    /// Whether the metrics know of the state before.
    pub(crate) metered: bool,
}

impl Machine {
    /// The state that is shown: an order covers what the machine does beneath it.
    pub(super) fn shown(&self) -> State {
        match (self.mode, &self.phase) {
            (Mode::ForcedOpen, _) => State::ForcedOpen,
            (Mode::ForcedClosed, _) => State::ForcedClosed,
            (Mode::Disabled, _) => State::Disabled,
            (Mode::Auto, Phase::Closed { .. }) => State::Closed,
            (Mode::Auto, Phase::Open { .. }) => State::Open,
            (Mode::Auto, Phase::HalfOpen(_)) => State::HalfOpen,
        }
    }

    pub(super) fn tell(&mut self, kind: EventKind, from: State) {
        let to = self.shown();
        if from != to {
            self.since = self.latest;
        }
        self.told += 1;
        self.changes.push(Change {
            kind,
            seq: self.told,
            at: self.latest,
            generation: self.generation,
            from,
            to,
            metered: self.metered,
        });
    }

    /// What has happened since this was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}
