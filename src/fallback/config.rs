//! The settings of a fallback, their defaults and their rules.

use crate::error::{InvalidConfig, Violations};

/// The settings of a [`Fallback`](crate::Fallback): plain data.
///
/// ```
/// use buttress::{Fallback, fallback::Config};
///
/// let mut config = Config::default();
/// assert_eq!(config.max_concurrent, 64);
/// config.max_concurrent = 10;
/// let fallback = Fallback::value("nobody").config(config).build()?;
/// assert_eq!(fallback.config().max_concurrent, 10);
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    /// How many backups may run at once, of those that take time: 1 to 1,000,000. Default: 64, so that a
    /// backup does not become the next victim (Hystrix's 10 is tight). A value or a function that
    /// answers at once is not limited.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub max_concurrent: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_concurrent: 64 }
    }
}

const MOST: u32 = 1_000_000;

impl Config {
    /// Checks every rule.
    pub(crate) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        rules.require(
            (1..=MOST).contains(&self.max_concurrent),
            "max_concurrent",
            self.max_concurrent,
            "must be 1 to 1000000",
        );
        rules.into_result(policy)
    }
}
