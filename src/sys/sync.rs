//! Atomics and locks, replaced by the model checker's under `--cfg buttress_loom`.
//!
//! (A cfg of the crate's own: a bare `--cfg loom` switches off parts of tokio.)
#![allow(clippy::disallowed_types, reason = "this is the door")]

pub(crate) use std::sync::{Arc, Weak};

#[cfg(not(buttress_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(buttress_loom))]
pub(crate) use parking_lot::Mutex;

/// A lock over something that calls never touch: a table of names, a list of listeners. The model
/// checker leaves it alone, so that it may stand in a `static`.
pub(crate) use parking_lot::Mutex as Registry;

#[cfg(buttress_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(buttress_loom)]
pub(crate) use self::modelled::Mutex;

#[cfg(buttress_loom)]
mod modelled {
    /// loom's mutex with parking_lot's face: no poisoning.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}
