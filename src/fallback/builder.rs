//! How a fallback is built.

use std::fmt;

use super::{account::Account, config::Config, handle::Fallback, mark::Unmarked, standby::Standby};
use crate::{
    classify::OnError,
    error::InvalidConfig,
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Fallback`]. Every setting but the backup has a default; see [`Config`] for what and why.
pub struct Builder<B, C = OnError, M = Unmarked> {
    name: String,
    config: Config,
    backup: B,
    classify: C,
    mark: M,
    listeners: Vec<Listener>,
}

impl<B> Builder<B> {
    pub(super) fn new(backup: B) -> Self {
        Self {
            name: "fallback".into(),
            config: Config::default(),
            backup,
            classify: OnError,
            mark: Unmarked,
            listeners: Vec::new(),
        }
    }
}

impl<B, C, M> Builder<B, C, M> {
    /// The name in events, metrics, logs and marks. Default: `fallback`. It is kept for ever: use names
    /// that are known when the code is written.
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

    /// How many backups may run at once, of those that take time.
    #[must_use]
    pub fn max_concurrent(mut self, backups: u32) -> Self {
        self.config.max_concurrent = backups;
        self
    }

    /// What judges the results. Default: [`OnError`], an error is a failure.
    ///
    /// A closure has no way to point out a refusal of one of our own policies (an open breaker): say only
    /// what is special, with [`OnError::except`], or [`Outcome::Failure`](crate::Outcome::Failure) for all
    /// that is to be backed.
    ///
    /// ```
    /// use buttress::{Fallback, OnError, Outcome};
    /// use tower::BoxError;
    ///
    /// let fallback = Fallback::value(200)
    ///     .classify(OnError.except(|result: Result<&u16, &BoxError>| match result {
    ///         Ok(500..) => Some(Outcome::Failure),
    ///         _ => None,
    ///     }))
    ///     .build()?;
    /// # let _ = fallback;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn classify<D>(self, classify: D) -> Builder<B, D, M> {
        Builder {
            name: self.name,
            config: self.config,
            backup: self.backup,
            classify,
            mark: self.mark,
            listeners: self.listeners,
        }
    }

    /// Marks each response of the backup, so that a caller can tell it from the service's own: a closure,
    /// or with the feature `http` `http::InExtensions`.
    ///
    /// ```
    /// use buttress::Fallback;
    ///
    /// #[derive(Clone)]
    /// struct Price {
    ///     cents: u32,
    ///     stale: bool,
    /// }
    ///
    /// let fallback = Fallback::value(Price { cents: 100, stale: false })
    ///     .mark(|price: &mut Price| price.stale = true)
    ///     .build()?;
    /// # let _ = fallback;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn mark<N>(self, mark: N) -> Builder<B, C, N> {
        Builder {
            name: self.name,
            config: self.config,
            backup: self.backup,
            classify: self.classify,
            mark,
            listeners: self.listeners,
        }
    }

    /// Tells this listener of every event, for as long as the fallback lives, and for its
    /// [forks](Fallback::fork), too. See [`telemetry`](crate::telemetry).
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    pub(crate) const fn settings(&self) -> &Config {
        &self.config
    }

    /// Builds it for a pipeline: with its settings, which were checked, its voice and its classifier.
    pub(crate) fn build_in<J>(
        self,
        config: &Config,
        voice: Voice,
        classify: J,
    ) -> Fallback<B, J, M> {
        Fallback::new(
            self.backup,
            classify,
            self.mark,
            Account::new(config, voice),
        )
    }

    /// Those who were to hear of it.
    pub(crate) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, with its value and the rule.
    pub fn build(self) -> Result<Fallback<B, C, M>, InvalidConfig> {
        let name = intern(&self.name);
        self.config.validate(name)?;
        let account = Account::new(&self.config, Voice::new(name, self.listeners));
        Ok(Fallback::new(
            self.backup,
            self.classify,
            self.mark,
            account,
        ))
    }
}

impl<S, Y, C, M> Builder<Standby<S, Y>, C, M> {
    /// How the request is kept for the backup service. Default: [`Cloned`](crate::replay::Cloned). A
    /// failed call whose request could not be kept is answered with its own result.
    #[must_use]
    pub fn replay<Z>(self, replay: Z) -> Builder<Standby<S, Z>, C, M> {
        Builder {
            name: self.name,
            config: self.config,
            backup: Standby {
                service: self.backup.service,
                replay,
            },
            classify: self.classify,
            mark: self.mark,
            listeners: self.listeners,
        }
    }
}

impl<B, C, M> fmt::Debug for Builder<B, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
