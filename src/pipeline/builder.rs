//! How a pipeline is built.

use std::{fmt, num::NonZeroU32, time::Duration};

use super::{
    change::Turn,
    config::Config,
    core::{Core, Handle},
    cover::{Covering, NoFallback, Parts},
    envelope::OfCall,
    handle::Resilience,
    switched::Switched,
    terms::{Current, Settings},
};
use crate::{
    breaker::{self, Breaker},
    budget::{self, handle::Budget},
    bulkhead::{self, Places},
    classify::OnError,
    deadline::NoDeadline,
    error::InvalidConfig,
    fallback,
    guard::Guard,
    hedge::{self, state::Purse},
    rate_limit::{self, Limiter, One, Quota},
    replay::{Attempt, Cloned, Numbered},
    retry,
    sys::{Arc, Live, Mutex, Rng, SharedRng},
    telemetry::{Event, Listener, Listeners, Voice, intern},
    timeout::{Fixed, handle::Timeout},
};

/// Builds a [`Resilience`]. A pattern that is not named is absent; see [`Config`] for the settings, and
/// [the module](crate::pipeline) for presets to start with.
pub struct Builder<C = OnError, Y = Cloned, D = NoDeadline, F = NoFallback> {
    name: String,
    config: Config,
    strategies: Strategies<C, Y, D, F>,
    listeners: Vec<Listener>,
    seed: Option<u64>,
}

/// What the user's types know.
struct Strategies<C, Y, D, F> {
    classify: C,
    replay: Y,
    deadline: D,
    fallback: F,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            name: "resilience".into(),
            config: Config::default(),
            strategies: Strategies {
                classify: OnError,
                replay: Cloned,
                deadline: NoDeadline,
                fallback: NoFallback,
            },
            listeners: Vec::new(),
            seed: None,
        }
    }
}

impl<C, Y, D, F> Builder<C, Y, D, F> {
    /// The name of the pipeline and of all its patterns, in errors, events, metrics and logs. Default:
    /// `resilience`. It is kept for ever: use names that are known when the code is written.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once, a preset for example; what was set before is overwritten.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How long a call may take in all, from its arrival on.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.config.deadline = Some(limit);
        self
    }

    /// Repeats calls that failed.
    #[must_use]
    pub fn retry(mut self, config: retry::Config) -> Self {
        self.config.retry = Some(config);
        self
    }

    /// Asks a second time when the first answer is late: after a fixed delay, a
    /// [`Percentile`](crate::hedge::Percentile), or as the settings say.
    #[must_use]
    pub fn hedge(mut self, config: impl Into<hedge::Config>) -> Self {
        self.config.hedge = Some(config.into());
        self
    }

    /// What further attempts are paid from.
    #[must_use]
    pub fn budget(mut self, config: budget::Config) -> Self {
        self.config.budget = config;
        self
    }

    /// So many attempts per period: a [`Quota`], or settings.
    #[must_use]
    pub fn rate_limit(mut self, config: impl Into<rate_limit::Config>) -> Self {
        self.config.rate_limit = Some(config.into());
        self
    }

    /// Stops calling a dependency that fails or is slow.
    #[must_use]
    pub fn breaker(mut self, config: breaker::Config) -> Self {
        self.config.breaker = Some(config);
        self
    }

    /// So many attempts at once: a number, or settings.
    #[must_use]
    pub fn bulkhead(mut self, config: impl Into<bulkhead::Config>) -> Self {
        self.config.bulkhead = Some(config.into());
        self
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.config.attempt_timeout = Some(limit);
        self
    }

    /// Answers in place of a call that failed: what a constructor of [`Fallback`](crate::Fallback) makes,
    /// without its `build`. Its name and its classifier are the pipeline's, whatever it says; so are its
    /// settings, unless it has others than the default.
    ///
    /// ```
    /// use buttress::{Fallback, Resilience};
    /// use std::time::Duration;
    ///
    /// let members = Resilience::builder()
    ///     .attempt_timeout(Duration::from_secs(1))
    ///     .fallback(Fallback::value("nobody"))
    ///     .build()?;
    /// # let _ = members;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn fallback<B, J, M>(
        mut self,
        fallback: fallback::Builder<B, J, M>,
    ) -> Builder<C, Y, D, fallback::Builder<B, J, M>> {
        // It need not say what a document has said before.
        if *fallback.settings() != fallback::Config::default() {
            self.config.fallback = fallback.settings().clone();
        }
        self.listeners.extend_from_slice(fallback.listeners());
        self.with(|it| Strategies {
            classify: it.classify,
            replay: it.replay,
            deadline: it.deadline,
            fallback,
        })
    }

    /// What judges the results, for all patterns. Default: [`OnError`], an error is a failure.
    #[must_use]
    pub fn classify<J>(self, classify: J) -> Builder<J, Y, D, F> {
        self.with(|it| Strategies {
            classify,
            replay: it.replay,
            deadline: it.deadline,
            fallback: it.fallback,
        })
    }

    /// Where requests carry their deadline. Default: nowhere. A strategy that writes is given the
    /// pipeline's own. See [`deadline`](crate::deadline).
    #[must_use]
    pub fn deadline_in<L>(self, deadline: L) -> Builder<C, Y, L, F> {
        self.with(|it| Strategies {
            classify: it.classify,
            replay: it.replay,
            deadline,
            fallback: it.fallback,
        })
    }

    /// Writes the attempt's number into each request, the first included. Comes after
    /// [`replay`](Self::replay), which it builds upon.
    #[must_use]
    pub fn on_attempt<R, W>(self, write: W) -> Builder<C, Numbered<Y, W>, D, F>
    where
        W: Fn(&mut R, Attempt),
    {
        self.with(|it| Strategies {
            classify: it.classify,
            replay: Numbered::new(it.replay, write),
            deadline: it.deadline,
            fallback: it.fallback,
        })
    }

    fn with<J, Z, L, B>(
        self,
        change: impl FnOnce(Strategies<C, Y, D, F>) -> Strategies<J, Z, L, B>,
    ) -> Builder<J, Z, L, B> {
        Builder {
            name: self.name,
            config: self.config,
            strategies: change(self.strategies),
            listeners: self.listeners,
            seed: self.seed,
        }
    }

    /// Tells this listener of every event of every pattern, for as long as the pipeline lives. See
    /// [`telemetry`](crate::telemetry).
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
}

