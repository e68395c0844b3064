//! The file in which the shop's policies stand, and who follows it. This is a file to copy from.

use std::sync::{Arc, Mutex};

use buttress::reload::{Builder, File, LoadError};
use buttress::telemetry::{Event, EventKind, Subscription};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::text::exact;

/// A file of policies, followed until this is dropped.
pub struct Following {
    pub heard: Heard,
    _subscription: Subscription,
    task: JoinHandle<()>,
}

impl Following {
    /// Puts what the file says into the policies that were given to the builder, and from then on what it
    /// will say. A file that is wrong at the start is an error; one that gets wrong later changes nothing.
    pub async fn start(policies: Builder<File>) -> Result<Self, LoadError> {
        let reload = policies.load().await?;
        let heard = Heard::default();
        let subscription = reload.handle().subscribe(heard.listener());
        Ok(Self {
            heard,
            _subscription: subscription,
            task: tokio::spawn(reload.run()),
        })
    }

    /// What was put in force since the start, or rejected, a line for each: nothing unless somebody has
    /// edited the file.
    pub fn edits(&self, epoch: Instant) -> Vec<String> {
        let told = |event: &Event| {
            let at = event.at.saturating_duration_since(epoch);
            let lines = Fate::of(&event.kind)?.lines().into_iter();
            Some(lines.map(move |line| format!("{:>8}  {line}", exact(at))))
        };
        self.heard
            .events()
            .iter()
            .filter_map(told)
            .flatten()
            .collect()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What became of an edit.
pub enum Fate {
    /// In force as a whole: the settings that are others than before, with their paths.
    Taken(Vec<String>),
    /// Not in force at all: everything that is wrong with it, with its path.
    Rejected(Vec<String>),
    NotRead(String),
}

impl Fate {
    pub fn of(told: &EventKind) -> Option<Self> {
        Some(match told {
            EventKind::ConfigApplied { changes, .. } => {
                Self::Taken(changes.iter().map(ToString::to_string).collect())
            }
            EventKind::ConfigRejected { faults, .. } => Self::Rejected(faults.to_vec()),
            EventKind::SourceFailed { error, .. } => Self::NotRead(error.to_string()),
            _ => return None,
        })
    }

    pub fn lines(&self) -> Vec<String> {
        let all = |what, told: &[String]| told.iter().map(|it| format!("{what}: {it}")).collect();
        match self {
            Self::Taken(none) if none.is_empty() => vec!["taken: nothing is another".into()],
            Self::Taken(changes) => all("in force", changes),
            Self::Rejected(faults) => all("rejected", faults),
            Self::NotRead(error) => vec![format!("not read: {error}")],
        }
    }
}

/// All that was told to a listener.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    pub fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let Self(heard) = self.clone();
        move |event| {
            let mut heard = heard.lock().expect("no panic holds this lock");
            heard.push(event.clone());
        }
    }

    /// In their order: two threads may deliver theirs in another.
    pub fn events(&self) -> Vec<Event> {
        let heard = self.0.lock().expect("no panic holds this lock");
        let mut events = heard.clone();
        events.sort_by_key(|event| event.at);
        events
    }
}
