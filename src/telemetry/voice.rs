use super::{
    event::{Event, EventKind},
    listeners::{Listener, Listeners, Subscription},
    name::intern,
};
use crate::sys::{Arc, AtomicU64, Now, Ordering};

/// The name of a policy and those who listen to it: how the policies tell that have no generations.
#[derive(Debug)]
pub(crate) struct Voice {
    policy: &'static str,
    /// The events told so far.
    seq: AtomicU64,
    listeners: Arc<Listeners>,
}

impl Voice {
    pub(crate) fn new(policy: &'static str, listeners: impl IntoIterator<Item = Listener>) -> Self {
        Self::among(policy, Listeners::new(listeners))
    }

    pub(crate) fn among(policy: &'static str, listeners: Arc<Listeners>) -> Self {
        Self {
            policy,
            seq: AtomicU64::new(0),
            listeners,
        }
    }

    /// Another name, and those who were there from the start.
    pub(crate) fn fork(&self, name: &str) -> Self {
        Self::among(intern(name), self.fork_listeners())
    }

    /// Those who were there from the start, for several voices of one name.
    pub(crate) fn fork_listeners(&self) -> Arc<Listeners> {
        self.listeners.fork()
    }

    /// The same name and the very same listeners, for one of many.
    pub(crate) fn alike(&self) -> Self {
        Self::among(self.policy, Arc::clone(&self.listeners))
    }

    #[inline]
    pub(crate) const fn policy(&self) -> &'static str {
        self.policy
    }

    pub(crate) fn subscribe(&self, listener: Listener) -> Subscription {
        self.listeners.subscribe(listener)
    }

    /// Whether there is a listener, the log left out.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.listeners.any()
    }

    /// Tells everybody, if there is anybody. Outside every lock.
    pub(crate) fn tell(&self, kind: EventKind) {
        self.listeners.tell(kind, |kind| Event {
            policy: self.policy,
            generation: 0,
            // Only the order counts, and that is the counter's own.
            seq: self.seq.fetch_add(1, Ordering::Relaxed) + 1,
            at: Now::lazy().get(),
            kind,
        });
    }
}
