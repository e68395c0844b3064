//! How many calls, and how many of them at once.

use std::{num::NonZeroU32, time::Duration};

/// So many calls per period, and so many of them at once.
///
/// ```
/// use buttress::rate_limit::Quota;
/// use std::num::NonZeroU32;
///
/// const HUNDRED: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// // 100 calls a second in the long run, never more than 10 at once.
/// const QUOTA: Quota = Quota::per_second(HUNDRED).burst(TEN);
/// # assert_eq!(QUOTA, Quota::per_second(HUNDRED).burst(TEN));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    pub(super) calls: NonZeroU32,
    pub(super) period: Duration,
    pub(super) burst: NonZeroU32,
}

impl Quota {
    /// So many calls in each period; as many at once, unless [`burst`](Self::burst) says otherwise. A
    /// period of zero is refused when the limiter is built.
    #[must_use]
    pub const fn new(calls: NonZeroU32, period: Duration) -> Self {
        Self {
            calls,
            period,
            burst: calls,
        }
    }

    /// So many calls a second.
    #[must_use]
    pub const fn per_second(calls: NonZeroU32) -> Self {
        Self::new(calls, Duration::from_secs(1))
    }

    /// So many calls a minute.
    #[must_use]
    pub const fn per_minute(calls: NonZeroU32) -> Self {
        Self::new(calls, Duration::from_secs(60))
    }

    /// So many calls an hour.
    #[must_use]
    pub const fn per_hour(calls: NonZeroU32) -> Self {
        Self::new(calls, Duration::from_secs(3_600))
    }

    /// So many calls a day (of 24 hours).
    #[must_use]
    pub const fn per_day(calls: NonZeroU32) -> Self {
        Self::new(calls, Duration::from_secs(86_400))
    }

    /// How many calls may be let in at once after a quiet time.
    #[must_use]
    pub const fn burst(mut self, calls: NonZeroU32) -> Self {
        self.burst = calls;
        self
    }
}
