//! Where the file of policies lies.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

/// The policies as they are checked in.
pub const TEXT: &str = include_str!("storefront.yaml");

/// Where the policies of this run stand.
pub enum Place {
    /// The user's own file: only the user writes there.
    Theirs(PathBuf),
    /// A copy of what is checked in, in a directory that goes with it.
    Copy(PathBuf),
}

const NAME: &str = "storefront.yaml";

impl Place {
    pub fn of(config: Option<&Path>) -> io::Result<Self> {
        match config {
            Some(path) => Ok(Self::Theirs(path.to_owned())),
            None => Self::copy("policies"),
        }
    }

    /// A copy of one's own, for who edits it.
    pub fn copy(purpose: &str) -> io::Result<Self> {
        let directory = format!("storefront-{}-{purpose}", process::id());
        let directory = env::temp_dir().join(directory);
        fs::create_dir(&directory)?;
        let copy = Self::Copy(directory);
        fs::write(copy.path(), TEXT)?;
        Ok(copy)
    }

    pub fn path(&self) -> PathBuf {
        match self {
            Self::Theirs(path) => path.clone(),
            Self::Copy(directory) => directory.join(NAME),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Copy(directory) = self {
            let _ = fs::remove_dir_all(directory);
        }
    }
}
