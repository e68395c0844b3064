//! A guard from afar, for those who change settings by name.

use super::value::{Guard, Shared};
use crate::sys::{Arc, Weak};

/// A guard, which this does not keep alive.
pub(crate) struct Far<P, C>(Weak<Shared<P, C>>);

impl<P, C, D> Guard<P, C, D> {
    /// Itself from afar.
    pub(crate) fn far(&self) -> Far<P, C> {
        Far(Arc::downgrade(&self.shared))
    }
}

impl<P, C> Far<P, C> {
    /// Asks its policy, as long as it lives.
    pub(crate) fn policy<T>(&self, ask: impl FnOnce(&P) -> T) -> Option<T> {
        let shared = self.0.upgrade()?;
        Some(ask(&shared.policy))
    }
}
