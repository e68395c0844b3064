//! Reads settings: whatever they were called becomes theirs, and every value is looked at.

use super::{
    combine::{Part, Parts},
    fault::Fault,
    keys::{self, Dialect, Found, shown, squashed},
    kinds::{Kind, Means, Setting},
    node::{Leaf, Map, Node},
    table::LIMITS,
    tree::{Key, Place, Tree, Value, fault, within},
};
use crate::serial::Plain;

pub(super) struct Reader<'a> {
    pub(super) dialect: Dialect,
    pub(super) faults: &'a mut Vec<Fault>,
}

/// Where a value was found, and under which name.
#[derive(Clone, Copy)]
struct Given<'a> {
    tree: &'a Tree,
    key: &'a Key,
    path: &'a str,
}

impl<'a> Given<'a> {
    fn new(tree: &'a Tree, key: &'a Key, path: &'a str) -> Self {
        Self { tree, key, path }
    }
}

pub(super) fn is_off(word: &str) -> bool {
    word.trim() == "none" || bool::read(word) == Some(false)
}

impl Reader<'_> {
    /// The settings of a policy. `also` are further keys that are none of its settings.
    pub(super) fn policy(
        &mut self,
        entries: &[(Key, Tree)],
        path: &str,
        place: Option<Place>,
        also: &[&'static str],
    ) -> Map {
        let others = entries
            .iter()
            .filter(|(key, _)| !also.contains(&key.text.as_str()));
        self.map("", others, path, place, also)
    }

    /// One pattern of a policy, by its name and its value; where it stands.
    pub(super) fn pattern(
        &mut self,
        key: &str,
        tree: &Tree,
        path: &str,
    ) -> Option<(&'static str, Node)> {
        let found = keys::find("", key, self.dialect)?;
        let key = Key {
            text: key.to_owned(),
            place: tree.place,
        };
        let given = Given {
            tree,
            key: &key,
            path,
        };
        let node = self.value(found, given)?;
        Some((found.setting.name(), node))
    }

    /// The settings of one pattern, or of a group within.
    fn group(&mut self, group: &str, tree: &Tree, path: &str) -> Option<Map> {
        match &tree.value {
            Value::Map(entries) => Some(self.map(group, entries.iter(), path, tree.place, &[])),
            _ => {
                let kind = tree.kind();
                let message = format!("expected settings of `{group}`, found {kind}");
                self.faults.push(fault(path, message, tree.place));
                None
            }
        }
    }

    fn map<'t>(
        &mut self,
        group: &str,
        entries: impl Iterator<Item = &'t (Key, Tree)>,
        path: &str,
        place: Option<Place>,
        also: &[&'static str],
    ) -> Map {
        let mut map = Map {
            place,
            ..Map::default()
        };
        let (mut parts, mut further_in) = (Vec::new(), Vec::new());
        for (key, tree) in entries {
            let path = within(path, &key.text);
            match keys::find(group, &key.text, self.dialect) {
                // After the groups that they belong to, wherever those stand.
                Some(found) if found.setting.group() != group => {
                    further_in.push((found, key, tree, path));
                }
                Some(found) => self.entry(
                    &mut map,
                    group,
                    found,
                    Given::new(tree, key, &path),
                    &mut parts,
                ),
                None => {
                    let message = keys::unknown(group, &key.text, also);
                    self.faults.push(fault(&path, message, key.place));
                }
            }
        }
        for (found, key, tree, path) in further_in {
            self.entry(
                &mut map,
                group,
                found,
                Given::new(tree, key, &path),
                &mut parts,
            );
        }
        self.combined(&mut map, group, &parts);
        map
    }

    fn entry(
        &mut self,
        map: &mut Map,
        group: &str,
        found: Found,
        given: Given<'_>,
        parts: &mut Vec<Part>,
    ) {
        match found.alias {
            Some(alias) if alias.means == Means::Part => parts.extend(self.part(alias.name, given)),
            _ => {
                let node = self.value(found, given);
                self.put(map, group, found.setting, given, node);
            }
        }
    }

    /// What several keys amount to.
    fn combined(&mut self, map: &mut Map, group: &str, parts: &[Part]) {
        let parts = Parts {
            given: parts,
            dialect: self.dialect,
            faults: self.faults,
        };
        for (path, text, part) in parts.amounts(group) {
            let Some(setting) = keys::setting(path) else {
                continue;
            };
            // Given beside the wait, it is no part of it.
            if setting.name() == "max_queue" && map.entries.contains_key("max_queue") {
                continue;
            }
            let tree = Tree::new(Value::Null);
            let key = Key {
                text: part.key.clone(),
                place: part.place,
            };
            let given = Given {
                tree: &tree,
                key: &key,
                path: &part.path,
            };
            let node = self.leaf(setting.kind, Ok(text), given, true);
            self.put(map, group, setting, given, node);
        }
    }

    fn part(&mut self, name: &'static str, given: Given<'_>) -> Option<Part> {
        let Value::Word(text) = &given.tree.value else {
            self.expected("a word or a number", given);
            return None;
        };
        Some(Part {
            name,
            text: text.clone(),
            key: given.key.text.clone(),
            path: given.path.to_owned(),
            place: given.tree.place.or(given.key.place),
        })
    }

    /// Puts it where the setting belongs, unless it is there already. `map` is of this group.
    fn put(
        &mut self,
        map: &mut Map,
        group: &str,
        setting: &'static Setting,
        given: Given<'_>,
        node: Option<Node>,
    ) {
        let Some(node) = node else {
            return;
        };
        let mut map = map;
        // An alias may stand further out than the setting itself.
        if setting.group() != group {
            let place = map.place;
            let name = keys::setting(setting.group()).map_or("", Setting::name);
            let inner = map.entries.entry(name);
            let inner = inner.or_insert_with(|| {
                Node::Map(Map {
                    place,
                    ..Map::default()
                })
            });
            let Node::Map(inner) = inner else {
                let message = format!("is part of `{name}`, which is off");
                self.faults
                    .push(fault(given.path, message, given.key.place));
                return;
            };
            map = inner;
        }
        if let Some(before) = map.entries.get(setting.name()) {
            let before = match before {
                Node::Leaf(Leaf {
                    alias: Some(alias), ..
                }) => alias.as_str(),
                _ => setting.name(),
            };
            // Given twice under one name, it has been told.
            if before != given.key.text {
                let message = format!(
                    "says the same as `{}`, which is given as well",
                    shown(before)
                );
                self.faults
                    .push(fault(given.path, message, given.key.place));
            }
            return;
        }
        map.entries.insert(setting.name(), node);
    }

    fn value(&mut self, found: Found, given: Given<'_>) -> Option<Node> {
        let Found { setting, alias } = found;
        let place = given.tree.place.or(given.key.place);
        match (&given.tree.value, setting.kind) {
            (Value::Null, _) => Some(Node::Off(place)),
            (Value::Map(_), Kind::Group { .. } | Kind::Delay) => self
                .group(setting.path, given.tree, given.path)
                .map(Node::Map),
            (Value::Map(entries), Kind::Limit) => self.limit(entries, given),
            (Value::Word(word), Kind::Group { off }) => self.switch(setting, off, word, given),
            (Value::Word(word), Kind::Optional | Kind::Limit) if is_off(word) => {
                Some(Node::Off(place))
            }
            (Value::Word(word), kind) => {
                let means = alias.map_or(Means::Same, |alias| alias.means);
                let mut read = means.convert(word);
                if alias.is_none() && kind.check(word).is_err() {
                    // Ours, but perhaps as others write its value.
                    let same = |name: &str| squashed(name) == squashed(setting.name());
                    let theirs = setting.aliases.iter().find(|alias| same(alias.name));
                    let theirs = theirs.and_then(|alias| alias.means.convert(word).ok());
                    read = theirs.map_or(read, Ok);
                }
                let own = squashed(&given.key.text) == squashed(setting.name());
                self.leaf(kind, read, given, !own)
            }
            (_, kind) => {
                let expected = match kind {
                    Kind::Group { .. } => "settings",
                    _ => "a word or a number",
                };
                self.expected(expected, given);
                None
            }
        }
    }

    fn leaf(
        &mut self,
        kind: Kind,
        read: Result<String, String>,
        given: Given<'_>,
        aliased: bool,
    ) -> Option<Node> {
        let place = given.tree.place.or(given.key.place);
        let checked = read.and_then(|text| kind.check(&text).map(|()| text));
        match checked {
            Ok(text) => {
                let alias = aliased.then(|| given.key.text.clone());
                Some(Node::Leaf(Leaf { text, place, alias }))
            }
            Err(expected) => {
                let message = match &given.tree.value {
                    Value::Word(word) => format!("`{}`: {expected}", shown(word)),
                    _ => expected,
                };
                self.faults.push(fault(given.path, message, place));
                None
            }
        }
    }

    /// A pattern as one word.
    fn switch(
        &mut self,
        setting: &'static Setting,
        off: bool,
        word: &str,
        given: Given<'_>,
    ) -> Option<Node> {
        let place = given.tree.place.or(given.key.place);
        let empty = || Map {
            place,
            ..Map::default()
        };
        match setting.path {
            "retry.backoff" if is_off(word) => {
                let mut map = empty();
                map.entries
                    .insert("law", Node::Leaf(Leaf::new("none", place)));
                Some(Node::Map(map))
            }
            _ if off && is_off(word) => Some(Node::Off(place)),
            _ if off && bool::read(word) == Some(true) => Some(Node::Map(empty())),
            path => {
                let or_off = if off { ", or off" } else { "" };
                let message = format!("`{}`: expected settings of `{path}`{or_off}", shown(word));
                self.faults.push(fault(given.path, message, place));
                None
            }
        }
    }

    /// A time limit in a group of its own: `{ timeout: 3s }`.
    fn limit(&mut self, entries: &[(Key, Tree)], given: Given<'_>) -> Option<Node> {
        let mut limit = None;
        for (key, tree) in entries {
            let path = within(given.path, &key.text);
            let inner = Given {
                tree,
                key,
                path: &path,
            };
            let named = |alias: &&_| {
                keys::known(alias, self.dialect) && squashed(alias.name) == squashed(&key.text)
            };
            let Some(alias) = LIMITS.iter().find(named) else {
                let names: Vec<_> = LIMITS.iter().map(|alias| alias.name).collect();
                let message = keys::no_such("name", &key.text, None, &names);
                self.faults.push(fault(&path, message, key.place));
                continue;
            };
            let place = tree.place.or(key.place);
            let node = match &tree.value {
                Value::Word(word) if is_off(word) => Some(Node::Off(place)),
                Value::Word(word) => self.leaf(Kind::Limit, alias.means.convert(word), inner, true),
                Value::Null => Some(Node::Off(place)),
                Value::List(_) | Value::Map(_) => {
                    self.expected("a duration", inner);
                    None
                }
            };
            if limit.is_some() {
                self.faults
                    .push(fault(&path, "says the same as another key here", key.place));
            }
            limit = limit.or(node);
        }
        if entries.is_empty() {
            self.expected("a duration", given);
        }
        limit
    }

    fn expected(&mut self, expected: &str, given: Given<'_>) {
        let message = format!("expected {expected}, found {}", given.tree.kind());
        let place = given.tree.place.or(given.key.place);
        self.faults.push(fault(given.path, message, place));
    }
}
