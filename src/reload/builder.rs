use std::fmt;

use super::{
    account::Account,
    handle::{LoadError, Reload},
    policies::Policies,
    source::Source,
};
use crate::{
    pipeline::{Outermost, handle::Resilience},
    sys::{Arc, Rng},
    telemetry::{Event, Listener, Voice, intern},
};

/// Builds a [`Reload`]: says which policies are to follow its source.
#[must_use = "nothing follows the source before it is loaded or built"]
pub struct Builder<S> {
    source: S,
    policies: Policies,
    name: String,
    listeners: Vec<Listener>,
    seed: Option<u64>,
}

impl<S: Source> Builder<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            policies: Policies::new(),
            name: "reload".into(),
            listeners: Vec::new(),
            seed: None,
        }
    }

    /// This pipeline follows what the document has under its name. A document without it is rejected. Of several
    /// with one name all follow.
    ///
    /// It is not kept alive: once all its clones and services are gone, nobody asks for it any more.
    pub fn policy<C, Y, D, F>(mut self, policy: &Resilience<C, Y, D, F>) -> Self
    where
        C: Send + Sync + 'static,
        Y: Send + Sync + 'static,
        D: Clone + Send + Sync + 'static,
        F: Outermost,
    {
        self.policies.add(policy.remote());
        self
    }

    /// The name of the reloader, in events, metrics and logs. Default: `reload`. It is kept for ever.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Tells this listener of every event. See [`telemetry`](crate::telemetry).
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Makes the jitter of waits for a source that failed reproducible, for tests.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Reads the source, and puts its document into all policies. Changes are followed by
    /// [`run`](Reload::run); without it, this is the one reading.
    ///
    /// # Errors
    ///
    /// [`LoadError`]: the source failed, or its document was rejected, and nothing was changed. It is not asked
    /// again; a service that is to start in any case with what its policies were built with uses
    /// [`build`](Self::build) instead.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: a document is in force as a whole or not at all.
    pub async fn load(self) -> Result<Reload<S>, LoadError> {
        let mut reload = self.build();
        reload.load().await?;
        Ok(reload)
    }

    /// Does not read yet: [`run`](Reload::run) does, and its policies keep what they were built with
    /// until the source has answered with a document that is taken.
    #[must_use = "nothing follows the source before it is run"]
    pub fn build(self) -> Reload<S> {
        let voice = Voice::new(intern(&self.name), self.listeners);
        let rng = self.seed.map_or_else(Rng::from_entropy, Rng::seeded);
        Reload::new(self.source, self.policies, Account::new(voice), rng)
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
