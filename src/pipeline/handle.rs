//! The value that is the layer and the handle.

use std::{fmt, time::Duration};

use tower::Layer;

use super::{
    builder::Builder,
    config::Config,
    core::{Core, Handle},
    cover::{NoFallback, Outermost},
    service::Resilient,
    snapshot::Snapshot,
};
use crate::{
    breaker::Order,
    classify::OnError,
    deadline::NoDeadline,
    error::InvalidConfig,
    guard::Template,
    replay::Cloned,
    sys::Arc,
    telemetry::{Event, Subscription},
};

/// All patterns in one value, in the order that works: the value you build, the layer you apply, the
/// handle you turn.
///
/// A cheap clone, a [`tower::Layer`] whose service is [`Resilient<S>`](crate::pipeline::Resilient), and
/// [`call`](Self::call) for code without tower. All clones and all services share one state. See
/// [`pipeline`](crate::pipeline).
///
/// `C` [judges](crate::Classify) the results, `Y` [keeps](crate::replay) the requests for further attempts,
/// `D` says where they carry a [deadline](crate::deadline), `F` is the [fallback](crate::Fallback). In most
/// code the type is `Resilience`.
pub struct Resilience<C = OnError, Y = Cloned, D = NoDeadline, F = NoFallback> {
    handle: Handle<C, Y, D>,
    fallback: F,
}

impl Resilience {
    /// Starts without any pattern.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The preset for most calls of one service by another ([`Config::standard`]), named `resilience`.
    #[must_use]
    pub fn standard() -> Self {
        Self::preset(Config::standard())
    }

    /// The preset for reads whose stragglers cost more than a few further requests
    /// ([`Config::latency_sensitive`]), named `resilience`.
    #[must_use]
    pub fn latency_sensitive() -> Self {
        Self::preset(Config::latency_sensitive())
    }

    fn preset(config: Config) -> Self {
        let built = Self::builder().config(config).build();
        built.expect("presets keep the rules")
    }
}

impl<C, Y, D, F> Resilience<C, Y, D, F> {
    pub(super) const fn new(handle: Handle<C, Y, D>, fallback: F) -> Self {
        Self { handle, fallback }
    }

    #[inline]
    pub(super) const fn handle(&self) -> &Handle<C, Y, D> {
        &self.handle
    }

    fn core(&self) -> &Core<Y, D> {
        self.handle.policy()
    }

    #[inline]
    pub(super) const fn cover(&self) -> &F {
        &self.fallback
    }

    /// Its name, and that of all its patterns.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core().voice.policy()
    }

    /// The settings that were taken last, all of one time.
    #[must_use]
    pub fn config(&self) -> Config {
        Config::clone(&self.core().config.get())
    }

    /// Carries out an order of an operator: what the orders of a [`CircuitBreaker`](crate::CircuitBreaker)
    /// do. Without a breaker it plays no part.
    pub fn order(&self, order: Order) {
        let breaker = self.core().breaker();
        if breaker.is_on() {
            breaker.policy.order(order);
        }
    }

    /// Tells this listener of every event of every pattern, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.core().voice.subscribe(Arc::new(listener))
    }
}

impl<C, Y, D, F: Outermost> Resilience<C, Y, D, F> {
    /// Takes other settings while it runs, for all patterns at once; those that are absent or new are
    /// switched off and on.
    ///
    /// Nothing is lost: a pattern whose settings are the same is not touched, and the others keep what they
    /// have learned and given out, as each says of its own `reconfigure` (a breaker keeps its window unless
    /// its kind or span is another one, a rate limit what was spent, a bulkhead its places). Calls under way
    /// keep their deadline and the timeout of their attempts. A breaker that is switched on begins closed,
    /// with an empty window. A bulkhead that is switched off lets in those who wait for a place; those who wait
    /// for a turn of a rate limit keep the one that they have.
    ///
    /// Of several threads that do it at once, or a listener that does it while it is told of one, the last
    /// one's settings stay; whoever is at it applies them.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every rule that they break, as from
    /// [`Builder::build`](crate::pipeline::Builder::build); the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name())?;
        let fallback = |config: &_| self.fallback.reconfigure(config);
        self.core().change(config, &fallback);
        Ok(())
    }

    /// State and counts of this moment, of the patterns that it has.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let core = self.core();
        let config = core.config.get();
        let (limit, breaker, places) = (core.limit(), core.breaker(), core.places());
        let mut timeout = core.attempt.snapshot();
        // A word holds no more than 584 years.
        timeout.limit = config.attempt_timeout.unwrap_or(Duration::MAX);
        Snapshot {
            policy: self.name(),
            retry: config.retry.as_ref().map(|_| core.retry.snapshot()),
            hedge: config.hedge.as_ref().map(|_| core.hedge.snapshot()),
            budget: core.budget.snapshot(),
            rate_limit: limit.is_on().then(|| limit.policy.snapshot()),
            breaker: breaker.is_on().then(|| breaker.policy.snapshot()),
            bulkhead: places.is_on().then(|| places.policy.snapshot()),
            timeout,
            fallback: self.fallback.snapshot(),
        }
    }
}

impl<C, Y, D, F: Clone> Clone for Resilience<C, Y, D, F> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            fallback: self.fallback.clone(),
        }
    }
}

impl<C, Y, D, F> fmt::Debug for Resilience<C, Y, D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilience")
            .field("name", &self.name())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

impl<S, C, Y, D: Clone, F: Clone> Layer<S> for Resilience<C, Y, D, F> {
    type Service = Resilient<S, C, Y, D, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Resilient::new(inner, self.clone())
    }
}
