//! How a budget is built.

use std::fmt;

use super::{config::Config, handle::Budget};
use crate::{
    error::InvalidConfig,
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Budget`]. Every setting has a default; see [`Config`] for what and why.
pub struct Builder {
    name: String,
    config: Config,
    listeners: Vec<Listener>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            name: "budget".into(),
            config: Config::default(),
            listeners: Vec::new(),
        }
    }

    /// The name in events, metrics and logs. Default: `budget`. It is kept for ever: use names that
    /// are known when the code is written.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What each answered call deposits, as a share of an attempt.
    #[must_use]
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.config.ratio = ratio;
        self
    }

    /// Attempts that time refills, each second.
    #[must_use]
    pub fn min_per_sec(mut self, attempts: f64) -> Self {
        self.config.min_per_sec = attempts;
        self
    }

    /// The most that it holds, and what it starts with.
    #[must_use]
    pub fn reserve(mut self, attempts: u32) -> Self {
        self.config.reserve = attempts;
        self
    }

    /// Tells this listener of every event, for as long as the budget lives.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, with its value and the rule.
    pub fn build(self) -> Result<Budget, InvalidConfig> {
        let name = intern(&self.name);
        self.config.validate(name)?;
        Ok(Budget::new(self.config, Voice::new(name, self.listeners)))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
