//! What the value offers as a handle.

use super::{builder::Builder, config::Config, policy::Places, snapshot::Snapshot};
use crate::{
    classify::OnError,
    deadline::NoDeadline,
    error::InvalidConfig,
    guard::{Flag, Guard, No, Template},
    sys::Arc,
    telemetry::{Event, Subscription},
};

/// A bulkhead: the value you build, the layer you apply, the handle you turn.
///
/// It is a [`Guard`] around [`Places`]: a cheap clone, a [`tower::Layer`] whose service is
/// [`Guarded<S, Bulkhead>`](crate::guard::Guarded), and `call`, `acquire` and `try_acquire` for code
/// without tower. All clones and all guarded services share the places. See [`bulkhead`](crate::bulkhead).
///
/// `Q` says whether a call may wait for a place: [`Yes`](crate::guard::Yes) if it was built with a queue.
/// `D` is where a request's deadline is read, which ends its wait: see [`Guard::deadline`].
pub type Bulkhead<Q = No, D = NoDeadline> = Guard<Places<Q>, OnError, D>;

impl Bulkhead {
    /// Starts with so many calls that may run at once, and without a queue.
    #[must_use]
    pub fn builder(max_concurrent: u32) -> Builder {
        Builder::new(max_concurrent)
    }
}

impl<Q: Flag, C, D> Guard<Places<Q>, C, D> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.policy().voice().policy()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.policy().config()
    }

    /// Takes other settings while it runs, at once and without waiting for anybody.
    ///
    /// With a higher limit the first in the queue are let in; with a lower one the calls that run end in
    /// peace, and nobody is let in until fewer run than may. Calls that wait stay in the queue, also if
    /// it is to hold fewer from now on, and for the time that they were given. In
    /// [shadow](crate::bulkhead#shadow) nobody waits: those who do are let in.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay. A bulkhead that was built
    /// without a queue cannot be given one: there `max_queue` must stay 0.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.policy().reconfigure(config)
    }

    /// Places, queue and counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.policy().snapshot()
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.policy().voice().subscribe(Arc::new(listener))
    }

    /// A bulkhead of another name with places of its own, and the settings, deadline strategy and
    /// builder's listeners of this one: for one bulkhead per endpoint.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        C: Clone,
        D: Clone,
    {
        self.around(self.policy().fork(name.as_ref()))
    }
}