impl<C: Clone, Y, D, F: Covering> Builder<C, Y, D, F> {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, its pattern before it
    /// (`breaker.open_for`), with its value and the rule. Where all patterns are well, the rules across them
    /// are checked: see [the module](crate::pipeline#rules-across-patterns).
    pub fn build(self) -> Result<Resilience<C, Y, D, F::Cover<C>>, InvalidConfig> {
        let name = intern(&self.name);
        let config = self.config;
        config.validate(name)?;
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::seeded);
        let listeners = Listeners::new(self.listeners);
        let Strategies {
            classify,
            replay,
            deadline,
            fallback,
        } = self.strategies;
        let fallback = fallback.build(Parts {
            config: &config.fallback,
            voice: Voice::among(name, Arc::clone(&listeners)),
            classify: classify.clone(),
        });
        let core = assemble(name, config, rng, &listeners, replay, deadline);
        Ok(Resilience::new(of_core(core, classify), fallback))
    }
}

/// The handle of a pipeline of these patterns.
pub(super) fn of_core<C, Y, D>(core: Core<Y, D>, classify: C) -> Handle<C, Y, D> {
    Guard::judged(core, classify).deadline(OfCall)
}

/// The patterns of checked settings. An absent one is there as well, switched off.
pub(super) fn assemble<Y, D>(
    name: &'static str,
    config: Config,
    rng: Rng,
    listeners: &Arc<Listeners>,
    replay: Y,
    deadline: D,
) -> Core<Y, D> {
    let rng = SharedRng::new(rng);
    let voice = || Voice::among(name, Arc::clone(listeners));
    let budget = Budget::new(config.budget, voice());
    let retry = config.retry.clone().unwrap_or_default();
    let retry = retry::core::Core::new(retry, Some(budget.clone()), rng.split(), voice());
    let hedge = config
        .hedge
        .unwrap_or_else(|| Duration::from_secs(1).into());
    let hedge = hedge::state::State::new(hedge, Purse::Given(budget.clone()), voice());

    let limit = config
        .rate_limit
        .clone()
        .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN).into());
    let limit = Limiter::new(limit, One, voice()).expect("it was checked");
    let breaker = config.breaker.clone().unwrap_or_default();
    let breaker = Breaker::new(name, breaker, rng.split(), Arc::clone(listeners));
    let places = config.bulkhead.unwrap_or(bulkhead::Config::new(1));
    let places = Places::single(places, voice());
    let members = (
        Switched::new(limit, config.rate_limit.is_some()),
        (
            Switched::new(breaker, config.breaker.is_some()),
            Switched::new(places, config.bulkhead.is_some()),
        ),
    );
    Core {
        members,
        terms: Current::new(Settings::from(&config)),
        retry,
        hedge,
        budget,
        attempt: Timeout::new(config.attempt(), voice(), NoDeadline, Fixed),
        replay,
        deadline,
        voice: voice(),
        turn: Mutex::new(Turn::default()),
        config: Live::new(config),
    }
}

impl<C, D, F> Builder<C, Cloned, D, F> {
    /// How a request is sent more than once. Default: [`Cloned`]. See [`replay`](crate::replay).
    #[must_use]
    pub fn replay<Z>(self, replay: Z) -> Builder<C, Z, D, F> {
        self.with(|it| Strategies {
            classify: it.classify,
            replay,
            deadline: it.deadline,
            fallback: it.fallback,
        })
    }
}

impl<C, Y, D, F> fmt::Debug for Builder<C, Y, D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
