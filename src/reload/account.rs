//! What became of the readings, and who is told of it.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::{
    policies::Applied,
    source::{Polling, SourceError},
};
use crate::{
    document::Faults,
    sys::{Arc, Mutex, Now},
    telemetry::{Change, Counters, EventKind, Voice, names},
};

/// A reloader at a glance, for a health page.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// Documents put into the policies, ever.
    pub applied: u64,
    /// Readings of which nothing followed, ever.
    pub unchanged: u64,
    /// Documents rejected, ever.
    pub rejected: u64,
    /// How often the source failed, ever.
    pub failed: u64,
    /// When the document in force was put there; none before the first.
    pub last_applied: Option<Instant>,
    /// What was another than before, then.
    pub last_changes: Arc<[Change]>,
    /// Why what the source has now is not in force; none if it is.
    pub rejection: Option<Trouble>,
    /// Why the source does not answer; none if it does.
    pub failure: Option<Trouble>,
    /// Whether the source looks every so often, since it cannot watch.
    pub polls: Option<Polling>,
}

impl Snapshot {
    /// Whether what is in force is what the source has, as far as anybody knows.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.last_applied.is_some() && self.rejection.is_none() && self.failure.is_none()
    }
}

/// Something that is wrong, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// When it was found last.
    pub at: Instant,
    /// What, one fault on a line.
    pub error: Arc<str>,
}

/// What is known of a source's readings.
pub(super) struct Account {
    pub(super) voice: Voice,
    counters: Counters<4>,
    state: Mutex<Snapshot>,
}

/// In the order of the metric's label.
enum Taken {
    Applied,
    Unchanged,
    Rejected,
    Failed,
}

impl Account {
    pub(super) fn new(voice: Voice) -> Self {
        let state = Snapshot {
            policy: voice.policy(),
            applied: 0,
            unchanged: 0,
            rejected: 0,
            failed: 0,
            last_applied: None,
            last_changes: Arc::default(),
            rejection: None,
            failure: None,
            polls: None,
        };
        Self {
            counters: Counters::new(voice.policy(), &names::RELOADS),
            voice,
            state: Mutex::new(state),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.state.lock().clone()
    }

    fn taken(&self, taken: Taken, change: impl FnOnce(&mut Snapshot, Instant)) {
        let now = Now::lazy().get();
        change(&mut self.state.lock(), now);
        self.counters.add(taken as usize);
    }

    /// The source has answered with what it had answered before.
    pub(super) fn same(&self) {
        self.taken(Taken::Unchanged, |state, _| {
            state.unchanged += 1;
            state.failure = None;
        });
    }

    pub(super) fn applied(&self, applied: Applied) {
        let Applied {
            changes,
            unregistered,
        } = applied;
        let anew = {
            let state = self.state.lock();
            state.last_applied.is_none() || state.rejection.is_some()
        };
        if changes.is_empty() && !anew {
            return self.same();
        }
        let changes: Arc<[Change]> = changes.into();
        self.taken(Taken::Applied, |state, now| {
            state.applied += 1;
            state.last_applied = Some(now);
            state.last_changes = Arc::clone(&changes);
            state.rejection = None;
            state.failure = None;
        });
        self.voice.tell(EventKind::ConfigApplied {
            changes,
            unregistered: unregistered.into(),
        });
    }

    pub(super) fn rejected(&self, faults: &Faults) {
        let error: Arc<str> = faults.to_string().into();
        self.taken(Taken::Rejected, |state, at| {
            state.rejected += 1;
            state.rejection = Some(Trouble { at, error });
            state.failure = None;
        });
        let faults = faults.iter().map(ToString::to_string).collect();
        self.voice.tell(EventKind::ConfigRejected { faults });
    }

    pub(super) fn failed(&self, error: &SourceError, retry_in: Option<Duration>) {
        let error: Arc<str> = error.to_string().into();
        self.taken(Taken::Failed, |state, at| {
            state.failed += 1;
            let error = Arc::clone(&error);
            state.failure = Some(Trouble { at, error });
        });
        self.voice.tell(EventKind::SourceFailed { error, retry_in });
    }

    /// Whether the source polls now.
    pub(super) fn polls(&self, polls: Option<Polling>) {
        {
            let mut state = self.state.lock();
            if state.polls == polls {
                return;
            }
            state.polls.clone_from(&polls);
        }
        if let Some(Polling { error, every }) = polls {
            self.voice.tell(EventKind::WatchFailed {
                error,
                polled_every: every,
            });
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}
