//! The settings of a circuit breaker, their defaults and their rules.

use std::time::Duration;

use crate::{
    backoff::{Backoff, Jitter},
    error::{InvalidConfig, Violations},
    window::Extent,
};

/// What a closed breaker looks at when it judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last this many completed calls, exactly, in the order in which they completed.
    Count(u32),
    /// The calls completed in the last this long: the running tenth of it and the nine before, so
    /// that an outcome counts for more than 0.9 and at most 1.0 of it. Rounded up to a multiple of
    /// 10 ns.
    Time(Duration),
}

impl Window {
    pub(super) fn extent(self) -> Extent {
        match self {
            Self::Count(calls) => Extent::Calls(calls),
            Self::Time(span) => Extent::Nanos(nanos(span)),
        }
    }
}

/// The settings of a circuit breaker: plain data.
///
/// ```
/// use buttress::breaker::Config;
/// use std::time::Duration;
///
/// let mut config = Config::default();
/// assert_eq!(config.failure_ratio, 0.5);
/// config.open_for = Duration::from_secs(1);
/// let breaker = buttress::CircuitBreaker::builder().config(config).build()?;
/// assert_eq!(breaker.config().open_for, Duration::from_secs(1));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "super::written::Written")
)]
#[non_exhaustive]
pub struct Config {
    /// What is judged while closed. Default: 10 s, which is independent of the rate (100 calls are
    /// 20 ms at 5,000 calls/s). A count is 1 to 1,000,000 calls.
    pub window: Window,
    /// How many calls must be in the window before it is judged: 1 or more, and no more than a count
    /// window holds. Default: 20.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub min_calls: u32,
    /// Opens when failed calls / calls reaches this: above 0, at most 1. Default: 0.5, since a lower
    /// one would cut off nine healthy replicas for a sick tenth.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub failure_ratio: f64,
    /// A call that took longer is slow, whether it succeeded or failed. Default: none, so that no
    /// clock is read.
    #[cfg_attr(
        feature = "serde",
        serde(
            with = "crate::serial::optional",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub slow_call_duration: Option<Duration>,
    /// Opens when slow calls / calls reaches this: above 0, at most 1. Counts only with a
    /// `slow_call_duration`. Default: 1.0.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub slow_call_ratio: f64,
    /// How long it stays open before it sends probes. Default: 5 s, quick to recover.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub open_for: Duration,
    /// The spread of `open_for`: uniform in plus or minus this share of it, 0 to 1. Default: 0.1, so
    /// that a fleet does not probe in step.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub open_jitter: f64,
    /// Opening `k` in a row waits `open_for x open_factor^(k - 1)`: 1 or more. Forgotten once it
    /// stayed closed as long as the last wait. Default: 1.0, the same each time; growth is usually x 2.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub open_factor: f64,
    /// The longest that growth leads to, at least `open_for`. Default: 60 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub open_max: Duration,
    /// How many trial calls a half-open breaker sends and judges: 1 to 10,000. Default: 5, since one
    /// fluke should neither close nor re-open.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub probes: u32,
    /// A probe that is still running at this age counts as failed; one that was answered by then, and whose
    /// response goes on (see `http::after_body`), as good. Default: 10 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub probe_timeout: Duration,
    /// After closing, lets in a share of the calls that grows over this time from a tenth to all of
    /// them. Default: none.
    #[cfg_attr(
        feature = "serde",
        serde(
            with = "crate::serial::optional",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub ramp: Option<Duration>,
    /// Decides and counts as ever, and refuses nothing: calls that it would refuse run and judge
    /// nothing. An operator's order to open refuses all the same. Default: false. See
    /// [the module](crate::breaker#shadow).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial"))]
    pub shadow: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            window: Window::Time(Duration::from_secs(10)),
            min_calls: 20,
            failure_ratio: 0.5,
            slow_call_duration: None,
            slow_call_ratio: 1.0,
            open_for: Duration::from_secs(5),
            open_jitter: 0.1,
            open_factor: 1.0,
            open_max: Duration::from_secs(60),
            probes: 5,
            probe_timeout: Duration::from_secs(10),
            ramp: None,
            shadow: false,
        }
    }
}

/// The most calls in a count window: two bits each, so 250 kB.
const MAX_CALLS: u32 = 1_000_000;
const MAX_PROBES: u32 = 10_000;

impl Config {
    /// Checks every rule.
    pub(crate) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let ratio = |value: f64| value > 0.0 && value <= 1.0;
        match self.window {
            Window::Count(calls) => {
                let holds = (1..=MAX_CALLS).contains(&calls);
                rules.require(holds, "window", self.window, "must be 1 to 1000000 calls");
                let holds = self.min_calls <= calls;
                let rule = "must be no more than a count window holds";
                rules.require(holds || calls == 0, "min_calls", self.min_calls, rule);
            }
            Window::Time(span) => {
                rules.require(!span.is_zero(), "window", self.window, "must not be zero");
            }
        }
        rules.require(
            self.min_calls > 0,
            "min_calls",
            self.min_calls,
            "must be 1 or more",
        );
        rules.require(
            ratio(self.failure_ratio),
            "failure_ratio",
            self.failure_ratio,
            "must be above 0 and at most 1",
        );
        if let Some(duration) = self.slow_call_duration {
            rules.require(
                !duration.is_zero(),
                "slow_call_duration",
                duration,
                "must not be zero",
            );
        }
        rules.require(
            ratio(self.slow_call_ratio),
            "slow_call_ratio",
            self.slow_call_ratio,
            "must be above 0 and at most 1",
        );
        rules.require(
            !self.open_for.is_zero(),
            "open_for",
            self.open_for,
            "must not be zero",
        );
        rules.require(
            (0.0..=1.0).contains(&self.open_jitter),
            "open_jitter",
            self.open_jitter,
            "must be 0 to 1",
        );
        rules.require(
            self.open_factor >= 1.0 && self.open_factor.is_finite(),
            "open_factor",
            self.open_factor,
            "must be 1 or more, and finite",
        );
        rules.require(
            self.open_factor == 1.0 || self.open_max >= self.open_for,
            "open_max",
            self.open_max,
            "must be at least open_for",
        );
        rules.require(
            (1..=MAX_PROBES).contains(&self.probes),
            "probes",
            self.probes,
            "must be 1 to 10000",
        );
        rules.require(
            !self.probe_timeout.is_zero(),
            "probe_timeout",
            self.probe_timeout,
            "must not be zero",
        );
        if let Some(ramp) = self.ramp {
            rules.require(!ramp.is_zero(), "ramp", ramp, "must not be zero");
        }
        rules.into_result(policy)
    }

    /// The law of `open_for`. Without growth the cap plays no part: a constant `open_for` of two
    /// minutes need not mention it.
    pub(super) fn opening(&self) -> Backoff {
        Backoff::exponential(self.open_for)
            .factor(self.open_factor)
            .cap(self.open_max.max(self.open_for))
            .jitter(Jitter::Around(self.open_jitter))
    }

    /// In nanoseconds; without one, an age that no call reaches.
    pub(super) fn slow_after(&self) -> u64 {
        self.slow_call_duration.map_or(u64::MAX, nanos)
    }
}

/// Whole nanoseconds, saturating after 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
