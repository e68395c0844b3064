//! How a rate limit is built.

use std::{fmt, marker::PhantomData, time::Duration};

use super::{config::Config, cost::One, handle::RateLimit, policy::Limiter};
use crate::{
    error::InvalidConfig,
    guard::{Flag, Guard, No, Yes},
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`RateLimit`]. See [`rate_limit`](crate::rate_limit) for what the settings do.
///
/// `Q` is whether calls may be made to wait, `N` what they cost.
pub struct Builder<Q = No, N = One> {
    name: String,
    config: Config,
    cost: N,
    listeners: Vec<Listener>,
    queues: PhantomData<fn() -> Q>,
}

impl Builder {
    pub(super) fn new(config: Config) -> Self {
        Self {
            name: "rate_limit".into(),
            config,
            cost: One,
            listeners: Vec::new(),
            queues: PhantomData,
        }
    }
}

impl<Q, N> Builder<Q, N> {
    /// The name in errors, events, metrics and logs. Default: `rate_limit`. It is kept for ever: use
    /// names that are known when the code is written, not one per request or user.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once; what was set before is overwritten.
    ///
    /// Settings with a `max_wait` are for a limit that can make calls wait: say
    /// [`max_wait(Duration::ZERO)`](Self::max_wait) before.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How many calls may be let in at once after a quiet time. Default: as many as in one period.
    #[must_use]
    pub fn burst(mut self, calls: u32) -> Self {
        self.config.burst = calls;
        self
    }

    /// Calls beyond the rate wait for their turn, up to this long, and are refused only when they would
    /// have to wait longer. Default: all are refused at once, since a hidden wait is latency.
    ///
    /// A waiting call takes the service along, so that has to be `Clone`. Zero is allowed: such a limit
    /// refuses at once until it is [reconfigured](RateLimit::reconfigure).
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Builder<Yes, N> {
        self.config.max_wait = max_wait;
        Builder {
            name: self.name,
            config: self.config,
            cost: self.cost,
            listeners: self.listeners,
            queues: PhantomData,
        }
    }

    /// What a call costs by its request: a closure `|request: &Request| -> u32`, or any
    /// [`Cost`](crate::rate_limit::Cost). Default: 1.
    ///
    /// 0 takes nothing and is always let in. More than the burst is refused for ever, as
    /// [`Reason::CostAboveBurst`](crate::Reason::CostAboveBurst).
    #[must_use]
    pub fn cost<T>(self, strategy: T) -> Builder<Q, T> {
        Builder {
            name: self.name,
            config: self.config,
            cost: strategy,
            listeners: self.listeners,
            queues: PhantomData,
        }
    }

    /// Decides and counts as ever, and neither refuses a call nor makes it wait. See
    /// [the module](crate::rate_limit#shadow).
    #[must_use]
    pub fn shadow(mut self, shadow: bool) -> Self {
        self.config.shadow = shadow;
        self
    }

    /// Tells this listener of every event, for as long as the limit lives, and for its
    /// [forks](RateLimit::fork), too. See [`telemetry`](crate::telemetry).
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }
}

impl<Q: Flag, N> Builder<Q, N> {
    /// Builds it, with all of the burst to spend.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, with its value and the rule.
    pub fn build(self) -> Result<RateLimit<Q, N>, InvalidConfig> {
        let voice = Voice::new(intern(&self.name), self.listeners);
        let limiter = Limiter::new(self.config, self.cost, voice)?;
        Ok(Guard::new(limiter))
    }
}

impl<Q, N> fmt::Debug for Builder<Q, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
