//! The keys, with a template for their policies, a clock, a name and a voice.

use std::fmt;

use tokio::time::Instant;

use super::{
    config::{Config, Overflow},
    entry::{Entry, Hold},
    keys::{Evicted, Keys, Place},
    snapshot::Snapshot,
    tally::{Eviction, Tally},
};
use crate::{
    error::{InvalidConfig, Reason, Rejected},
    guard::{Guard, Now, Template},
    sys::{Arc, AtomicU64, Live, Mutex, OnceLock, Ordering, nanos_between},
    telemetry::{EventKind, Voice},
};

/// One policy `P` for each key `K` that `F` finds in the requests. See [`keyed`](crate::keyed).
pub struct Keyed<P: Template, K, F> {
    pub(super) by: F,
    pub(super) keys: Keys<P, K>,
    template: Box<dyn Holds<P>>,
    configure: Option<Configure<P, K>>,
    config: Live<Config>,
    /// For keys without a place; made when the first of them comes.
    shared: Mutex<Option<Arc<Entry<P, K>>>>,
    /// Counts the changes of the settings of all.
    changes: AtomicU64,
    /// 1 since the last new key found no place.
    exhausted: AtomicU64,
    first_fault: OnceLock<InvalidConfig>,
    /// Times are counted from here.
    origin: Instant,
    pub(super) voice: Voice,
    tally: Tally,
}

/// Keeps the template, whatever judges its results.
pub(super) trait Holds<P>: Send + Sync {
    fn held(&self) -> &P;
}

impl<P, C, D> Holds<P> for Guard<P, C, D>
where
    P: Send + Sync,
    C: Send + Sync,
    D: Send + Sync,
{
    fn held(&self) -> &P {
        self.policy()
    }
}

/// The settings of one key, made of those of all.
pub(super) type Configure<P, K> =
    Box<dyn Fn(&K, <P as Template>::Config) -> <P as Template>::Config + Send + Sync>;

/// How many entries a new key looks at, in case one is unused: so a turn of the hand is done within
/// half as many new keys as there are entries.
const GLANCE: usize = 2;

/// How many entries a new key without a place looks at, in case one is idle.
const SEARCH: usize = 64;

impl<P: Template, K, F> Keyed<P, K, F> {
    pub(super) fn new(
        by: F,
        template: Box<dyn Holds<P>>,
        configure: Option<Configure<P, K>>,
        config: Config,
        voice: Voice,
    ) -> Self {
        Self {
            by,
            keys: Keys::new(),
            template,
            configure,
            config: Live::new(config),
            shared: Mutex::new(None),
            changes: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            first_fault: OnceLock::new(),
            origin: Now::lazy().get(),
            tally: Tally::new(voice.policy()),
            voice,
        }
    }

    pub(super) fn template(&self) -> &P {
        self.template.held()
    }

    pub(super) fn config(&self) -> Config {
        *self.config.get()
    }

