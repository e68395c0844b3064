use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{event::Event, log};
use crate::sys::{Arc, Registry, Weak};

pub(crate) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Those who hear the events of one policy.
#[derive(Default)]
pub(crate) struct Listeners {
    list: Registry<List>,
}

#[derive(Default)]
struct List {
    last_id: u64,
    entries: Vec<(u64, Listener)>,
    /// Those that were there from the start: the first of the entries.
    built_in: usize,
}

impl Listeners {
    pub(crate) fn new(listeners: impl IntoIterator<Item = Listener>) -> Arc<Self> {
        let all = Self::default();
        for listener in listeners {
            all.add(listener);
            all.list.lock().built_in += 1;
        }
        Arc::new(all)
    }

    /// For a policy like this one: those that were there from the start.
    pub(crate) fn fork(&self) -> Arc<Self> {
        let built_in: Vec<Listener> = {
            let list = self.list.lock();
            let entries = list.entries[..list.built_in].iter();
            entries.map(|(_, listener)| Arc::clone(listener)).collect()
        };
        Self::new(built_in)
    }

    fn add(&self, listener: Listener) -> u64 {
        let mut list = self.list.lock();
        list.last_id += 1;
        let id = list.last_id;
        list.entries.push((id, listener));
        id
    }

    pub(crate) fn subscribe(self: &Arc<Self>, listener: Listener) -> Subscription {
        Subscription {
            id: self.add(listener),
            listeners: Arc::downgrade(self),
        }
    }

    /// Tells everybody, outside every lock. Events are as rare as changes of state, so looking at the
    /// list under its lock first is no cost that a call would notice.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        let listeners: Vec<Listener> = {
            let list = self.list.lock();
            let entries = list.entries.iter();
            entries.map(|(_, listener)| Arc::clone(listener)).collect()
        };
        if listeners.is_empty() && !log::HEARD {
            return;
        }
        let event = event();
        log::write(&event);
        for listener in listeners {
            // The call that caused the event has done nothing wrong. The panic hook has its say.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners")
            .field("count", &self.list.lock().entries.len())
            .finish()
    }
}

/// A listener is told of events for as long as this lives.
#[must_use = "dropping the subscription ends it"]
pub struct Subscription {
    id: u64,
    listeners: Weak<Listeners>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            let mut list = listeners.list.lock();
            let at = list.entries.iter().position(|(id, _)| *id == self.id);
            let removed = at.map(|at| list.entries.remove(at));
            // What the listener owns may be anything: it goes after the lock.
            drop(list);
            drop(removed);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
