use std::fmt;

/// A setting that is another than before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Which: the policy's name and the path of the setting in it, `members.breaker.failure_ratio`. A
    /// pattern that came or went is one change, with all of its settings.
    pub path: String,
    /// What it was, as a document has it; none if there was none.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

impl Change {
    #[cfg_attr(
        not(feature = "reload"),
        allow(dead_code, reason = "nothing is reloaded")
    )]
    pub(crate) const fn new(path: String, before: Option<String>, after: Option<String>) -> Self {
        Self {
            path,
            before,
            after,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            before,
            after,
        } = self;
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        write!(f, "{path}: {} -> {}", word(before), word(after))
    }
}
