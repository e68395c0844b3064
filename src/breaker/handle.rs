//! What the value offers as a handle.

use std::time::Duration;

use super::{builder::Builder, config::Config, orders::Order, policy::Breaker, snapshot::Snapshot};
use crate::{
    classify::OnError,
    error::InvalidConfig,
    guard::{Guard, Template},
    sys::Arc,
    telemetry::{Event, Subscription, intern},
};

/// A circuit breaker: the value you build, the layer you apply, the handle you turn.
///
/// It is a [`Guard`] around a [`Breaker`]: a cheap clone, a [`tower::Layer`] whose service is
/// [`Guarded<S, CircuitBreaker>`](crate::guard::Guarded), and `call` and `try_acquire` for code
/// without tower. All clones and all guarded services share one state. See [`breaker`](crate::breaker).
pub type CircuitBreaker<C = OnError> = Guard<Breaker, C>;

impl CircuitBreaker {
    /// Starts with the defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<C> CircuitBreaker<C> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.policy().name()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.policy().config()
    }

    /// Takes other settings while it runs.
    ///
    /// Thresholds apply from the next settlement on; calls, generation and state stay. A count
    /// window of another length keeps its latest outcomes, as many as fit; a window of another kind
    /// or span starts empty, and the event says so. [Shadow](crate::breaker#shadow) switches nothing
    /// but whether calls are refused.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.policy().reconfigure(config)
    }

    /// State, counts and ratios of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.policy().snapshot()
    }

    /// Refuses every call, until another order; in [shadow](crate::breaker#shadow), too.
    ///
    /// Like every order it starts a new generation (calls in flight end late) with an empty window.
    pub fn force_open(&self) {
        self.policy().order(Order::ForceOpen(None));
    }

    /// Opens it for this long, without jitter; then probes decide as always. Does not count as an
    /// opening when openings grow. Until then calls are refused in [shadow](crate::breaker#shadow), too.
    pub fn force_open_for(&self, open_for: Duration) {
        self.policy().order(Order::ForceOpen(Some(open_for)));
    }

    /// Lets every call pass, until another order. Outcomes are recorded and open nothing.
    pub fn force_closed(&self) {
        self.policy().order(Order::ForceClosed);
    }

    /// Only observes, until another order: the machine runs as if it were enforcing, and the calls
    /// that it would refuse are counted and run, unjudged.
    pub fn disable(&self) {
        self.policy().order(Order::Disable);
    }

    /// Ends every order: closed, with an empty window, deciding for itself.
    pub fn reset(&self) {
        self.policy().order(Order::Reset);
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.policy().listeners().subscribe(Arc::new(listener))
    }

    /// A breaker of another name with a state of its own, and the settings, classifier and the
    /// builder's listeners of this one: for one breaker per endpoint.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        C: Clone,
    {
        let breaker = self.policy();
        let listeners = breaker.listeners().fork();
        let fork = Breaker::new(
            intern(name.as_ref()),
            breaker.config(),
            breaker.split_rng(),
            listeners,
        );
        Self::judged(fork, self.classifier().clone())
    }
}
