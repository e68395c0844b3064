//! A file as a source.

use std::{
    fmt,
    panic::resume_unwind,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::timeout};

use super::{
    eye::{self, Eye, Open, Reading},
    source::{Polling, Source, SourceError, Text},
};
use crate::{
    document::Format,
    sys::{Arc, Now, bell::Bell},
};

/// A file that is followed wherever its path leads: written in place, replaced by another, behind links,
/// in a directory that is itself replaced. See [`reload`](crate::reload#a-file).
///
/// It needs a tokio runtime with time enabled. A change is heard of on a thread of its own, and read on one of
/// the runtime's blocking threads.
pub struct File {
    path: PathBuf,
    format: Option<Format>,
    debounce: Duration,
    poll: Option<Duration>,
    /// None if it is not to be watched.
    open: Option<Open>,
    bell: Arc<Bell>,
    /// None before the first look, and while one is taken.
    eye: Option<Eye>,
    /// What was answered last.
    seen: Option<Reading>,
    /// Why changes are not heard.
    deaf: Option<Arc<str>>,
    /// It is to be looked at: what rang for that rings no second time, if the look is given up.
    woken: bool,
}

const DEBOUNCE: Duration = Duration::from_millis(100);

/// How often a file is read whose changes are not heard.
const POLL: Duration = Duration::from_secs(1);

/// And one whose changes are: network file systems do not tell of what others write.
const LOOK: Duration = Duration::from_secs(10);

/// How many times its debounce a change is waited for to settle. A file that is written all the time is
/// taken as it is.
const MOST_WAITS: u32 = 20;

impl File {
    /// The file at this path. Its format is what its extension says: `json`, `toml`, `yaml`, `yml`. It need
    /// not be there yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            format: None,
            debounce: DEBOUNCE,
            poll: None,
            open: Some(eye::open),
            bell: Arc::new(Bell::new()),
            eye: None,
            seen: None,
            deaf: None,
            woken: false,
        }
    }

    /// The format of a file whose extension does not say it.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// For how long a file must stay as it is before a change is taken. Default: 100 ms, since editors write in
    /// several steps. A file that never does is taken after 20 times as long.
    #[must_use]
    pub fn debounce(mut self, debounce: Duration) -> Self {
        self.debounce = debounce;
        self
    }

    /// Does not watch, but reads the file this often, at most once a millisecond: for file systems that do not
    /// tell of changes, where ten seconds are too long.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = Some(every.max(Duration::from_millis(1)));
        self.open = None;
        self
    }

    fn language(&self) -> Result<Format, SourceError> {
        // Asked again it would say the same.
        self.format.or(Format::of(&self.path)).ok_or_else(|| {
            SourceError::closed(format!(
                "{}: its extension is none of json, toml, yaml, yml; say its format",
                self.path.display()
            ))
        })
    }

    /// Reads, after seeing to it that the next change is heard.
    async fn look(&mut self) -> Reading {
        let mut eye = self
            .eye
            .take()
            .unwrap_or_else(|| Eye::new(&self.path, self.open, &self.bell));
        let look = move || {
            let seen = eye.look();
            (eye, seen)
        };
        match spawn_blocking(look).await {
            Ok((eye, (reading, deaf))) => {
                self.eye = Some(eye);
                self.deaf = deaf.map(|error| error.to_string().into());
                reading
            }
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Err("the runtime shuts down".into()),
        }
    }

    /// Until a change was heard, or it is time to look.
    async fn wait(&self) {
        let every = self.poll.unwrap_or(match (&self.seen, &self.deaf) {
            // What is not there may come where nobody listens.
            (Some(Ok(_)), None) => LOOK,
            _ => POLL,
        });
        let _ = timeout(every, self.bell.notified()).await;
    }

    /// What the file has become once it stays as it is.
    async fn settled(&mut self, mut reading: Reading) -> Reading {
        let start = Now::lazy().get();
        let most = self.debounce.saturating_mul(MOST_WAITS);
        let over = || Now::lazy().get().saturating_duration_since(start) >= most;
        loop {
            while timeout(self.debounce, self.bell.notified()).await.is_ok() {
                if over() {
                    break;
                }
            }
            let before = std::mem::replace(&mut reading, self.look().await);
            if before == reading || over() {
                return reading;
            }
        }
    }
}

impl Source for File {
    async fn next(&mut self) -> Result<Text, SourceError> {
        let format = self.language()?;
        let reading = match self.seen {
            None => self.look().await,
            Some(_) => loop {
                if !self.woken {
                    self.wait().await;
                    self.woken = true;
                }
                let was_deaf = self.deaf.is_some();
                let mut reading = self.look().await;
                if self.seen.as_ref() != Some(&reading) {
                    reading = self.settled(reading).await;
                }
                self.woken = false;
                let other = self.seen.as_ref() != Some(&reading);
                if other || was_deaf != self.deaf.is_some() {
                    break reading;
                }
            },
        };
        self.seen = Some(reading.clone());
        match reading {
            Ok(text) => Ok(Text::new(&*text, format)),
            Err(error) => Err(SourceError::new(&*error)),
        }
    }

    fn polls(&self) -> Option<Polling> {
        let error = self.deaf.clone()?;
        Some(Polling::new(error, POLL))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("eye", &self.eye)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use std::{env, fs, process};

    use super::{super::eye, File, POLL, Polling, Source};

    #[tokio::test]
    async fn what_cannot_be_watched_is_read_every_so_often_and_watched_when_that_works() {
        let path = env::temp_dir().join(format!("buttress-file-{}.yaml", process::id()));
        fs::write(&path, "one").unwrap();
        let mut file = File::new(&path);
        file.open = Some(|_| Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)));
        assert_eq!(file.next().await.unwrap().text, "one");
        let Some(Polling { error, every, .. }) = file.polls() else {
            panic!("it cannot watch");
        };
        assert!(error.contains("limit"), "{error}");
        assert_eq!(every, POLL);

        fs::write(&path, "two").unwrap();
        assert_eq!(file.next().await.unwrap().text, "two");
        assert!(file.polls().is_some());

        // Said at once, though the text is the same.
        file.open = Some(eye::open);
        file.eye = None;
        assert_eq!(file.next().await.unwrap().text, "two");
        assert_eq!(file.polls(), None);
        fs::write(&path, "three").unwrap();
        assert_eq!(file.next().await.unwrap().text, "three");
        fs::remove_file(path).unwrap();
    }
}
