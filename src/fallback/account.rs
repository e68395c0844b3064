//! What a fallback counts and tells, and the place that a running backup has.

use std::{fmt, mem};

use super::{config::Config, places::Places};
use crate::{
    sys::{Arc, AtomicU64, Ordering},
    telemetry::{Backed, Counters, EventKind, Voice, names},
};

/// A fallback at a glance: how many calls it was asked to back, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// Backups that run now, of those that are limited.
    pub running: u64,
    /// The backup answered in place of the failed call.
    pub answered: u64,
    /// The backup failed as well.
    pub failed: u64,
    /// As many backups as allowed were running; the failed call's own result was returned.
    pub full: u64,
    /// The backup had nothing to say; the failed call's own result was returned.
    pub declined: u64,
    /// The caller went away while the backup ran.
    pub abandoned: u64,
}

pub(super) struct Account {
    places: Places,
    /// In the order of the variants of [`Backed`].
    results: [AtomicU64; 5],
    counters: Counters<5>,
    pub(super) voice: Voice,
}

impl Account {
    pub(super) fn new(config: &Config, voice: Voice) -> Arc<Self> {
        Arc::new(Self {
            places: Places::new(config.max_concurrent),
            results: std::array::from_fn(|_| AtomicU64::new(0)),
            counters: Counters::new(voice.policy(), &names::FALLBACKS),
            voice,
        })
    }

    pub(super) fn config(&self) -> Config {
        Config {
            max_concurrent: self.places.most(),
        }
    }

    pub(super) fn reconfigure(&self, config: &Config) {
        self.places.resize(config.max_concurrent);
        self.voice.tell(EventKind::Reconfigured {
            window_cleared: false,
        });
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let count = |result: Backed| self.results[result as usize].load(Ordering::Relaxed);
        Snapshot {
            policy: self.voice.policy(),
            running: self.places.running(),
            answered: count(Backed::Answered),
            failed: count(Backed::Failed),
            full: count(Backed::Full),
            declined: count(Backed::Declined),
            abandoned: count(Backed::Abandoned),
        }
    }

    /// This became of a failed call.
    pub(super) fn ended(&self, result: Backed) {
        self.results[result as usize].fetch_add(1, Ordering::Relaxed);
        self.counters.add(result as usize);
        self.voice.tell(EventKind::FellBack { result });
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// A backup that runs, and its place. Dropped, the backup was abandoned.
pub(super) struct Place {
    account: Arc<Account>,
    /// Whether it is one of those that are counted out.
    limited: bool,
    /// What to say in the end.
    result: Backed,
}

impl Place {
    /// Nothing when it takes one of those that are counted out and none is left.
    pub(super) fn take(account: &Arc<Account>, limited: bool) -> Option<Self> {
        if limited && !account.places.take() {
            return None;
        }
        Some(Self {
            account: Arc::clone(account),
            limited,
            result: Backed::Abandoned,
        })
    }

    /// The backup ended so.
    pub(super) fn end(mut self, result: Backed) {
        self.result = result;
    }

    /// Runs a piece of the backup. A panic in it is a failure, and travels on; the place is free then,
    /// even if the future is kept.
    pub(super) fn watch<T>(place: &mut Option<Self>, piece: impl FnOnce() -> T) -> T {
        struct OnPanic<'a>(&'a mut Option<Place>);

        impl Drop for OnPanic<'_> {
            fn drop(&mut self) {
                if let Some(place) = self.0.take() {
                    place.end(Backed::Failed);
                }
            }
        }

        let on_panic = OnPanic(place);
        let value = piece();
        mem::forget(on_panic);
        value
    }
}

impl Drop for Place {
    /// First the place, then the words: who hears them may look.
    fn drop(&mut self) {
        if self.limited {
            self.account.places.give_back();
        }
        self.account.ended(self.result);
    }
}
