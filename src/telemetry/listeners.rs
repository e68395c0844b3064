use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    event::{Event, EventKind},
    log,
};
use crate::sys::{Arc, AtomicU64, Ordering, Registry, Weak};

pub(crate) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Those who hear the events of one policy.
pub(crate) struct Listeners {
    list: Registry<List>,
    /// How many there are, for those who only want to know whether there are any.
    count: AtomicU64,
}

#[derive(Default)]
struct List {
    last_id: u64,
    /// Replaced whole, so that an event takes one reference to it and leaves the lock.
    entries: Arc<[(u64, Listener)]>,
    /// Those that were there from the start: the first of the entries.
    built_in: usize,
}

impl Listeners {
    pub(crate) fn new(listeners: impl IntoIterator<Item = Listener>) -> Arc<Self> {
        let all = Self {
            list: Registry::default(),
            count: AtomicU64::new(0),
        };
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
        let more = list.entries.iter().cloned().chain([(id, listener)]);
        list.entries = more.collect();
        self.counted(&list);
        id
    }

    fn remove(&self, id: u64) {
        let mut list = self.list.lock();
        let fewer = list.entries.iter().filter(|(of, _)| *of != id).cloned();
        let fewer = fewer.collect();
        let before = mem::replace(&mut list.entries, fewer);
        self.counted(&list);
        // What the listener owns may be anything: it goes after the lock.
        drop(list);
        drop(before);
    }

    /// A glance at it may be a moment late, as any listener may be.
    fn counted(&self, list: &List) {
        let count = list.entries.len() as u64;
        self.count.store(count, Ordering::Relaxed);
    }

    pub(crate) fn subscribe(self: &Arc<Self>, listener: Listener) -> Subscription {
        Subscription {
            id: self.add(listener),
            listeners: Arc::downgrade(self),
        }
    }

    /// Whether there is anybody.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Tells everybody, outside every lock. The event is built only if there is anybody.
    pub(crate) fn tell(&self, kind: EventKind, event: impl FnOnce(EventKind) -> Event) {
        if !self.any() && !log::heard(&kind) {
            return;
        }
        let listeners = Arc::clone(&self.list.lock().entries);
        let event = event(kind);
        log::write(&event);
        for (_, listener) in &*listeners {
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
            listeners.remove(self.id);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
