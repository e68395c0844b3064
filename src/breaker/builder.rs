//! How a circuit breaker is built.

use std::{fmt, time::Duration};

use super::{
    config::{Config, Window},
    handle::CircuitBreaker,
    policy::Breaker,
};
use crate::{
    classify::OnError,
    error::InvalidConfig,
    guard::Guard,
    sys::{Arc, Rng},
    telemetry::{Event, Listener, Listeners, intern},
};

/// Builds a [`CircuitBreaker`]. Every setting has a default; see [`Config`] for what and why.
pub struct Builder<C = OnError> {
    name: String,
    config: Config,
    /// Unless given, the default gives way to a shorter count window.
    min_calls: Option<u32>,
    classify: C,
    listeners: Vec<Listener>,
    seed: Option<u64>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            name: "circuit_breaker".into(),
            config: Config::default(),
            min_calls: None,
            classify: OnError,
            listeners: Vec::new(),
            seed: None,
        }
    }
}

impl<C> Builder<C> {
    /// The name in errors, events, metrics and logs. Default: `circuit_breaker`.
    ///
    /// A name is kept for ever, once for all policies that have it: use names that are known when
    /// the code is written, not one per request or user.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once; what was set before is overwritten. Its `min_calls` is taken as given, so
    /// it does not give way to a shorter count window.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.min_calls = Some(config.min_calls);
        self.config = config;
        self
    }

    /// Judges by the last this many completed calls.
    #[must_use]
    pub fn count_window(mut self, calls: u32) -> Self {
        self.config.window = Window::Count(calls);
        self
    }

    /// Judges by the calls completed in the last this long.
    #[must_use]
    pub fn time_window(mut self, span: Duration) -> Self {
        self.config.window = Window::Time(span);
        self
    }

    /// How many calls must be in the window before it is judged. Unless given: 20, or all that a
    /// shorter count window holds.
    #[must_use]
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = Some(calls);
        self
    }

    /// Opens when this share of the calls failed.
    #[must_use]
    pub fn failure_ratio(mut self, ratio: f64) -> Self {
        self.config.failure_ratio = ratio;
        self
    }

    /// A call that takes longer is slow.
    #[must_use]
    pub fn slow_call_duration(mut self, duration: Duration) -> Self {
        self.config.slow_call_duration = Some(duration);
        self
    }

    /// Opens when this share of the calls was slow.
    #[must_use]
    pub fn slow_call_ratio(mut self, ratio: f64) -> Self {
        self.config.slow_call_ratio = ratio;
        self
    }

    /// How long it stays open.
    #[must_use]
    pub fn open_for(mut self, open_for: Duration) -> Self {
        self.config.open_for = open_for;
        self
    }

    /// Spreads `open_for` by this share of it, up and down.
    #[must_use]
    pub fn open_jitter(mut self, share: f64) -> Self {
        self.config.open_jitter = share;
        self
    }

    /// Lets `open_for` grow by this factor from one opening to the next, up to `max`.
    #[must_use]
    pub fn open_growth(mut self, factor: f64, max: Duration) -> Self {
        self.config.open_factor = factor;
        self.config.open_max = max;
        self
    }

    /// How many trial calls are sent and judged while half-open.
    #[must_use]
    pub fn probes(mut self, probes: u32) -> Self {
        self.config.probes = probes;
        self
    }

    /// The age at which a running probe counts as failed.
    #[must_use]
    pub fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.config.probe_timeout = timeout;
        self
    }

    /// Lets in a growing share of the calls for this long after closing.
    #[must_use]
    pub fn ramp(mut self, length: Duration) -> Self {
        self.config.ramp = Some(length);
        self
    }

    /// Decides and counts as ever, and refuses nothing. See [the module](crate::breaker#shadow).
    #[must_use]
    pub fn shadow(mut self, shadow: bool) -> Self {
        self.config.shadow = shadow;
        self
    }

    /// What judges the results. Default: [`OnError`], an error is a failure.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> Builder<D> {
        Builder {
            name: self.name,
            config: self.config,
            min_calls: self.min_calls,
            classify,
            listeners: self.listeners,
            seed: self.seed,
        }
    }

    /// Tells this listener of every event, for as long as the breaker lives, and for its
    /// [forks](CircuitBreaker::fork), too. See [`telemetry`](crate::telemetry).
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Makes the jitter reproducible, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, with its value and the rule.
    pub fn build(self) -> Result<CircuitBreaker<C>, InvalidConfig> {
        let mut config = self.config;
        config.min_calls = self.min_calls.unwrap_or(match config.window {
            Window::Count(calls) => config.min_calls.min(calls.max(1)),
            Window::Time(_) => config.min_calls,
        });
        let name = intern(&self.name);
        config.validate(name)?;
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::seeded);
        let listeners = Listeners::new(self.listeners);
        let breaker = Breaker::new(name, config, rng, listeners);
        Ok(Guard::judged(breaker, self.classify))
    }
}

impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
