//! What any format is read into: words, lists and maps, and where they stood.

use std::{cell::Cell, collections::BTreeSet, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use super::{fault::Fault, keys::shown};
use crate::serial::NUMBER;

/// Where something stands in a text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) place: Option<Place>,
}

/// Numbers and truth are words as well: whether somebody wrote quotes does not matter.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Word(String),
    List(Vec<Tree>),
    Map(Vec<(Key, Tree)>),
}

pub(super) type Entries = Vec<(Key, Tree)>;

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Option<Place>,
}

/// How deep a document may be; four are needed.
pub(super) const DEEPEST: usize = 32;
/// How much may stand in it, so that nobody can fill the memory with a few lines that repeat themselves.
pub(super) const MOST: usize = 100_000;

pub(super) const TOO_DEEP: &str = "too deep: no more than 32 levels are read";
pub(super) const TOO_MUCH: &str = "too much: no more than 100000 values are read";

impl Tree {
    pub(super) fn new(value: Value) -> Self {
        Self { value, place: None }
    }

    /// In words, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Word(_) => "a word",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Tells of every key that is given twice, and of keys that are no names.
    pub(super) fn check_keys(&self, path: &str, faults: &mut Vec<Fault>) {
        match &self.value {
            Value::Null | Value::Word(_) => {}
            Value::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    item.check_keys(&format!("{path}[{n}]"), faults);
                }
            }
            Value::Map(entries) => {
                let mut seen = BTreeSet::new();
                for (key, tree) in entries {
                    let path = within(path, &key.text);
                    if !seen.insert(&key.text) {
                        faults.push(fault(&path, "is given twice", key.place));
                    }
                    tree.check_keys(&path, faults);
                }
            }
        }
    }
}

impl Key {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            place: None,
        }
    }
}

/// A fault at this path and place.
pub(super) fn fault(path: &str, message: impl Into<String>, place: Option<Place>) -> Fault {
    let fault = Fault::new(path, message);
    match place {
        Some(place) => fault.at(place.line, place.column),
        None => fault,
    }
}

/// The path of a key in the map at this path.
pub(super) fn within(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let dot = if path.is_empty() { "" } else { "." };
    match !key.is_empty() && key.len() <= 60 && key.chars().all(plain) {
        true => format!("{path}{dot}{key}"),
        false => format!("{path}{dot}\"{}\"", shown(key)),
    }
}

/// Reads a tree out of what is left of the depth and the size.
#[derive(Clone, Copy)]
pub(super) struct Seed<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Tree {
    pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let left = Cell::new(MOST);
        Seed {
            depth: DEEPEST,
            left: &left,
        }
        .deserialize(from)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        from.deserialize_any(self)
    }
}

impl Seed<'_> {
    fn word<E: Error>(self, word: impl ToString) -> Result<Tree, E> {
        self.take()?;
        Ok(Tree::new(Value::Word(word.to_string())))
    }

    fn take<E: Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| E::custom(TOO_MUCH))?);
        Ok(())
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.take()?;
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom(TOO_DEEP))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a list or a map")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        self.word(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        self.word(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        self.word(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        // As it would stand in a text: 0.0, not 0.
        self.word(format_args!("{value:?}"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        self.word(value)
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        self.take()?;
        Ok(Tree::new(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        self.deserialize(from)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        self.deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Tree::new(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = Key::new(key);
            let tree = map.next_value_seed(inner)?;
            if key.text == NUMBER {
                return Ok(tree);
            }
            entries.push((key, tree));
        }
        Ok(Tree::new(Value::Map(entries)))
    }
}
