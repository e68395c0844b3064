//! How a bulkhead is built.

use std::{fmt, marker::PhantomData, time::Duration};

use super::{config::Config, handle::Bulkhead, policy::Places};
use crate::{
    error::InvalidConfig,
    guard::{Flag, Guard, No, Yes},
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Bulkhead`]. See [`bulkhead`](crate::bulkhead) for what the settings do. `Q` says whether it
/// will have a queue: [`Yes`] after [`max_queue`](Self::max_queue), else [`No`].
pub struct Builder<Q = No> {
    name: String,
    config: Config,
    listeners: Vec<Listener>,
    queues: PhantomData<fn() -> Q>,
}

impl Builder {
    pub(super) fn new(max_concurrent: u32) -> Self {
        Self {
            name: "bulkhead".into(),
            config: Config::new(max_concurrent),
            listeners: Vec::new(),
            queues: PhantomData,
        }
    }
}

impl<Q> Builder<Q> {
    /// The name in errors, events, metrics and logs. Default: `bulkhead`. It is kept for ever: use names
    /// that are known when the code is written.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once; what was set before is overwritten.
    ///
    /// Settings with a queue are for a bulkhead that can have one: say `max_queue(0)` before.
    ///
    /// ```
    /// use buttress::{Bulkhead, bulkhead::Config};
    /// use std::time::Duration;
    ///
    /// let mut config = Config::new(8);
    /// config.max_queue = 16;
    /// config.max_wait = Duration::from_millis(100);
    /// assert!(Bulkhead::builder(1).config(config).build().is_err());
    /// assert!(Bulkhead::builder(1).max_queue(0).config(config).build().is_ok());
    /// ```
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Gives it a queue for this many calls; [`max_wait`](Self::max_wait) says for how long.
    ///
    /// A call that may wait takes request and service along, so the service must be `Clone`. With 0
    /// there is none yet, and a [reconfiguration](Bulkhead::reconfigure) may bring one.
    #[must_use]
    pub fn max_queue(self, calls: u32) -> Builder<Yes> {
        let mut config = self.config;
        config.max_queue = calls;
        Builder {
            name: self.name,
            config,
            listeners: self.listeners,
            queues: PhantomData,
        }
    }

    /// How long a call may wait in the queue. No default: with a queue it must be given, and without one
    /// there is nothing to give it for.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.config.max_wait = wait;
        self
    }

    /// Decides and counts as ever, and neither refuses a call nor makes it wait. See
    /// [the module](crate::bulkhead#shadow).
    #[must_use]
    pub fn shadow(mut self, shadow: bool) -> Self {
        self.config.shadow = shadow;
        self
    }

    /// Tells this listener of every event, for as long as the bulkhead lives, and for its
    /// [forks](Bulkhead::fork), too. See [`telemetry`](crate::telemetry).
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }
}

impl<Q: Flag> Builder<Q> {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, with its value and the rule.
    pub fn build(self) -> Result<Bulkhead<Q>, InvalidConfig> {
        let name = intern(&self.name);
        self.config.validate(name, Q::IS)?;
        let voice = Voice::new(name, self.listeners);
        let places = Places::single(self.config, voice);
        Ok(Guard::new(places))
    }
}

impl<Q> fmt::Debug for Builder<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
