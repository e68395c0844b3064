//! Which directories tell that a file has become another.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    path::{Component, Path, PathBuf, absolute},
};

/// Where somebody has to look who wants to hear of a file: not at the file, which is replaced as often as it is
/// written, but at the directories in which something on the way to it can be replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    /// The file's own, or the nearest that is there; and each in which a link lies that leads to it. They
    /// are all there.
    pub(super) dirs: BTreeSet<PathBuf>,
    /// The one above the file's own: in there the directory itself is replaced.
    pub(super) above: BTreeSet<PathBuf>,
    /// What the file, its directories and links are called: the names that count in those directories.
    pub(super) names: BTreeSet<OsString>,
}

/// As many as Linux follows.
const MOST_LINKS: u32 = 40;

impl Trail {
    /// Follows a path as it leads now.
    pub(super) fn of(path: &Path) -> Self {
        let mut trail = Self::default();
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut ahead = steps(&path);
        let mut here = PathBuf::new();
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            let next = here.join(&step);
            match Path::new(&step).components().next() {
                Some(Component::Normal(_)) => {}
                Some(Component::ParentDir) => {
                    here.pop();
                    continue;
                }
                Some(Component::CurDir) | None => continue,
                Some(Component::RootDir | Component::Prefix(_)) => {
                    here = next;
                    continue;
                }
            }
            trail.names.insert(step);
            let Ok(found) = next.symlink_metadata() else {
                trail.end(here);
                return trail;
            };
            if !found.is_symlink() {
                if ahead.is_empty() {
                    trail.end(here);
                    return trail;
                }
                here = next;
                continue;
            }
            trail.dirs.insert(here.clone());
            links += 1;
            match next.read_link() {
                Ok(target) if links <= MOST_LINKS => {
                    let mut way = steps(&target);
                    way.append(&mut ahead);
                    ahead = way;
                }
                _ => return trail,
            }
        }
        trail
    }

    fn end(&mut self, dir: PathBuf) {
        self.above.extend(dir.parent().map(Path::to_owned));
        self.dirs.insert(dir);
    }
}

/// An absolute one begins with its root, and leads away from wherever it is joined to.
fn steps(path: &Path) -> VecDeque<OsString> {
    let steps = path.components().map(|step| step.as_os_str().to_owned());
    steps.collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        collections::BTreeSet,
        env,
        ffi::OsString,
        fs,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
        process,
    };

    use super::Trail;

    /// A directory without links on the way to it.
    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("buttress-trail-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.canonicalize().unwrap()
    }

    fn set<const N: usize>(paths: [&Path; N]) -> BTreeSet<PathBuf> {
        paths.map(Path::to_owned).into()
    }

    #[test]
    fn a_plain_file_is_heard_of_in_its_directory_and_the_one_above() {
        let folder = folder("plain");
        let file = folder.join("policies.yaml");
        fs::write(&file, "").unwrap();
        let trail = Trail::of(&file);
        assert_eq!(trail.dirs, set([&folder]));
        assert_eq!(trail.above, set([folder.parent().unwrap()]));
        for name in [file.file_name().unwrap(), folder.file_name().unwrap()] {
            assert!(trail.names.contains(name));
        }
        let same = folder.join("../").join(folder.file_name().unwrap());
        assert_eq!(Trail::of(&same.join("./policies.yaml")).dirs, trail.dirs);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_link_is_heard_of_where_it_lies() {
        let folder = folder("links");
        let version = folder.join("..2026_01");
        fs::create_dir_all(&version).unwrap();
        fs::write(version.join("policies.yaml"), "").unwrap();
        symlink("..2026_01", folder.join("..data")).unwrap();
        let file = folder.join("policies.yaml");
        symlink("..data/policies.yaml", &file).unwrap();
        let trail = Trail::of(&file);
        assert_eq!(trail.dirs, set([&folder, &version]));
        assert_eq!(trail.above, set([&folder]));
        assert!(trail.names.contains(&OsString::from("..data")));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_not_there_is_heard_of_in_the_nearest_directory_that_is() {
        let folder = folder("none");
        let trail = Trail::of(&folder.join("deep/down/policies.yaml"));
        assert_eq!(trail.dirs, set([&folder]));
        assert!(trail.names.contains(&OsString::from("deep")));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = folder("circle");
        symlink("b", folder.join("a")).unwrap();
        symlink("a", folder.join("b")).unwrap();
        assert_eq!(Trail::of(&folder.join("a")).dirs, set([&folder]));
        fs::remove_dir_all(folder).unwrap();
    }
}
