//! A window of either kind.

use super::{
    count::CountWindow,
    counts::{Counts, Mark},
    time::TimeWindow,
};

/// Which window, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The last this many calls.
    Calls(u32),
    /// This many nanoseconds.
    Nanos(u64),
}

/// A window of either kind. Times are nanoseconds since the policy was made.
#[derive(Debug)]
pub(crate) enum Window {
    Count(CountWindow),
    Time(TimeWindow),
}

impl Window {
    pub(crate) fn new(extent: Extent) -> Self {
        match extent {
            Extent::Calls(calls) => Self::Count(CountWindow::new(calls)),
            Extent::Nanos(span) => Self::Time(TimeWindow::new(span)),
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Count(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }

    /// Moves on to `now`, forgetting what is too old.
    pub(crate) fn advance(&mut self, now: u64) {
        match self {
            Self::Count(_) => {}
            Self::Time(window) => window.advance(now),
        }
    }

    /// The instant from which [`advance`](Self::advance) is due before anything is recorded.
    pub(crate) fn advance_due(&self) -> u64 {
        match self {
            Self::Count(_) => u64::MAX,
            Self::Time(window) => window.piece_end(),
        }
    }

    /// Records `n` calls, one after another, that were neither failed nor slow.
    pub(crate) fn succeed(&mut self, n: u64) {
        match self {
            Self::Count(window) => window.succeed(n),
            Self::Time(window) => window.succeed(n),
        }
    }

    /// Records one call.
    pub(crate) fn record(&mut self, mark: Mark) {
        match self {
            Self::Count(window) => window.record(mark),
            Self::Time(window) => window.record(mark),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        match self {
            Self::Count(window) => window.counts(),
            Self::Time(window) => window.counts(),
        }
    }

    /// Changes the extent. A count window keeps its latest outcomes, as many as fit; a window of
    /// another kind or span starts empty. Says whether something was forgotten for that reason.
    pub(crate) fn resize(&mut self, extent: Extent, now: u64) -> bool {
        match (&mut *self, extent) {
            (Self::Count(window), Extent::Calls(calls)) => {
                window.resize(calls);
                false
            }
            (Self::Time(window), Extent::Nanos(span)) if window.same_span(span) => false,
            _ => {
                *self = Self::new(extent);
                self.advance(now);
                true
            }
        }
    }
}