    pub(super) fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.voice.policy())?;
        self.config.set(config);
        let now = Now::lazy();
        let most = u64::from(config.max_keys);
        let above = self.keys.len().saturating_sub(most) as usize;
        if above > 0 {
            let all = usize::MAX;
            let idle = |policy: &P| policy.idle(&now);
            for evicted in self.keys.sweep(all, 0, self.nanos(&now), idle).take(above) {
                self.make_way(evicted, Eviction::Room);
            }
        }
        self.tell_of_settings();
        Ok(())
    }

    /// First the template, so that a new key has them; then all that are there. One that is made at
    /// this moment of the old settings finds the number moved on when it has its place.
    pub(super) fn reconfigure_all(&self, config: P::Config) -> Result<(), InvalidConfig> {
        self.template().reconfigure(config)?;
        self.changes.fetch_add(1, Ordering::AcqRel);
        for entry in self.keys.all().into_iter().chain(self.present_shared()) {
            self.bring_up_to_date(&entry);
        }
        self.tell_of_settings();
        Ok(())
    }

    fn tell_of_settings(&self) {
        self.voice.tell(EventKind::Reconfigured {
            window_cleared: false,
        });
    }

    fn bring_up_to_date(&self, entry: &Entry<P, K>) {
        loop {
            let changes = self.changes.load(Ordering::Acquire);
            let policy = entry.policy();
            let own = self.settings(entry.key());
            if let Err(fault) = policy.reconfigure(own) {
                self.note(fault);
                let _ = policy.reconfigure(self.template().config());
            }
            // Of two who change the settings of all at once, the later one's are to stay.
            if self.changes.load(Ordering::Acquire) == changes {
                return;
            }
        }
    }

    /// The settings for this key: the user's code.
    fn settings(&self, key: Option<&K>) -> P::Config {
        let config = self.template().config();
        match (&self.configure, key) {
            (Some(configure), Some(key)) => configure(key, config),
            _ => config,
        }
    }

    fn note(&self, fault: InvalidConfig) {
        self.tally.faulty_settings();
        // As a glance at the snapshot shows, the first is enough to mend it.
        let _ = self.first_fault.set(fault);
    }

    /// A policy for this key, with a first holder.
    fn make(&self, hash: u64, key: Option<K>) -> Hold<P, K> {
        let template = self.template();
        let policy = template.fresh(self.settings(key.as_ref()));
        let policy = policy.unwrap_or_else(|fault| {
            self.note(fault);
            let fresh = template.fresh(template.config());
            fresh.expect("settings in force break no rule")
        });
        Hold::new(hash, key, policy)
    }

    #[inline]
    fn nanos(&self, now: &Now) -> u64 {
        nanos_between(self.origin, now.get())
    }

    pub(super) fn snapshot(&self) -> Snapshot<K, P::Snapshot>
    where
        K: Clone,
    {
        let entries = self.keys.all();
        let keys = entries.iter().filter_map(|entry| {
            let key = entry.key()?.clone();
            Some((key, entry.policy().snapshot()))
        });
        Snapshot {
            policy: self.voice.policy(),
            keys: keys.collect(),
            shared: self
                .present_shared()
                .map(|shared| shared.policy().snapshot()),
            config: self.config(),
            evicted_unused: self.tally.evicted(Eviction::Unused),
            evicted_for_room: self.tally.evicted(Eviction::Room),
            evicted_oldest: self.tally.evicted(Eviction::Oldest),
            shared_calls: self.tally.shared_calls(),
            rejected: self.tally.all_rejected(),
            faulty_settings: self.tally.all_faulty_settings(),
            first_fault: self.first_fault.get().cloned(),
        }
    }

    /// Would forgetting all keys lose nothing?
    pub(super) fn all_idle(&self, now: &Now) -> bool {
        let mut all = self.keys.all().into_iter().chain(self.present_shared());
        all.all(|entry| entry.word().holders() == 0 && entry.policy().idle(now))
    }

    /// What this key's calls are asked by, held: of its own, made now if it is new, or shared.
    #[cold]
    #[inline(never)]
    pub(super) fn enter_new(&self, now: &Now, hash: u64, key: K) -> Result<Hold<P, K>, Rejected>
    where
        K: Eq,
    {
        let config = self.config();
        let most = u64::from(config.max_keys);
        let nanos = self.nanos(now);
        let idle = |policy: &P| policy.idle(now);
        for evicted in self.keys.sweep(GLANCE, config.unused(), nanos, idle) {
            self.make_way(evicted, Eviction::Unused);
        }
        if let Some(place) = self.keys.place(most) {
            return Ok(self.settle_in(place, hash, key, nanos, true));
        }
        if let Some(evicted) = self.keys.make_room(SEARCH, nanos, idle) {
            let place = self.make_way(evicted, Eviction::Room);
            // After the bound was lowered there may be too many: then the place is given up.
            if self.keys.len() <= most {
                return Ok(self.settle_in(place, hash, key, nanos, true));
            }
        }
        self.overflow(&config, hash, key, nanos)
    }

    /// The place of an evicted entry, which is counted first: it may panic when it goes.
    fn make_way<'a>(&self, evicted: Evicted<'a, P, K>, why: Eviction) -> Place<'a> {
        self.tally.evict(why);
        evicted.place()
    }

    /// A place for a new key.
    fn settle_in(&self, place: Place<'_>, hash: u64, key: K, now: u64, had_room: bool) -> Hold<P, K>
    where
        K: Eq,
    {
        let changes = self.changes.load(Ordering::Acquire);
        let new = self.make(hash, Some(key));
        let counted = self.tally.seat();
        let (hold, put) = self.keys.put(place, new, now);
        if put {
            counted.keep();
            if self.changes.load(Ordering::Acquire) != changes {
                self.bring_up_to_date(hold.entry());
            }
        } else {
            drop(counted);
        }
        if had_room {
            self.exhausted.store(0, Ordering::Relaxed);
        }
        hold
    }

    fn overflow(&self, config: &Config, hash: u64, key: K, now: u64) -> Result<Hold<P, K>, Rejected>
    where
        K: Eq,
    {
        // Somebody else's call may have made its entry in the meantime.
        if let Some(hold) = self.keys.find(hash, |known| *known == key) {
            drop(key);
            return Ok(hold);
        }
        if self.exhausted.swap(1, Ordering::Relaxed) == 0 {
            let keys = self.keys.len();
            self.voice.tell(EventKind::KeysExhausted { keys });
        }
        match config.overflow {
            Overflow::Share => {
                // May panic, and so goes before there is an answer.
                drop(key);
                let hold = self.shared();
                self.tally.share();
                Ok(hold)
            }
            Overflow::Reject => {
                self.tally.reject();
                Err(Rejected::new(self.voice.policy(), Reason::TooManyKeys))
            }
            Overflow::EvictOldest => {
                let most = u64::from(config.max_keys);
                let place = loop {
                    let Some(evicted) = self.keys.evict_oldest() else {
                        // All places are those of others that are just being made.
                        break self.keys.place_beyond();
                    };
                    let place = self.make_way(evicted, Eviction::Oldest);
                    // After the bound was lowered there may be too many.
                    if self.keys.len() <= most {
                        break place;
                    }
                };
                let hold = self.settle_in(place, hash, key, now, false);
                self.tally.oldest_made_room();
                Ok(hold)
            }
        }
    }

    fn present_shared(&self) -> Option<Arc<Entry<P, K>>> {
        self.shared.lock().clone()
    }

    fn shared(&self) -> Hold<P, K> {
        let shared = self.present_shared().unwrap_or_else(|| {
            let changes = self.changes.load(Ordering::Acquire);
            let made = self.make(0, None);
            let shared = {
                let mut shared = self.shared.lock();
                Arc::clone(shared.get_or_insert_with(|| Arc::clone(made.entry())))
            };
            if self.changes.load(Ordering::Acquire) != changes {
                self.bring_up_to_date(&shared);
            }
            shared
        });
        Hold::of(shared).expect("nobody evicts it")
    }
}

impl<P: Template, K, F> fmt::Debug for Keyed<P, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("name", &self.voice.policy())
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
