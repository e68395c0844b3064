//! JSON as a tree.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    fault::Fault,
    lines::Lines,
    tree::{DEEPEST, Key, MOST, Place, TOO_DEEP, TOO_MUCH, Tree, Value, fault},
};

pub(super) fn read(text: &str, lines: &Lines) -> Result<Tree, Fault> {
    let raw = serde_json::from_str::<&RawValue>(text);
    let raw = raw.map_err(|error| {
        let (line, column) = (error.line().max(1), error.column().max(1));
        fault("", told(&error), Some(Place { line, column }))
    })?;
    let mut reader = Reader {
        text,
        lines,
        left: MOST,
    };
    reader.tree(raw, DEEPEST)
}

/// What is wrong, without where.
fn told(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let where_from = told.rfind(" at line ").unwrap_or(told.len());
    told[..where_from].to_owned()
}

struct Reader<'a> {
    text: &'a str,
    lines: &'a Lines,
    left: usize,
}

/// A map whose values have not been looked at.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl Reader<'_> {
    /// Values that are not looked at are parts of the text, and so tell where they stand.
    fn tree(&mut self, raw: &RawValue, depth: usize) -> Result<Tree, Fault> {
        let raw = raw.get();
        let at = (raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let place = Some(self.lines.place(at.min(self.text.len())));
        let told = |error: serde_json::Error| fault("", told(&error), place);
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| fault("", TOO_MUCH, place))?;
        let deeper = || {
            depth
                .checked_sub(1)
                .ok_or_else(|| fault("", TOO_DEEP, place))
        };
        let value = match raw.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(raw).map_err(told)?;
                let depth = deeper()?;
                let mut read = Vec::new();
                for (text, value) in entries {
                    let tree = self.tree(value, depth)?;
                    let place = tree.place;
                    read.push((Key { text, place }, tree));
                }
                Value::Map(read)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(told)?;
                let depth = deeper()?;
                let items = items.into_iter().map(|item| self.tree(item, depth));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::Word(serde_json::from_str(raw).map_err(told)?),
            Some(b'n') => Value::Null,
            _ => Value::Word(raw.to_owned()),
        };
        Ok(Tree { value, place })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        from.deserialize_map(All).map(Self)
    }
}
