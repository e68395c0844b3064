//! The settings of a rate limit and their rules.

use std::time::Duration;

use super::{law::Law, quota::Quota};
use crate::error::{InvalidConfig, Violations};

/// The settings of a [`RateLimit`](crate::RateLimit): plain data. Made from a [`Quota`].
///
/// ```
/// use buttress::{RateLimit, rate_limit::Quota};
/// use std::num::NonZeroU32;
///
/// let limit = RateLimit::builder(Quota::per_second(NonZeroU32::new(100).unwrap())).build()?;
/// let mut config = limit.config();
/// assert_eq!((config.calls, config.burst), (100, 100));
/// config.burst = 10;
/// limit.reconfigure(config)?;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "super::written::Written")
)]
#[non_exhaustive]
pub struct Config {
    /// How many calls in each period: 1 or more, and no more than one per nanosecond. A call is paid
    /// off in `period / calls`, rounded up to a nanosecond. No default.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub calls: u32,
    /// The period: above zero. No default.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub period: Duration,
    /// How many calls may be let in at once after a quiet time: 1 or more. Default: `calls`, one
    /// period's worth.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub burst: u32,
    /// How long a call may be made to wait for its turn. Only for a limit that was built to wait, see
    /// [`Builder::max_wait`](crate::rate_limit::Builder::max_wait); for all others zero, the default:
    /// a hidden wait is latency.
    ///
    /// `burst x period / calls + max_wait` is at most 18 years.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub max_wait: Duration,
    /// Decides and counts as ever, and neither refuses a call nor makes it wait. Default: false. See
    /// [the module](crate::rate_limit#shadow).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub shadow: bool,
}

impl Config {
    /// So many calls in each period, and as many at once.
    #[must_use]
    pub const fn new(calls: u32, period: Duration) -> Self {
        Self {
            calls,
            period,
            burst: calls,
            max_wait: Duration::ZERO,
            shadow: false,
        }
    }

    /// So many calls a second, and as many at once.
    #[must_use]
    pub const fn per_second(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(1))
    }
}

impl From<Quota> for Config {
    fn from(quota: Quota) -> Self {
        Self {
            calls: quota.calls.get(),
            period: quota.period,
            burst: quota.burst.get(),
            max_wait: Duration::ZERO,
            shadow: false,
        }
    }
}

/// The most that a burst and a wait may reach into the future, in nanoseconds: 18.3 years. Four of
/// them fit into a theoretical arrival time.
pub(super) const REACH: u64 = 1 << 59;

impl Config {
    /// Checks every rule; `waits` is whether the limit was built to wait.
    pub(crate) fn validate(&self, policy: &'static str, waits: bool) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let Self {
            calls,
            period,
            burst,
            max_wait,
            shadow: _,
        } = *self;
        rules.require(calls > 0, "calls", calls, "must be 1 or more");
        let holds = period.as_nanos() >= u128::from(calls);
        let rule = "must be no more than one per nanosecond of the period";
        rules.require(holds || period.is_zero(), "calls", calls, rule);
        rules.require(!period.is_zero(), "period", period, "must not be zero");
        rules.require(burst > 0, "burst", burst, "must be 1 or more");
        let room = self.pace().map(|pace| pace.saturating_mul(burst.into()));
        let bursts = room.is_none_or(|room| room <= REACH.into());
        let rule = "burst x period / calls must be at most 18 years";
        rules.require(bursts, "burst", burst, rule);
        let rule = "must be zero, since the limit was built without `max_wait`";
        rules.require(waits || max_wait.is_zero(), "max_wait", max_wait, rule);
        let reach = room.unwrap_or(0).saturating_add(max_wait.as_nanos());
        let rule = "burst x period / calls + max_wait must be at most 18 years";
        let holds = !bursts || reach <= REACH.into();
        rules.require(holds, "max_wait", max_wait, rule);
        rules.into_result(policy)
    }

    /// Nanoseconds per call, rounded up; none of no calls.
    fn pace(&self) -> Option<u128> {
        let calls = u128::from(self.calls);
        (calls > 0).then(|| self.period.as_nanos().div_ceil(calls))
    }

    /// Of settings that keep the rules.
    pub(super) fn law(&self) -> Law {
        let pace = self.pace().unwrap_or(1) as u64;
        Law {
            pace,
            room: pace * u64::from(self.burst),
        }
    }

    /// In nanoseconds, of settings that keep the rules.
    pub(super) fn patience(&self) -> u64 {
        self.max_wait.as_nanos() as u64
    }
}
