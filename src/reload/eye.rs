//! Looks at a file, and hears of its changes. All of it blocks.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
    recommended_watcher,
};

use super::trail::Trail;
use crate::sys::{Arc, Registry, bell::Bell};

/// What stands in a file, or why that cannot be known.
pub(super) type Reading = Result<Arc<str>, Arc<str>>;

/// A larger one is no document of settings. (Kubernetes has a limit of 1 MiB.)
const MOST_BYTES: u64 = 4 << 20;

type Names = Registry<BTreeSet<OsString>>;

/// How a watcher is come by.
pub(super) type Open = fn(Hearer) -> notify::Result<RecommendedWatcher>;

pub(super) struct Eye {
    path: PathBuf,
    /// None for who does not listen.
    open: Option<Open>,
    bell: Arc<Bell>,
    names: Arc<Names>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

/// Runs on the thread of the watcher.
pub(super) struct Hearer {
    bell: Arc<Bell>,
    names: Arc<Names>,
}

pub(super) fn open(hearer: Hearer) -> notify::Result<RecommendedWatcher> {
    recommended_watcher(hearer)
}

impl Eye {
    pub(super) fn new(path: &Path, open: Option<Open>, bell: &Arc<Bell>) -> Self {
        Self {
            path: path.to_owned(),
            open,
            bell: Arc::clone(bell),
            names: Arc::default(),
            watcher: None,
            watched: BTreeSet::new(),
        }
    }

    /// Sees to it that the next change is heard, then reads: so no change falls between the two. Answers also
    /// why changes are not heard, if so.
    pub(super) fn look(&mut self) -> (Reading, Option<notify::Error>) {
        let deaf = self.watch(Trail::of(&self.path)).err();
        let reading = read(&self.path);
        let why = |error: io::Error| format!("{}: {error}", self.path.display()).into();
        (reading.map(Arc::from).map_err(why), deaf)
    }

    /// Directories that are watched already are watched anew: what is there now may be another one of that
    /// name.
    fn watch(&mut self, trail: Trail) -> notify::Result<()> {
        let Some(open) = self.open else {
            return Ok(());
        };
        *self.names.lock() = trail.names;
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(open(Hearer {
                bell: Arc::clone(&self.bell),
                names: Arc::clone(&self.names),
            })?),
        };
        for past in &self.watched {
            if !trail.dirs.contains(past) && !trail.above.contains(past) {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(past);
            }
        }
        self.watched = &trail.dirs | &trail.above;
        for dir in trail.above.difference(&trail.dirs) {
            // It may be somebody else's. A look is taken every now and then, anyway.
            let _ = watcher.watch(dir, RecursiveMode::NonRecursive);
        }
        let mut watch = |dir: &PathBuf| watcher.watch(dir, RecursiveMode::NonRecursive);
        trail.dirs.iter().try_for_each(&mut watch)
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        let error = format!("is larger than {MOST_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(text)
}

impl notify::EventHandler for Hearer {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        let counts = event.map_or(true, |event| {
            let names = self.names.lock();
            let named = |path: &PathBuf| path.file_name().is_none_or(|name| names.contains(name));
            let all = event.paths.is_empty() || event.need_rescan();
            is_change(event.kind) && (all || event.paths.iter().any(named))
        });
        if counts {
            self.bell.notify_one();
        }
    }
}

/// Reading is none, or each look would lead to another.
fn is_change(kind: EventKind) -> bool {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    !kind.is_access() || kind == written
}

impl fmt::Debug for Eye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eye")
            .field("path", &self.path)
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}
