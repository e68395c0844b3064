//! Policies that can be had by the dozen.

use super::{policy::Policy, until::Patience, value::Guard};
use crate::error::InvalidConfig;

/// A policy that others can be made like: what is needed to have one for each key.
///
/// Every pattern of admission is one, and so are a pair of them and a guard around one.
pub trait Template: Policy + Sized {
    /// Its settings: plain data.
    type Config: Clone;

    /// What it shows of itself.
    type Snapshot;

    /// The name that one policy per key goes by, unless it is given another.
    fn name(&self) -> &'static str {
        "keyed"
    }

    /// The settings in force.
    fn config(&self) -> Self::Config;

    /// Takes other settings while it runs.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every rule that they break; the settings in force stay.
    fn reconfigure(&self, config: Self::Config) -> Result<(), InvalidConfig>;

    /// Another of the same name and listeners, with these settings and a state of its own. It shares
    /// the handles to the metrics, so that a thousand of them are registered once.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every rule that the settings break; never for settings in force.
    fn fresh(&self, config: Self::Config) -> Result<Self, InvalidConfig>;

    /// State and counts of this moment.
    fn snapshot(&self) -> Self::Snapshot;
}

/// The settings of both. Those of the second are checked before the first takes its own.
impl<A: Template, B: Template> Template for (A, B) {
    type Config = (A::Config, B::Config);
    type Snapshot = (A::Snapshot, B::Snapshot);

    fn config(&self) -> Self::Config {
        (self.0.config(), self.1.config())
    }

    fn reconfigure(&self, (first, second): Self::Config) -> Result<(), InvalidConfig> {
        let _valid = self.1.fresh(second.clone())?;
        self.0.reconfigure(first)?;
        self.1.reconfigure(second)
    }

    fn fresh(&self, (first, second): Self::Config) -> Result<Self, InvalidConfig> {
        Ok((self.0.fresh(first)?, self.1.fresh(second)?))
    }

    fn snapshot(&self) -> Self::Snapshot {
        (self.0.snapshot(), self.1.snapshot())
    }
}

impl<P: Template, C: Clone, D: Patience + Clone> Template for Guard<P, C, D> {
    type Config = P::Config;
    type Snapshot = P::Snapshot;

    fn name(&self) -> &'static str {
        self.policy().name()
    }

    fn config(&self) -> P::Config {
        self.policy().config()
    }

    fn reconfigure(&self, config: P::Config) -> Result<(), InvalidConfig> {
        self.policy().reconfigure(config)
    }

    fn fresh(&self, config: P::Config) -> Result<Self, InvalidConfig> {
        Ok(self.around(self.policy().fresh(config)?))
    }

    fn snapshot(&self) -> P::Snapshot {
        self.policy().snapshot()
    }
}
