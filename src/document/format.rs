//! The languages of texts.

use std::path::Path;

/// The language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON, as in RFC 8259.
    Json,
    /// TOML 1.
    Toml,
    /// YAML 1.2, one document.
    Yaml,
}

impl Format {
    /// By the ending of a file's name: `json`, `toml`, `yaml` or `yml`.
    ///
    /// ```
    /// use buttress::document::Format;
    /// use std::path::Path;
    ///
    /// assert_eq!(Format::of(Path::new("/etc/shop/policies.yaml")), Some(Format::Yaml));
    /// assert_eq!(Format::of(Path::new("policies")), None);
    /// ```
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}
