//! Handles to metrics that policies share which are made of one another.

use crate::sys::{Arc, OnceLock};

/// The handles of one policy, and of all that are [made like it](Self::fresh): whichever is first
/// registers them, for all. So one policy per key costs a recorder no more than one policy.
#[derive(Debug)]
pub(super) struct Kin<T> {
    /// Set when this very policy has them.
    own: OnceLock<T>,
    family: Arc<Family<T>>,
}

#[derive(Debug)]
struct Family<T> {
    policy: &'static str,
    handles: OnceLock<T>,
}

impl<T: Clone> Kin<T> {
    pub(super) fn new(policy: &'static str) -> Self {
        let handles = OnceLock::new();
        Self {
            own: OnceLock::new(),
            family: Arc::new(Family { policy, handles }),
        }
    }

    /// For another policy of the same name.
    pub(super) fn fresh(&self) -> Self {
        Self {
            own: OnceLock::new(),
            family: Arc::clone(&self.family),
        }
    }

    pub(super) fn policy(&self) -> &'static str {
        self.family.policy
    }

    /// The handles, once this policy has them.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.own.get()
    }

    /// The handles, and whether this policy has them from now on. The recorder is the user's code: it
    /// is asked outside every lock, the handles' own included.
    pub(super) fn join(&self, register: impl FnOnce(&'static str) -> T) -> (&T, bool) {
        const SET: &str = "set above, here or elsewhere";
        let family = &self.family;
        if family.handles.get().is_none() {
            let _ = family.handles.set(register(family.policy));
        }
        let shared = family.handles.get().expect(SET);
        let joined = self.own.set(shared.clone()).is_ok();
        (self.own.get().expect(SET), joined)
    }
}
