//! Who is told when a call's time runs out.
//!
//! A call that is answered at once has nothing to tell, and counting a reference up and down would cost
//! it more than all the rest. So a call carries no way to its policy but a number, and whoever runs out
//! of time asks a table for the policy of that number. Only where somebody listens does a call hold its
//! policy: an event is told even if the service and every handle are gone by then.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    error::{Reason, Rejected},
    sys::{Arc, AtomicU64, OnceLock, Ordering, Registry, Weak},
    telemetry::{Counters, EventKind, Expiry, Voice, name_at, names, place_of},
};

/// The name, the listeners and the counts of a timeout.
#[derive(Debug)]
pub(super) struct Core {
    /// The place of its name in the upper half, since a call may outlive its policy and tells the name all
    /// the same; and a number.
    id: u64,
    voice: Voice,
    meter: Counters<3>,
    /// In the order of [`Expiry`].
    counts: [AtomicU64; 3],
}

/// The living ones, by their numbers.
#[derive(Debug, Default)]
struct Living {
    last: u32,
    cores: BTreeMap<u64, Weak<Core>>,
}

fn living() -> &'static Registry<Living> {
    static LIVING: OnceLock<Registry<Living>> = OnceLock::new();

    LIVING.get_or_init(Registry::default)
}

impl Core {
    pub(super) fn new(voice: Voice) -> Arc<Self> {
        let name = place_of(voice.policy());
        let mut living = living().lock();
        // So many in the life of a program that the numbers begin anew are thinkable: one that lives keeps
        // its own.
        let id = loop {
            living.last = living.last.wrapping_add(1);
            let id = u64::from(name) << 32 | u64::from(living.last);
            if !living.cores.contains_key(&id) {
                break id;
            }
        };
        let core = Arc::new(Self {
            id,
            meter: Counters::new(voice.policy(), &names::TIMEOUTS),
            voice,
            counts: [(); 3].map(|()| AtomicU64::new(0)),
        });
        living.cores.insert(id, Arc::downgrade(&core));
        core
    }

    fn of(id: u64) -> Option<Arc<Self>> {
        let core = living().lock().cores.get(&id).cloned();
        // Outside the lock: it may have become the last one to hold it, and takes the lock to leave.
        core?.upgrade()
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn voice(&self) -> &Voice {
        &self.voice
    }

    pub(super) fn count(&self, kind: Expiry) -> u64 {
        self.counts[place(kind)].load(Ordering::Relaxed)
    }

    fn ran_out(&self, kind: Expiry, limit: Duration) {
        self.counts[place(kind)].fetch_add(1, Ordering::Relaxed);
        self.meter.add(place(kind));
        self.voice.tell(EventKind::TimedOut { kind, limit });
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let left = living().lock().cores.remove(&self.id);
        // What it owns is freed after the lock.
        drop(left);
    }
}

const fn place(kind: Expiry) -> usize {
    match kind {
        Expiry::Limit => 0,
        Expiry::Deadline => 1,
        Expiry::Expired => 2,
    }
}

/// What a call carries of its policy.
#[derive(Debug)]
pub(crate) struct Origin {
    id: u64,
    heard: Option<Arc<Core>>,
}

impl Origin {
    #[inline]
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self {
            id: core.id,
            heard: core.voice.is_heard().then(|| Arc::clone(core)),
        }
    }

    /// Of a policy that lives as long as its calls, heard or not.
    #[inline]
    pub(crate) const fn held(id: u64) -> Self {
        Self { id, heard: None }
    }

    /// The time has run out: counts it, tells it, and makes the error of it.
    #[cold]
    pub(crate) fn ran_out(&mut self, kind: Expiry, limit: Duration) -> Rejected {
        let policy = name_at((self.id >> 32) as u32);
        match self.heard.take().or_else(|| Core::of(self.id)) {
            Some(core) => core.ran_out(kind, limit),
            // Nobody has it any more. The metrics and the log outlive it.
            None => {
                Counters::new(policy, &names::TIMEOUTS).add(place(kind));
                Voice::new(policy, []).tell(EventKind::TimedOut { kind, limit });
            }
        }
        let reason = match kind {
            Expiry::Expired => Reason::Expired,
            Expiry::Limit => Reason::TimedOut,
            Expiry::Deadline => Reason::DeadlineExceeded,
        };
        Rejected::new(policy, reason)
    }
}
