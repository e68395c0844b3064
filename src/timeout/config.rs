//! The settings of a timeout and their rule.

use std::time::Duration;

use crate::error::{InvalidConfig, Violations};

/// The settings of a [`Timeout`](crate::Timeout): plain data.
///
/// ```
/// use buttress::{Timeout, timeout::Config};
/// use std::time::Duration;
///
/// let timeout = Timeout::builder(Duration::from_secs(3)).build()?;
/// let mut config = timeout.config();
/// config.limit = Duration::from_secs(1);
/// timeout.reconfigure(config)?;
/// assert_eq!(timeout.config(), Config::new(Duration::from_secs(1)));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    /// How long a call may take from the moment at which it first waits: above zero. More than 584
    /// years are taken for 584. No default: what is too long is known only to whoever waits.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub limit: Duration,
}

impl Config {
    /// This limit.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }

    /// Checks every rule.
    pub(crate) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let holds = !self.limit.is_zero();
        rules.require(holds, "limit", self.limit, "must not be zero");
        rules.into_result(policy)
    }
}

/// As a word: a call carries it, and it changes while calls run.
#[inline]
pub(super) fn nanos(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)
}
