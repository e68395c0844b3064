//! Documents as text.

use super::{
    fault::{Fault, Faults},
    format::Format,
    lines::Lines,
    policies::Document,
    resilience4j::Translated,
    text_json, text_toml, text_yaml,
    tree::Tree,
};

/// As much as a ConfigMap holds.
const LONGEST: usize = 1 << 20;

impl Document {
    /// Reads a text.
    ///
    /// ```
    /// use buttress::document::{Document, Format};
    ///
    /// let text = "policies: { members: { base: standard, breaker: { open_fr: 1s } } }";
    /// let faults = Document::parse(text, Format::Yaml).unwrap_err();
    /// let told = faults.to_string();
    /// assert!(told.starts_with("policies.members.breaker.open_fr: unknown name `open_fr`: did you mean `open_for`?"));
    /// assert!(told.ends_with("(line 1, column 51)"));
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its path, and where it stands in the text. What cannot be
    /// read at all has no path, but a line.
    pub fn parse(text: &str, format: Format) -> Result<Self, Faults> {
        Self::resolve(&tree(text, format)?)
    }

    /// Reads a text for resilience4j. See [`from_resilience4j`](Self::from_resilience4j).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its path, and where it stands in the text.
    pub fn parse_resilience4j(text: &str, format: Format) -> Result<Translated, Faults> {
        Translated::of(tree(text, format)?)
    }
}

pub(super) fn tree(text: &str, format: Format) -> Result<Tree, Faults> {
    if text.len() > LONGEST {
        let message = "too long: no more than 1 MiB is read";
        return Err(Fault::new("", message).at(1, 1).into());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::new(text);
    let mut tree = match format {
        Format::Json => text_json::read(text, &lines)?,
        Format::Toml => text_toml::read(text, &lines)?,
        Format::Yaml => text_yaml::read(text)?,
    };
    tree.place = tree.place.or(Some(lines.place(0)));
    Ok(tree)
}
