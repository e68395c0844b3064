//! Settings that are read while they change.

use super::sync::{Arc, Mutex};

/// A value that is read whole and replaced whole. Reading takes the lock for as long as it takes to
/// count a reference, so it is for the paths that a successful call does not take.
#[derive(Debug)]
pub(crate) struct Live<T>(Mutex<Arc<T>>);

impl<T> Live<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.lock())
    }

    pub(crate) fn set(&self, value: T) {
        let before = std::mem::replace(&mut *self.0.lock(), Arc::new(value));
        // What it owns may be the user's, a function: it goes after the lock.
        drop(before);
    }
}
