//! How a hedge is built.

use std::fmt;

use super::{
    config::{Config, Delay},
    handle::Hedge,
    state::{Purse, State},
};
use crate::{
    budget::handle::Budget,
    classify::OnError,
    deadline::NoDeadline,
    error::InvalidConfig,
    replay::{Attempt, Cloned, Numbered},
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Hedge`]. The delay must be given, all else has a default; see [`Config`] for what and
/// why.
pub struct Builder<C = OnError, Y = Cloned, D = NoDeadline> {
    name: String,
    config: Config,
    purse: Asked,
    classify: C,
    replay: Y,
    deadline: D,
    listeners: Vec<Listener>,
}

/// Which budget was asked for.
enum Asked {
    Own,
    Given(Budget),
    None,
}

impl Builder {
    pub(super) fn new(delay: Delay) -> Self {
        Self {
            name: "hedge".into(),
            config: Config::new(delay),
            purse: Asked::Own,
            classify: OnError,
            replay: Cloned,
            deadline: NoDeadline,
            listeners: Vec::new(),
        }
    }
}

impl<C, Y, D> Builder<C, Y, D> {
    /// The name in errors, events, metrics and logs. Default: `hedge`. It is kept for ever: use names
    /// that are known when the code is written.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// All settings at once, the delay among them.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The most hedges of one call, one per further delay. Default: 1.
    #[must_use]
    pub fn max_hedges(mut self, hedges: u32) -> Self {
        self.config.max_hedges = hedges;
        self
    }

    /// Draws on this budget, shared with all that it is given to. Unless given: one of its own, with the
    /// defaults of [`budget::Config`](crate::budget::Config) and the hedge's name.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.purse = Asked::Given(budget);
        self
    }

    /// Sends every hedge that is due. A dependency that slows down for all its callers then gets
    /// `1 + max_hedges` times the load: for a dependency that can bear it.
    #[must_use]
    pub fn unbudgeted(mut self) -> Self {
        self.purse = Asked::None;
        self
    }

    /// What judges the results: which attempt may win. Default: [`OnError`], an error is a failure.
    #[must_use]
    pub fn classify<N>(self, classify: N) -> Builder<N, Y, D> {
        Builder {
            name: self.name,
            config: self.config,
            purse: self.purse,
            classify,
            replay: self.replay,
            deadline: self.deadline,
            listeners: self.listeners,
        }
    }

    /// Writes the attempt's number into every request, the first included: a header, an extension.
    /// Comes after [`replay`](Self::replay), which it builds upon.
    #[must_use]
    pub fn on_attempt<R, F: Fn(&mut R, Attempt)>(self, write: F) -> Builder<C, Numbered<Y, F>, D> {
        Builder {
            name: self.name,
            config: self.config,
            purse: self.purse,
            classify: self.classify,
            replay: Numbered::new(self.replay, write),
            deadline: self.deadline,
            listeners: self.listeners,
        }
    }

    /// Where a request keeps its deadline. Default: nowhere. See [`deadline`](crate::deadline).
    #[must_use]
    pub fn deadline<N>(self, deadline: N) -> Builder<C, Y, N> {
        Builder {
            name: self.name,
            config: self.config,
            purse: self.purse,
            classify: self.classify,
            replay: self.replay,
            deadline,
            listeners: self.listeners,
        }
    }

    /// Tells this listener of every event, also of its own budget's, for as long as the hedge lives, and
    /// of its [forks](Hedge::fork). See [`telemetry`](crate::telemetry).
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
    pub fn build(self) -> Result<Hedge<C, Y, D>, InvalidConfig> {
        let name = intern(&self.name);
        let budgeted = !matches!(self.purse, Asked::None);
        self.config.validate(name, budgeted)?;
        let purse = match self.purse {
            Asked::Own => Purse::Own(Budget::own(name, &self.listeners)),
            Asked::Given(budget) => Purse::Given(budget),
            Asked::None => Purse::None,
        };
        let state = State::new(self.config, purse, Voice::new(name, self.listeners));
        let (classify, replay) = (self.classify, self.replay);
        Ok(Hedge::new(state, classify, replay, self.deadline))
    }
}

impl<C, D> Builder<C, Cloned, D> {
    /// How a request is sent once more. Default: [`Cloned`]. See [`replay`](crate::replay).
    #[must_use]
    pub fn replay<N>(self, replay: N) -> Builder<C, N, D> {
        Builder {
            name: self.name,
            config: self.config,
            purse: self.purse,
            classify: self.classify,
            replay,
            deadline: self.deadline,
            listeners: self.listeners,
        }
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
