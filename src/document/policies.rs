//! Named policies.

use std::slice;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap};

use super::{
    fault::{Fault, Faults},
    inherit,
    resilience4j::Translated,
    tree::Tree,
};
use crate::pipeline;

/// Named policies: resolved against their bases, checked, and in the order of the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document(Vec<(String, pipeline::Config)>);

/// The policies of a document: made by [`Document::iter`].
#[derive(Debug, Clone)]
pub struct Iter<'a>(slice::Iter<'a, (String, pipeline::Config)>);

impl Document {
    /// Reads it from any format that serde knows and that says itself what it holds (JSON does, bincode does
    /// not).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its path. Where the format cannot be read at all, what its
    /// reader said.
    pub fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, Faults> {
        let tree = Tree::read(from).map_err(|error| Fault::new("", error.to_string()))?;
        Self::resolve(&tree)
    }

    /// Reads a document for resilience4j, as Spring Boot reads it: `resilience4j` with its modules, or the
    /// modules alone, with `configs` and `instances`; the keys in any spelling, also with dots in them.
    ///
    /// What an instance does not say is said by its `baseConfig`, or if it names none by the config `default`,
    /// then by our own defaults, which are not theirs (a window of 10 s, open for 5 s, a rate limit that does not let wait);
    /// where we have none, by theirs.
    ///
    /// # Errors
    ///
    /// A key that has no counterpart is none: it is [left out](Translated::left_out), and named. Values that
    /// cannot be read, unknown configs, and settings that break rules are, all of them.
    pub fn from_resilience4j<'de, D: Deserializer<'de>>(from: D) -> Result<Translated, Faults> {
        let tree = Tree::read(from).map_err(|error| Fault::new("", error.to_string()))?;
        Translated::of(tree)
    }

    pub(super) fn of(policies: Vec<(String, pipeline::Config)>) -> Self {
        Self(policies)
    }

    pub(super) fn resolve(tree: &Tree) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let policies = inherit::document(tree, &mut faults);
        Faults::none_of(faults)?;
        Ok(Self(policies))
    }

    /// The names of all policies.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The settings of the policy of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&pipeline::Config> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, config)| config)
    }

    /// All policies with their settings.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }
}

impl<'a> IntoIterator for &'a Document {
    type Item = (&'a str, &'a pipeline::Config);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a pipeline::Config);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, config)| (name.as_str(), config))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// So that it can stand in settings of your own. An error tells of all faults.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let tree = Tree::read(from)?;
        Self::resolve(&tree).map_err(D::Error::custom)
    }
}

/// Every policy in full, as it was resolved; reads as the same again.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let policies: Policies<'_> = Policies(&self.0);
        let mut map = to.serialize_map(Some(1))?;
        map.serialize_entry("policies", &policies)?;
        map.end()
    }
}

struct Policies<'a>(&'a [(String, pipeline::Config)]);

impl Serialize for Policies<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, config)| (name, config)))
    }
}
