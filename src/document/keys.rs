//! Finds a setting by the name that somebody wrote.

use super::{
    kinds::{Alias, Of, Setting},
    table::SETTINGS,
};

/// Whose names are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Ours, with the aliases.
    Own,
    /// A document for resilience4j.
    Resilience4j,
}

/// A setting, and the alias by which it was named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) setting: &'static Setting,
    pub(super) alias: Option<&'static Alias>,
}

impl Setting {
    /// Its own name: `open_for`.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path of its group: `breaker`.
    pub(super) fn group(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(group, _)| group)
    }
}

/// All settings of a group; of the group without a name, a policy's.
pub(super) fn children(group: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.group() == group)
}

pub(super) fn setting(path: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.path == path)
}

/// The setting that this key means in this group.
pub(super) fn find(group: &str, key: &str, dialect: Dialect) -> Option<Found> {
    let key = squashed(key);
    let theirs =
        || aliases(group).find(|(_, alias)| known(alias, dialect) && squashed(alias.name) == key);
    let ours = || children(group).find(|setting| squashed(setting.name()) == key);
    let ours = || {
        ours().map(|setting| Found {
            setting,
            alias: None,
        })
    };
    let theirs = || {
        theirs().map(|(setting, alias)| Found {
            setting,
            alias: Some(alias),
        })
    };
    match dialect {
        Dialect::Own => ours().or_else(theirs),
        Dialect::Resilience4j => theirs(),
    }
}

/// All aliases that are written in this group. Those of settings further in are, too, since others have no
/// groups within a pattern.
pub(super) fn aliases(
    group: &str,
) -> impl Iterator<Item = (&'static Setting, &'static Alias)> + '_ {
    let here = move |setting: &&Setting| match group {
        "" => setting.group().is_empty(),
        _ if group.contains('.') => false,
        _ => setting
            .path
            .split_once('.')
            .is_some_and(|(of, _)| of == group),
    };
    let settings = SETTINGS.iter().filter(here);
    settings.flat_map(|setting| setting.aliases.iter().map(move |alias| (setting, alias)))
}

pub(super) fn known(alias: &Alias, dialect: Dialect) -> bool {
    match alias.of {
        Of::Resilience4j => true,
        Of::Polly => dialect == Dialect::Own,
        Of::OldResilience4j => dialect == Dialect::Resilience4j,
    }
}

/// What is left of a name without signs between its words and without capitals.
pub(super) fn squashed(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}

/// The usual spellings of a name with underscores, that one first.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let pascal = name.split('_').map(capital).collect::<String>();
    let mut camel = pascal.clone();
    camel[..1].make_ascii_lowercase();
    let mut all = vec![name.to_owned()];
    for spelling in [camel, name.replace('_', "-"), pascal] {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all
}

/// What to say of a key that means nothing in this group.
pub(super) fn unknown(group: &str, key: &str, also: &[&'static str]) -> String {
    let own = children(group).map(Setting::name);
    let own: Vec<_> = own.chain(also.iter().copied()).collect();
    let others = aliases(group).map(|(_, alias)| alias.name);
    let near = meant(key, own.iter().copied().chain(others));
    let elsewhere = || {
        let same = |setting: &&Setting| squashed(setting.name()) == squashed(key);
        let found = SETTINGS.iter().find(same).map(|setting| setting.path);
        found.or_else(|| {
            let patterns = children("").map(|setting| setting.path);
            let found = |pattern: &&'static str| find(pattern, key, Dialect::Own).is_some();
            patterns.into_iter().find(found)
        })
    };
    let elsewhere = || elsewhere().map(|path| format!("it belongs to `{path}`."));
    no_such("name", key, near.or_else(elsewhere), &own)
}

/// That there is nothing of this name, perhaps a hint, and what there is.
pub(super) fn no_such(
    what: &str,
    name: &str,
    hint: Option<String>,
    known: &[impl AsRef<str>],
) -> String {
    let hint = hint.map_or(".".into(), |hint| format!(": {hint}"));
    let (name, known) = (shown(name), listed(known));
    format!("unknown {what} `{name}`{hint} Known here: {known}")
}

/// As a question.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{}`?", shown(near)))
}

/// In backticks, with commas.
fn listed(names: &[impl AsRef<str>]) -> String {
    let quoted = names
        .iter()
        .map(|name| format!("`{}`", shown(name.as_ref())));
    quoted.collect::<Vec<_>>().join(", ")
}

/// What a stranger wrote, as far as it fits into a message.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("..");
    }
    shown
}

/// The name that this one is most like, if it is like any.
fn nearest<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let key: Vec<char> = squashed(key).chars().take(80).collect();
    let far = |name: &str| {
        let name: Vec<char> = squashed(name).chars().collect();
        let most = (key.len().max(name.len()) / 3).max(1);
        let distance = distance(&key, &name);
        (distance <= most && distance < key.len()).then_some(distance)
    };
    let near = names.filter_map(|name| far(name).map(|far| (far, name)));
    near.min_by_key(|(far, _)| *far).map(|(_, name)| name)
}

/// How many letters must be put in, left out or changed (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut corner = at;
        row[0] = at + 1;
        for (n, against) in other.iter().enumerate() {
            let change = corner + usize::from(letter != against);
            corner = row[n + 1];
            row[n + 1] = change.min(row[n] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}
