//! How a retry is built.

use std::{fmt, time::Duration};

use super::{
    config::Config,
    core::Core,
    handle::{Retry, Strategies},
};
use crate::{
    backoff::Backoff,
    budget::handle::Budget,
    classify::OnError,
    deadline::NoDeadline,
    error::InvalidConfig,
    replay::{Attempt, Cloned, Numbered},
    sys::{Arc, Rng},
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Retry`]. Every setting has a default; see [`Config`] for what and why.
pub struct Builder<C = OnError, Y = Cloned, D = NoDeadline> {
    name: String,
    config: Config,
    budget: Allowance,
    strategies: Strategies<C, Y, D>,
    listeners: Vec<Listener>,
    seed: Option<u64>,
}

/// Where extra attempts come from.
enum Allowance {
    Own,
    Given(Budget),
    Unlimited,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            name: "retry".into(),
            config: Config::default(),
            budget: Allowance::Own,
            strategies: Strategies {
                classify: OnError,
                replay: Cloned,
                deadline: NoDeadline,
            },
            listeners: Vec::new(),
            seed: None,
        }
    }
}

impl<C, Y, D> Builder<C, Y, D> {
    /// The name in errors, events, metrics and logs, and of its own budget. Default: `retry`. It is
    /// kept for ever: use names that are known when the code is written.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once; what was set before is overwritten.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How many attempts a call may take, the first included.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.config.max_attempts = attempts;
        self
    }

    /// How long to wait before each further attempt.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config.backoff = backoff;
        self
    }

    /// The longest wait that the dependency may ask for; a longer one ends the call.
    #[must_use]
    pub fn max_hint(mut self, hint: Duration) -> Self {
        self.config.max_hint = hint;
        self
    }

    /// Also retries refusals of our own policies further in, after their `retry_after`.
    #[must_use]
    pub fn retry_refused(mut self, retry: bool) -> Self {
        self.config.retry_refused = retry;
        self
    }

    /// Draws on this budget, which others may share. Default: one of its own, with the defaults of
    /// [`budget`](crate::budget).
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Allowance::Given(budget);
        self
    }

    /// Without a budget: every failed call is repeated up to `max_attempts` times, which multiplies the
    /// load of a dependency that is down. For what is never many at once, such as connecting at start.
    #[must_use]
    pub fn unbudgeted(mut self) -> Self {
        self.budget = Allowance::Unlimited;
        self
    }

    /// What judges the results: its [advice](crate::Advice) decides. Default: [`OnError`], an error is
    /// worth another attempt unless one of our own policies refused.
    #[must_use]
    pub fn classify<J>(self, classify: J) -> Builder<J, Y, D> {
        self.with(|it| Strategies {
            classify,
            replay: it.replay,
            deadline: it.deadline,
        })
    }

    /// Writes the attempt's number into each request, the first included: a header, an extension. Comes
    /// after [`replay`](Self::replay), which it builds upon.
    ///
    /// ```
    /// use buttress::Retry;
    ///
    /// #[derive(Clone)]
    /// struct Request {
    ///     attempt: u32,
    /// }
    ///
    /// let retry = Retry::builder()
    ///     .on_attempt(|request: &mut Request, attempt| request.attempt = attempt.number())
    ///     .build()?;
    /// # let _ = retry;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn on_attempt<R, F>(self, write: F) -> Builder<C, Numbered<Y, F>, D>
    where
        F: Fn(&mut R, Attempt),
    {
        self.with(|it| Strategies {
            classify: it.classify,
            replay: Numbered::new(it.replay, write),
            deadline: it.deadline,
        })
    }

    /// Where requests carry their deadline. Default: nowhere. See [`deadline`](crate::deadline).
    #[must_use]
    pub fn deadline<L>(self, deadline: L) -> Builder<C, Y, L> {
        self.with(|it| Strategies {
            classify: it.classify,
            replay: it.replay,
            deadline,
        })
    }

    fn with<J, Z, L>(
        self,
        change: impl FnOnce(Strategies<C, Y, D>) -> Strategies<J, Z, L>,
    ) -> Builder<J, Z, L> {
        Builder {
            name: self.name,
            config: self.config,
            budget: self.budget,
            strategies: change(self.strategies),
            listeners: self.listeners,
            seed: self.seed,
        }
    }

    /// Tells this listener of every event, also of its own budget's, for as long as the retry lives, and
    /// of its [forks](Retry::fork). See [`telemetry`](crate::telemetry).
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
    pub fn build(self) -> Result<Retry<C, Y, D>, InvalidConfig> {
        let name = intern(&self.name);
        self.config.validate(name)?;
        let own = matches!(self.budget, Allowance::Own);
        let budget = match self.budget {
            Allowance::Own => Some(Budget::own(name, &self.listeners)),
            Allowance::Given(budget) => Some(budget),
            Allowance::Unlimited => None,
        };
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::seeded);
        let voice = Voice::new(name, self.listeners);
        let core = Core::new(self.config, budget, rng, voice);
        Ok(Retry::new(core, own, self.strategies))
    }
}

impl<C, D> Builder<C, Cloned, D> {
    /// How a request is sent more than once. Default: [`Cloned`]. See [`replay`](crate::replay).
    ///
    /// ```
    /// use buttress::Retry;
    ///
    /// // As it is, for a reqwest client.
    /// let retry = Retry::builder().replay(reqwest::Request::try_clone).build()?;
    /// # let _ = retry;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn replay<Z>(self, replay: Z) -> Builder<C, Z, D> {
        self.with(|it| Strategies {
            classify: it.classify,
            replay,
            deadline: it.deadline,
        })
    }
}

impl<C, Y, D> fmt::Debug for Builder<C, Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
