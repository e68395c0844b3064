//! Atomics and locks, replaced by the model checker's under `--cfg buttress_loom`.
//!
//! (A cfg of the crate's own: a bare `--cfg loom` switches off parts of tokio.)
#![allow(clippy::disallowed_types, reason = "this is the door")]

pub(crate) use std::sync::{Arc, OnceLock, Weak};

#[cfg(not(buttress_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(buttress_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// The lock of a policy's state: parking_lot's, or the model checker's. A type of our own, so that
/// the lints can tell it from one that did not come through this door.
#[derive(Debug)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

#[cfg(not(buttress_loom))]
use parking_lot as imp;

#[cfg(buttress_loom)]
use loom::sync as imp;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> imp::MutexGuard<'_, T> {
        let guard = self.0.lock();
        #[cfg(buttress_loom)]
        let guard = guard.unwrap();
        guard
    }
}

/// A lock over something that calls never touch: a table of names, a list of listeners. The model
/// checker leaves it alone, so that it may stand in a `static`.
#[derive(Debug, Default)]
pub(crate) struct Registry<T>(parking_lot::Mutex<T>);

impl<T> Registry<T> {
    pub(crate) fn lock(&self) -> parking_lot::MutexGuard<'_, T> {
        self.0.lock()
    }
}
