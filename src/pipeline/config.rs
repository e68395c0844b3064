//! The settings of a whole pipeline.

use std::time::Duration;

use super::fit;
use crate::{
    breaker, budget, bulkhead,
    error::{InvalidConfig, Violations},
    fallback, hedge, rate_limit, retry,
    telemetry::intern,
    timeout,
};

/// The settings of a [`Resilience`](crate::Resilience): plain data. A pattern that has none is absent.
///
/// Starts empty ([`Config::default`]), or as a preset: [`standard`](Self::standard),
/// [`latency_sensitive`](Self::latency_sensitive).
///
/// ```
/// use buttress::{Resilience, pipeline::Config};
/// use std::time::Duration;
///
/// let mut config = Config::standard();
/// config.bulkhead = None;
/// config.attempt_timeout = Some(Duration::from_millis(2_500));
/// let members = Resilience::builder().name("members").config(config).build()?;
/// assert_eq!(members.config().deadline, Some(Duration::from_secs(10)));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    /// How long a call may take in all, from its arrival on, waits and further attempts included: above
    /// zero. It only ever shortens what the request itself allows.
    #[cfg_attr(
        feature = "serde",
        serde(
            with = "crate::serial::optional",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub deadline: Option<Duration>,
    /// Repeats calls that failed. Not together with `hedge`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub retry: Option<retry::Config>,
    /// Asks a second time when the first answer is late. Not together with `retry`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hedge: Option<hedge::Config>,
    /// What further attempts are paid from, of `retry` or `hedge`. There always is one.
    pub budget: budget::Config,
    /// So many attempts per period.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub rate_limit: Option<rate_limit::Config>,
    /// Stops calling a dependency that fails or is slow.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub breaker: Option<breaker::Config>,
    /// So many attempts at once.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bulkhead: Option<bulkhead::Config>,
    /// How long one attempt may take: above zero.
    #[cfg_attr(
        feature = "serde",
        serde(
            with = "crate::serial::optional",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub attempt_timeout: Option<Duration>,
    /// How many backups may run at once. Plays no part in a pipeline without a fallback.
    pub fallback: fallback::Config,
}

impl Config {
    /// Checks every rule: those of each pattern, and if they hold, those across them.
    pub(crate) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let mut within = |part: &str, checked: Result<(), InvalidConfig>| {
            for broken in checked.err().iter().flat_map(InvalidConfig::violations) {
                let mut broken = broken.clone();
                // As many as there are fields, so they are not kept for nothing.
                broken.field = intern(&format!("{part}.{}", broken.field));
                rules.add(broken);
            }
        };
        if let Some(retry) = &self.retry {
            within("retry", retry.validate(policy));
        }
        if let Some(hedge) = &self.hedge {
            within("hedge", hedge.validate(policy, true));
        }
        within("budget", self.budget.validate(policy));
        if let Some(limit) = &self.rate_limit {
            within("rate_limit", limit.validate(policy, true));
        }
        if let Some(breaker) = &self.breaker {
            within("breaker", breaker.validate(policy));
        }
        if let Some(bulkhead) = &self.bulkhead {
            within("bulkhead", bulkhead.validate(policy, true));
        }
        within("fallback", self.fallback.validate(policy));
        for (field, limit) in [
            ("deadline", self.deadline),
            ("attempt_timeout", self.attempt_timeout),
        ] {
            let holds = limit.is_none_or(|limit| !limit.is_zero());
            rules.require(holds, field, limit.unwrap_or_default(), "must not be zero");
        }
        if rules.is_empty() {
            fit::check(self, &mut rules);
        }
        rules.into_result(policy)
    }

    /// The settings of the timeout of one attempt.
    pub(super) fn attempt(&self) -> timeout::Config {
        timeout::Config::new(self.attempt_timeout.unwrap_or(Duration::MAX))
    }
}
