//! The value that is the layer and the handle.

use std::fmt;

use tower::Layer;

use super::{
    builder::Builder, config::Config, core::Core, future::Plan, service::Retried,
    snapshot::Snapshot,
};
use crate::{
    budget::handle::Budget,
    classify::OnError,
    deadline::NoDeadline,
    error::{InvalidConfig, Rejected},
    replay::{Attempt, Cloned, Replay},
    sys::Arc,
    telemetry::{Event, Subscription},
};

/// Repeats calls that failed: the value you build, the layer you apply, the handle you turn.
///
/// A cheap clone (one `Arc`), a [`tower::Layer`] whose service is
/// [`Retried<S, Retry>`](crate::retry::Retried), and `call` for code without tower. All clones share
/// one budget and one configuration. `C` [judges](crate::Classify) the results, `Y`
/// [keeps](crate::replay) the requests, `D` says where they carry a [deadline](crate::deadline). See
/// [`retry`](crate::retry).
pub struct Retry<C = OnError, Y = Cloned, D = NoDeadline> {
    shared: Arc<Shared<C, Y, D>>,
}

struct Shared<C, Y, D> {
    core: Core,
    /// The budget is the retry's own, and a fork has one, too.
    own_budget: bool,
    strategies: Strategies<C, Y, D>,
}

/// What the user's types know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strategies<C, Y, D> {
    pub(super) classify: C,
    pub(super) replay: Y,
    pub(super) deadline: D,
}

impl Retry {
    /// Starts with the defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<C, Y, D> Retry<C, Y, D> {
    pub(super) fn new(core: Core, own_budget: bool, strategies: Strategies<C, Y, D>) -> Self {
        Self {
            shared: Arc::new(Shared {
                core,
                own_budget,
                strategies,
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.core.voice().policy()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.core.config()
    }

    /// Takes other settings while it runs. They apply to every decision from now on, also of calls
    /// that are under way; but more attempts are nothing to a call whose last one has been sent.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name())?;
        self.shared.core.reconfigure(config);
        Ok(())
    }

    /// The budget that its extra attempts draw on, unless it has none.
    #[must_use]
    pub fn budget(&self) -> Option<&Budget> {
        self.shared.core.budget()
    }

    /// Counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.core.snapshot()
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.shared.core.voice().subscribe(Arc::new(listener))
    }

    /// A retry of another name with the settings, strategies and the builder's listeners of this one.
    /// A budget that this one was given is shared; its own is forked as well.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        C: Clone,
        Y: Clone,
        D: Clone,
    {
        let Shared {
            core,
            own_budget,
            strategies,
        } = &*self.shared;
        let budget = core.budget().map(|budget| match own_budget {
            true => budget.fork(name.as_ref()),
            false => budget.clone(),
        });
        let core = core.fork(name.as_ref(), budget);
        Self::new(core, *own_budget, strategies.clone())
    }

    #[inline]
    pub(super) fn replay(&self) -> &Y {
        &self.shared.strategies.replay
    }

    #[inline]
    pub(super) fn carrier(&self) -> &D {
        &self.shared.strategies.deadline
    }

    pub(super) fn expired(&self) -> Rejected {
        self.shared.core.expired()
    }

    #[inline]
    pub(super) fn state(&self) -> &Core {
        &self.shared.core
    }

    #[inline]
    pub(super) fn classifier(&self) -> &C {
        &self.shared.strategies.classify
    }
}

impl<S, R, C, Y: Replay<R>, D> Plan<S, R> for Retry<C, Y, D> {
    type Judge = C;
    type Kept = Y::Kept;

    #[inline]
    fn core<'a>(&'a self, _: &'a S) -> &'a Core {
        self.state()
    }

    #[inline]
    fn judge<'a>(&'a self, _: &'a S) -> &'a C {
        self.classifier()
    }

    fn again(&self, _: &S, kept: &Y::Kept, attempt: Attempt) -> Option<R> {
        self.replay().again(kept, attempt)
    }

    fn last(&self, _: &S, kept: Y::Kept, attempt: Attempt) -> Option<R> {
        self.replay().last(kept, attempt)
    }
}

impl<C, Y, D> Clone for Retry<C, Y, D> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C, Y, D> fmt::Debug for Retry<C, Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("name", &self.name())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

impl<S, C, Y, D> Layer<S> for Retry<C, Y, D> {
    type Service = Retried<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Retried::new(inner, self.clone())
    }
}
