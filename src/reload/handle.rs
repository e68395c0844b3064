//! The value that follows a source, and the handle to it.

use std::{error, fmt, path::Path, time::Duration};

use tokio::{task::yield_now, time::sleep};

use super::{
    account::{Account, Snapshot},
    builder::Builder,
    file::File,
    policies::Policies,
    source::{Source, SourceError, Text},
};
use crate::{
    backoff::{Backoff, Delays, Jitter},
    document::Faults,
    sys::{Arc, Rng},
    telemetry::{Event, Subscription},
};

/// Follows a source of settings, and puts them into the pipelines that are registered for it. See
/// [`reload`](crate::reload).
#[must_use = "nothing is followed before it is run"]
pub struct Reload<S = File> {
    source: S,
    policies: Policies,
    /// What the source has answered with last.
    last: Option<Text>,
    account: Arc<Account>,
    rng: Rng,
}

/// Tells how a [`Reload`] fares while it runs: a cheap clone.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Account>);

/// Why there is no first reading. Nothing was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The source failed.
    Source(SourceError),
    /// Its document does not keep the rules, or does not have all policies.
    Rejected(Faults),
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Reload {
    /// Follows the file at this path, whose format its extension says. See [`File`] for other ways, which go to
    /// [`builder`](Self::builder).
    pub fn file(path: impl AsRef<Path>) -> Builder<File> {
        Self::builder(File::new(path))
    }
}

impl Reload {
    /// Follows this source.
    pub fn builder<T: Source>(source: T) -> Builder<T> {
        Builder::new(source)
    }
}

impl<S: Source> Reload<S> {
    pub(super) fn new(source: S, policies: Policies, account: Account, rng: Rng) -> Self {
        Self {
            source,
            policies,
            last: None,
            account: Arc::new(account),
            rng,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.account.voice.policy()
    }

    /// How it fares, also once it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.account))
    }

    /// What [`Builder::load`] waits for.
    pub(super) async fn load(&mut self) -> Result<(), LoadError> {
        let answer = self.source.next().await;
        self.account.polls(self.source.polls());
        let text = answer.map_err(LoadError::Source)?;
        let applied = self.policies.read(&text).map_err(LoadError::Rejected)?;
        self.account.applied(applied);
        self.last = Some(text);
        Ok(())
    }

    /// Follows the source for as long as it is polled: spawn it. It ends only if the source says that nothing
    /// more will come.
    ///
    /// Whatever happens to the source, the policies keep the last document that was taken. A source that
    /// fails is asked again, after 100 ms at first and up to 30 s, half of it drawn by chance.
    ///
    /// # Panics
    ///
    /// The future panics outside a tokio runtime with time enabled, and when the source does.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point it stops following: a document is in force as a whole or not at all.
    pub async fn run(mut self) {
        let mut waits = self.waits();
        loop {
            match self.source.next().await {
                Ok(text) => {
                    self.read(text);
                    waits = self.waits();
                    self.account.polls(self.source.polls());
                }
                Err(error) => {
                    let wait = waits.next().filter(|_| !error.is_closed());
                    self.account.failed(&error, wait);
                    self.account.polls(self.source.polls());
                    let Some(wait) = wait else {
                        return;
                    };
                    sleep(wait).await;
                }
            }
            // So that it can be stopped, though the source never has to wait.
            yield_now().await;
        }
    }

    fn read(&mut self, text: Text) {
        if self.last.as_ref() == Some(&text) {
            return self.account.same();
        }
        match self.policies.read(&text) {
            Ok(applied) => self.account.applied(applied),
            Err(faults) => self.account.rejected(&faults),
        }
        self.last = Some(text);
    }

    /// From the first one on.
    fn waits(&mut self) -> Delays {
        let backoff = Backoff::exponential(FIRST_WAIT).cap(LONGEST_WAIT);
        backoff.jitter(Jitter::Equal).delays(self.rng.next())
    }
}

impl Handle {
    /// Counts and troubles of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.0.voice.subscribe(Arc::new(listener))
    }
}

impl<S> fmt::Debug for Reload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "no settings to be had: {error}"),
            Self::Rejected(faults) => write!(f, "settings rejected:\n{faults}"),
        }
    }
}

impl error::Error for LoadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            Self::Rejected(faults) => Some(faults),
        }
    }
}
