//! The settings of a budget, their defaults and their rules.

use std::time::Duration;

use super::bucket::WHOLE;
use crate::error::{InvalidConfig, Violations};

/// The settings of a [`Budget`](crate::Budget): plain data.
///
/// ```
/// use buttress::{Budget, budget::Config};
///
/// let mut config = Config::default();
/// assert_eq!((config.ratio, config.min_per_sec, config.reserve), (0.2, 1.0, 30));
/// config.reserve = 10;
/// let budget = Budget::builder().config(config).build()?;
/// assert_eq!(budget.snapshot().balance, 10.0);
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    /// What each answered call deposits, as a share of an attempt: 0 to 100, to nine digits. Default: 0.2, since
    /// one dead replica of ten takes 0.11.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub ratio: f64,
    /// Attempts that time refills, each second, so that a client of few calls may retry as well: 0 to
    /// 1,000,000. Default: 1. It must be small against what the dependency can bear, for *all*
    /// clients together: a thousand of them with 1 are a thousand attempts a second.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub min_per_sec: f64,
    /// The most that it holds, and what it starts with: 1 to 1,000,000. Default: 30.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub reserve: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            min_per_sec: 1.0,
            reserve: 30,
        }
    }
}

const MOST: u32 = 1_000_000;

impl Config {
    /// The law: the most extra attempts in any interval of so much time in which so many calls are
    /// answered.
    ///
    /// ```
    /// use buttress::budget::Config;
    /// use std::time::Duration;
    ///
    /// // A fifth of the calls, one for each second, and the reserve.
    /// let most = Config::default().allows(1_000.0, Duration::from_secs(10));
    /// assert_eq!(most, 200.0 + 10.0 + 30.0);
    /// ```
    #[must_use]
    pub fn allows(&self, calls: f64, time: Duration) -> f64 {
        let refilled = self.min_per_sec * time.as_secs_f64();
        self.ratio * calls + refilled + f64::from(self.reserve)
    }

    /// Checks every rule.
    pub(crate) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let holds = (0.0..=100.0).contains(&self.ratio);
        rules.require(holds, "ratio", self.ratio, "must be 0 to 100");
        let holds = (0.0..=f64::from(MOST)).contains(&self.min_per_sec);
        let rule = "must be 0 to 1000000";
        rules.require(holds, "min_per_sec", self.min_per_sec, rule);
        let holds = (1..=MOST).contains(&self.reserve);
        rules.require(holds, "reserve", self.reserve, "must be 1 to 1000000");
        rules.into_result(policy)
    }

    /// In billionths.
    pub(super) fn capacity(&self) -> u64 {
        u64::from(self.reserve) * WHOLE
    }
}
