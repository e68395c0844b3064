//! Sliding windows over outcomes: pure, no clock, no lock.
//!
//! Both kinds subtract what leaves, so reading them costs the same however long they have run, and
//! both take successes in bulk: the breaker counts them in one atomic word and hands them over when
//! somebody needs to know.

mod count;
mod time;

use count::CountWindow;
use time::TimeWindow;

/// What a window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls, failed and slow ones among them.
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

impl Counts {
    /// Failed calls in all calls; 0 of nothing.
    pub(crate) fn failure_ratio(self) -> f64 {
        ratio(self.failed, self.calls)
    }

    /// Slow calls in all calls; 0 of nothing.
    pub(crate) fn slow_ratio(self) -> f64 {
        ratio(self.slow, self.calls)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// One call that failed, was slow, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

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
