//! The settings of a retry, their defaults and their rules.

use std::time::Duration;

use crate::{
    backoff::Backoff,
    error::{InvalidConfig, Violations},
};

/// The settings of a [`Retry`](crate::Retry): plain data. Those of its budget stand with the
/// [`Budget`](crate::Budget).
///
/// ```
/// use buttress::{Retry, retry::Config};
///
/// let mut config = Config::default();
/// assert_eq!(config.max_attempts, 3);
/// config.max_attempts = 2;
/// let retry = Retry::builder().config(config).build()?;
/// assert_eq!(retry.config().max_attempts, 2);
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
    /// How many attempts a call may take, the first included: 1 or more. Default: 3.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub max_attempts: u32,
    /// How long to wait before each further attempt. Default: exponential from 100 ms, doubled each
    /// time up to 2 s, with full jitter.
    pub backoff: Backoff,
    /// The longest wait that the dependency may ask for (`Retry-After`). It is never called earlier than
    /// it asks: a longer wait ends the call. Default: 10 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub max_hint: Duration,
    /// Whether a refusal of one of our own policies further in is retried, after its `retry_after`.
    /// Default: no, since nothing was started and the policy knows best when to ask again.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub retry_refused: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::exponential(Duration::from_millis(100)).cap(Duration::from_secs(2)),
            max_hint: Duration::from_secs(10),
            retry_refused: false,
        }
    }
}

impl Config {
    /// Checks every rule.
    pub(crate) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let holds = self.max_attempts > 0;
        let rule = "must be 1 or more: it includes the first";
        rules.require(holds, "max_attempts", self.max_attempts, rule);
        self.backoff.check(&mut rules);
        rules.into_result(policy)
    }
}
