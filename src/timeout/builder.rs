//! How a timeout is built.

use std::{fmt, time::Duration};

use super::{config::Config, handle::Timeout, limit::Fixed};
use crate::{
    deadline::NoDeadline,
    error::InvalidConfig,
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Timeout`]. See [`timeout`](crate::timeout) for what the settings do.
pub struct Builder<D = NoDeadline, L = Fixed> {
    name: String,
    config: Config,
    deadline: D,
    by_request: L,
    listeners: Vec<Listener>,
}

impl Builder {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            name: "timeout".into(),
            config: Config::new(limit),
            deadline: NoDeadline,
            by_request: Fixed,
            listeners: Vec::new(),
        }
    }
}

impl<D, L> Builder<D, L> {
    /// The name in errors, events, metrics and logs. Default: `timeout`. It is kept for ever: use names
    /// that are known when the code is written.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once; the limit that the builder began with is overwritten.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Where requests keep their deadline. Default: nowhere. See [`deadline`](crate::deadline).
    ///
    /// A call ends with its deadline at the latest, and one whose deadline has passed is not started. A
    /// strategy that writes is given now + limit for the request, if that is earlier than what it read.
    #[must_use]
    pub fn deadline<T>(self, strategy: T) -> Builder<T, L> {
        Builder {
            name: self.name,
            config: self.config,
            deadline: strategy,
            by_request: self.by_request,
            listeners: self.listeners,
        }
    }

    /// The limit by the request: a closure `|request: &Request| -> Option<Duration>`. Where it says
    /// nothing, the limit is that of the settings. See [`Limit`](crate::timeout::Limit).
    #[must_use]
    pub fn by_request<F>(self, limit: F) -> Builder<D, F> {
        Builder {
            name: self.name,
            config: self.config,
            deadline: self.deadline,
            by_request: limit,
            listeners: self.listeners,
        }
    }

    /// Tells this listener of every event, for as long as the timeout lives, and for its
    /// [forks](Timeout::fork), too. See [`telemetry`](crate::telemetry).
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
    pub fn build(self) -> Result<Timeout<D, L>, InvalidConfig> {
        let name = intern(&self.name);
        self.config.validate(name)?;
        let voice = Voice::new(name, self.listeners);
        Ok(Timeout::new(
            self.config,
            voice,
            self.deadline,
            self.by_request,
        ))
    }
}

impl<D, L> fmt::Debug for Builder<D, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
