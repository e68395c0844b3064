//! The settings of a bulkhead and their rules.

use std::time::Duration;

use crate::error::{InvalidConfig, Violations};

/// The settings of a [`Bulkhead`](crate::Bulkhead): plain data.
///
/// ```
/// use buttress::{Bulkhead, bulkhead::Config};
///
/// let bulkhead = Bulkhead::builder(8).build()?;
/// let mut config = bulkhead.config();
/// assert_eq!(config, Config::new(8));
/// config.max_concurrent = 16;
/// bulkhead.reconfigure(config)?;
/// assert_eq!(bulkhead.snapshot().limit, 16);
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
    /// How many calls may run at once: 1 to 1,000,000. No default: what a dependency can bear is
    /// known only to those who know it.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub max_concurrent: u32,
    /// How many more may wait for a place: 0 to 1,000,000. Default: 0, a call without a place is
    /// refused at once.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::serial"))]
    pub max_queue: u32,
    /// How long a call may wait for its place: above zero with a queue, and zero, the default, without
    /// one. Whoever has begun to wait keeps the time that held then.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::serial"))]
    pub max_wait: Duration,
    /// Decides and counts as ever, and neither refuses a call nor makes it wait: one that finds no place
    /// runs without one. Default: false. See [the module](crate::bulkhead#shadow).
    #[cfg_attr(feature = "serde", serde(default, with = "crate::serial"))]
    pub shadow: bool,
}

/// A bound against slips, such as the largest number of a type for "no limit": so many calls at once
/// are isolated from nothing.
const MOST: u32 = 1_000_000;

impl Config {
    /// So many calls at once, and no queue.
    #[must_use]
    pub const fn new(max_concurrent: u32) -> Self {
        Self {
            max_concurrent,
            max_queue: 0,
            max_wait: Duration::ZERO,
            shadow: false,
        }
    }

    /// Checks every rule. `queues`: it is for a bulkhead that was built with a queue.
    pub(crate) fn validate(&self, policy: &'static str, queues: bool) -> Result<(), InvalidConfig> {
        let Self {
            max_concurrent,
            max_queue,
            max_wait,
            shadow: _,
        } = *self;
        let mut rules = Violations::default();
        rules.require(
            (1..=MOST).contains(&max_concurrent),
            "max_concurrent",
            max_concurrent,
            "must be 1 to 1000000",
        );
        rules.require(
            max_queue <= MOST,
            "max_queue",
            max_queue,
            "must be at most 1000000",
        );
        rules.require(
            queues || max_queue == 0,
            "max_queue",
            max_queue,
            "must be 0 where the bulkhead was built without a queue",
        );
        rules.require(
            max_queue == 0 || !max_wait.is_zero(),
            "max_wait",
            max_wait,
            "must not be zero with a queue: nobody would ever wait in it",
        );
        rules.require(
            max_queue > 0 || max_wait.is_zero(),
            "max_wait",
            max_wait,
            "must be zero without a queue: there is nowhere to wait",
        );
        rules.into_result(policy)
    }
}

impl From<u32> for Config {
    /// So many calls at once, and no queue.
    fn from(max_concurrent: u32) -> Self {
        Self::new(max_concurrent)
    }
}
