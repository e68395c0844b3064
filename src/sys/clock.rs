//! One clock reading per side of a call, and none that nobody asked for.

use std::cell::Cell;

use tokio::time::Instant;

/// The present moment, read from the clock when it is first asked for and the same ever after.
///
/// A guard makes one for each side of a call and hands it to all its policies: they agree on the
/// time, and when none of them asks, the clock is never read.
///
/// It is tokio's clock, so that tests under `start_paused` move sleeps and decisions together.
///
/// ```
/// use buttress::guard::Now;
///
/// let now = Now::lazy();
/// assert_eq!(now.get(), now.get());
/// ```
#[derive(Debug)]
pub struct Now {
    read: Cell<Option<Instant>>,
}

impl Now {
    /// A moment that is fixed by the first [`get`](Self::get).
    #[inline]
    #[must_use]
    pub const fn lazy() -> Self {
        Self {
            read: Cell::new(None),
        }
    }

    /// A moment chosen by the caller, for tests of a policy.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self {
            read: Cell::new(Some(instant)),
        }
    }

    /// The moment is this one, unless it has been asked for already.
    #[inline]
    pub(crate) fn be(&self, instant: Instant) {
        if self.read.get().is_none() {
            self.read.set(Some(instant));
        }
    }

    /// The moment. The first call reads the clock.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Instant {
        self.read.get().unwrap_or_else(|| {
            #[allow(clippy::disallowed_methods, reason = "this is the door")]
            let instant = Instant::now();
            self.read.set(Some(instant));
            instant
        })
    }
}

/// Nanoseconds from `origin` to `now`: 0 when `now` is earlier, saturating after 584 years.
#[inline]
pub(crate) fn nanos_between(origin: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(origin);
    elapsed
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(elapsed.subsec_nanos()))
}
