use std::time::Duration;

use tokio::time::Instant;

use crate::sys::Now;

/// When a whole call must be over. See [`deadline`](crate::deadline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

/// As far as a deadline goes: thirty years, like tokio's own "never".
const NEVER: Duration = Duration::from_secs(86_400 * 365 * 30);

const MILLISECOND: Duration = Duration::from_millis(1);

impl Deadline {
    /// At this instant. One that has passed is no error: a call that carries it is not started.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// This long from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self::after_from(Now::lazy().get(), timeout)
    }

    #[inline]
    pub(crate) fn after_from(now: Instant, timeout: Duration) -> Self {
        Self(now.checked_add(timeout).unwrap_or_else(|| now + NEVER))
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The instant for a timer. tokio rounds it up to a whole millisecond, and the clock must know that.
    pub(crate) fn alarm(self) -> Instant {
        match self.0.checked_add(MILLISECOND) {
            Some(_) => self.0,
            None => self.0 - MILLISECOND,
        }
    }

    /// How much time is left, from now: zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.remaining_from(Now::lazy().get())
    }

    #[inline]
    pub(crate) fn remaining_from(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed: at its very instant it has.
    #[inline]
    pub(crate) fn is_over(self, now: Instant) -> bool {
        now >= self.0
    }
}
