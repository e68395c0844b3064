//! The settings of a hedge, their defaults and their rules.

use std::time::Duration;

use crate::error::{InvalidConfig, Violations};

/// When a hedge is due: this long after the attempt before it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Delay {
    /// Always the same. Zero, so that all attempts are sent at once, only with a budget.
    Fixed(Duration),
    /// A percentile of the latencies of late.
    Percentile(Percentile),
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        Self::Fixed(delay)
    }
}

impl From<Percentile> for Delay {
    fn from(percentile: Percentile) -> Self {
        Self::Percentile(percentile)
    }
}

/// A running percentile of the latencies of single attempts. See [`hedge`](crate::hedge) for what is
/// measured, and when it is taken.
///
/// ```
/// use buttress::{Hedge, hedge::Percentile};
/// use std::time::Duration;
///
/// // The slowest twentieth is hedged; after 50 ms until there are 200 latencies to judge by.
/// let p95 = Percentile::new(0.95, Duration::from_millis(50)).min_samples(200);
/// let hedge = Hedge::builder(p95).build()?;
/// assert_eq!(hedge.snapshot().delay, Duration::from_millis(50));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Percentile {
    /// Which: above 0 and below 1. 0.95 hedges about one call in twenty.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "percentile", with = "crate::serial")
    )]
    pub quantile: f64,
    /// The delay until there are `min_samples`. Zero only with a budget.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub until: Duration,
    /// How many successful attempts the window must hold before it is asked: 1 or more. Default: 100,
    /// so that a 95th percentile has five beyond it.
    #[cfg_attr(
        feature = "serde",
        serde(default = "super::written::samples", with = "crate::serial")
    )]
    pub min_samples: u32,
    /// How far back it looks: the running quarter of this and the three before, so that a latency counts
    /// for more than 0.75 and at most 1.0 of it. 100 ms to a day. Default: 60 s.
    #[cfg_attr(
        feature = "serde",
        serde(default = "super::written::minute", with = "crate::serial")
    )]
    pub window: Duration,
}

impl Percentile {
    /// This quantile, and a fixed delay until there are samples enough.
    #[must_use]
    pub const fn new(quantile: f64, until: Duration) -> Self {
        Self {
            quantile,
            until,
            min_samples: 100,
            window: Duration::from_secs(60),
        }
    }

    /// The same with another number of samples that it takes.
    #[must_use]
    pub const fn min_samples(mut self, samples: u32) -> Self {
        self.min_samples = samples;
        self
    }

    /// The same with another window.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
}

/// The settings of a [`Hedge`](crate::Hedge): plain data.
///
/// ```
/// use buttress::{Hedge, hedge::{Config, Delay}};
/// use std::time::Duration;
///
/// let mut config = Config::new(Duration::from_millis(20));
/// assert_eq!(config.max_hedges, 1);
/// config.max_hedges = 2;
/// let hedge = Hedge::builder(Duration::from_millis(10)).config(config).build()?;
/// assert_eq!(hedge.config().delay, Delay::Fixed(Duration::from_millis(20)));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    /// When a hedge is due. No default: it depends on the dependency alone.
    pub delay: Delay,
    /// The most hedges of one call, one per further delay: 1 to 10. Default: 1.
    #[cfg_attr(
        feature = "serde",
        serde(default = "super::written::one", with = "crate::serial")
    )]
    pub max_hedges: u32,
}

const MOST_HEDGES: u32 = 10;
const WINDOWS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(86_400);

impl Config {
    /// This delay, one hedge.
    #[must_use]
    pub fn new(delay: impl Into<Delay>) -> Self {
        Self {
            delay: delay.into(),
            max_hedges: 1,
        }
    }

    /// Checks every rule.
    pub(crate) fn validate(
        &self,
        policy: &'static str,
        budgeted: bool,
    ) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let bounded = (1..=MOST_HEDGES).contains(&self.max_hedges);
        let allowed = |delay: Duration| !delay.is_zero() || (bounded && budgeted);
        let rule = "may be zero only with max_hedges of 1 to 10 and a budget";
        match self.delay {
            Delay::Fixed(delay) => rules.require(allowed(delay), "delay", delay, rule),
            Delay::Percentile(Percentile {
                quantile,
                until,
                min_samples,
                window,
            }) => {
                let holds = quantile > 0.0 && quantile < 1.0;
                rules.require(holds, "quantile", quantile, "must be above 0 and below 1");
                rules.require(allowed(until), "until", until, rule);
                let holds = min_samples > 0;
                rules.require(holds, "min_samples", min_samples, "must be 1 or more");
                let holds = WINDOWS.contains(&window);
                rules.require(holds, "window", window, "must be 100 ms to a day");
            }
        }
        rules.require(bounded, "max_hedges", self.max_hedges, "must be 1 to 10");
        rules.into_result(policy)
    }
}

impl<D: Into<Delay>> From<D> for Config {
    /// This delay, one hedge.
    fn from(delay: D) -> Self {
        Self::new(delay)
    }
}
