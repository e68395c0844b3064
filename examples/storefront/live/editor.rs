//! Who edits the file: this program by a script, or you.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tokio::time::{Instant, sleep, sleep_until};

use super::seen::Edit;
use crate::place::{Place, TEXT};

pub enum Editor {
    /// Edits a copy that nobody else sees.
    Script(Place),
    /// Edits the file that was named on the command line.
    You(PathBuf),
}

/// What the script makes of `failure_ratio`, and when: less than fails, no ratio at all, and what it was
/// before.
pub const STRICT: (Duration, &str) = (Duration::from_secs(1), "0.2");
pub const WRONG: (Duration, &str) = (Duration::from_secs(3), "1.5");
pub const BACK: Duration = Duration::from_secs(5);

impl Editor {
    pub fn of(place: &Place) -> io::Result<Self> {
        Ok(match place {
            Place::Theirs(path) => Self::You(path.clone()),
            Place::Copy(_) => Self::Script(Place::copy("live")?),
        })
    }

    pub fn path(&self) -> PathBuf {
        match self {
            Self::Script(place) => place.path(),
            Self::You(path) => path.clone(),
        }
    }

    /// Until the run ends.
    pub const fn time(&self) -> Duration {
        match self {
            Self::Script(_) => Duration::from_secs(7),
            Self::You(_) => Duration::from_secs(30),
        }
    }

    /// How often the run takes a look at its policy.
    pub const fn looks(&self) -> Duration {
        match self {
            Self::Script(_) => Duration::from_millis(500),
            Self::You(_) => Duration::from_secs(1),
        }
    }

    /// Edits, or notes what you do.
    pub async fn edit(&self, epoch: Instant) -> io::Result<Vec<Edit>> {
        match self {
            Self::Script(place) => script(&place.path(), epoch).await,
            Self::You(path) => Ok(notice(path, epoch, self.time()).await),
        }
    }
}

async fn script(path: &Path, epoch: Instant) -> io::Result<Vec<Edit>> {
    let ratio = |ratio| {
        let text = with_ratio(TEXT, ratio).expect("the file is checked in");
        (format!("failure_ratio: {ratio}"), text)
    };
    let mut edits = Vec::new();
    for (at, (says, text)) in [
        (STRICT.0, ratio(STRICT.1)),
        (WRONG.0, ratio(WRONG.1)),
        (BACK, ("as it was before".into(), TEXT.into())),
    ] {
        sleep_until(epoch + at).await;
        let at = epoch.elapsed();
        save(path, &text)?;
        edits.push(Edit { at, says });
    }
    Ok(edits)
}

/// As most editors do: written beside it, and then put in its place.
fn save(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

/// The text with another `failure_ratio` for `members`, if it has one.
fn with_ratio(text: &str, ratio: &str) -> Option<String> {
    const SETTING: &str = "failure_ratio: ";
    let policy = text.find("\n  members:")?;
    let value = policy + text[policy..].find(SETTING)? + SETTING.len();
    let old = text[value..].find(char::is_whitespace)?;
    Some([&text[..value], ratio, &text[value + old..]].concat())
}

/// Looks for itself, and does not ask those who are to be measured.
async fn notice(path: &Path, epoch: Instant, time: Duration) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut known = tokio::fs::read(path).await.ok();
    while epoch.elapsed() < time {
        sleep(Duration::from_millis(20)).await;
        let now = tokio::fs::read(path).await.ok();
        if now != known {
            let at = epoch.elapsed();
            edits.push(Edit {
                at,
                says: "by you".into(),
            });
            known = now;
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use buttress::document::{Document, Format};

    use super::*;

    #[test]
    fn only_the_ratio_of_members_becomes_another() {
        let text = with_ratio(TEXT, STRICT.1).unwrap();
        let [before, after] =
            [TEXT, &text].map(|text| Document::parse(text, Format::Yaml).unwrap());
        for (name, config) in &before {
            let mut expected = config.clone();
            if name == "members" {
                expected.breaker.as_mut().unwrap().failure_ratio = 0.2;
            }
            assert_eq!(after.get(name), Some(&expected), "{name}");
        }
        assert_eq!(with_ratio("policies:\n  others:\n", "0.2"), None);
    }

    #[test]
    fn the_wrong_edit_is_wrong_in_that_one_place() {
        let text = with_ratio(TEXT, WRONG.1).unwrap();
        let faults = Document::parse(&text, Format::Yaml).unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, [crate::live::bars::PATH]);
    }
}
