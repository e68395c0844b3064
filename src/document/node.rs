//! Settings under their own names: what documents are merged as.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    keys::setting,
    kinds::{Kind, Usual},
    tree::Place,
};

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    /// Takes away what would be inherited.
    Off(Option<Place>),
    Map(Map),
}

#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) text: String,
    pub(super) place: Option<Place>,
    /// Under which other name it was given.
    pub(super) alias: Option<String>,
}

/// By the last word of the setting's path.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    pub(super) place: Option<Place>,
    pub(super) entries: BTreeMap<&'static str, Node>,
}

impl Leaf {
    pub(super) fn new(text: impl Into<String>, place: Option<Place>) -> Self {
        Self {
            text: text.into(),
            place,
            alias: None,
        }
    }
}

impl Node {
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Self::Leaf(leaf) => leaf.place,
            Self::Off(place) => *place,
            Self::Map(map) => map.place,
        }
    }
}

impl Map {
    /// The text of a setting within.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.entries.get(name)? {
            Node::Leaf(leaf) => Some(&leaf.text),
            Node::Off(_) | Node::Map(_) => None,
        }
    }

    /// This, where the other says nothing else.
    pub(super) fn under(mut self, over: &Self) -> Self {
        self.place = over.place.or(self.place);
        for (name, node) in &over.entries {
            let merged = match (self.entries.remove(name), node) {
                (Some(Node::Map(base)), Node::Map(over)) if !base.other_law(over) => {
                    Node::Map(base.under(over))
                }
                _ => node.clone(),
            };
            self.entries.insert(name, merged);
        }
        self
    }

    /// Another law knows other settings.
    fn other_law(&self, over: &Self) -> bool {
        let usual = |path| match setting(path).map(|setting| setting.usual) {
            Some(Usual::Is(usual)) => usual,
            _ => "",
        };
        let before = self.text("law").unwrap_or(usual("retry.backoff.law"));
        over.text("law").is_some_and(|law| law != before)
    }

    /// What stands nearest to this path, and whether it is the setting itself.
    pub(super) fn nearest(&self, path: &str) -> (Option<Place>, Option<&Leaf>) {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        match self.entries.get(name) {
            Some(Node::Map(map)) if !rest.is_empty() => {
                let (place, leaf) = map.nearest(rest);
                (place.or(map.place).or(self.place), leaf)
            }
            Some(Node::Leaf(leaf)) => (leaf.place.or(self.place), Some(leaf)),
            Some(node) => (node.place().or(self.place), None),
            None => (self.place, None),
        }
    }

    /// For serde. What is off is absent.
    pub(super) fn json(&self) -> Json {
        let entries = self.entries.iter().filter_map(|(name, node)| {
            let json = match node {
                Node::Leaf(leaf) => Json::String(leaf.text.clone()),
                Node::Off(_) => return None,
                Node::Map(map) => map.json(),
            };
            Some(((*name).to_owned(), json))
        });
        Json::Object(entries.collect())
    }

    /// Of settings that serde wrote, without those that are the default: inherited, they would only hide
    /// that nobody asked for them.
    pub(super) fn sparse(json: &Json, group: &str) -> Self {
        let mut map = Self::default();
        for (name, json) in json.as_object().into_iter().flatten() {
            let path = match group {
                "" => name.clone(),
                _ => format!("{group}.{name}"),
            };
            let Some(setting) = setting(&path) else {
                continue;
            };
            let node = match json {
                Json::Object(_) => {
                    let inner = Self::sparse(json, &path);
                    if inner.entries.is_empty() && setting.kind == (Kind::Group { off: false }) {
                        continue;
                    }
                    Node::Map(inner)
                }
                Json::String(text) => Node::Leaf(Leaf::new(text, None)),
                other => Node::Leaf(Leaf::new(other.to_string(), None)),
            };
            let usual = match (&node, setting.usual) {
                (Node::Leaf(leaf), Usual::Is(usual)) => leaf.text == usual,
                _ => false,
            };
            if !usual {
                map.entries.insert(setting.name(), node);
            }
        }
        map
    }
}
