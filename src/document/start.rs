//! From a document to a pipeline.

use super::{
    fault::{Fault, Faults},
    policies::Document,
    tree::within,
};
use crate::pipeline::{self, Builder, handle::Resilience};

impl Document {
    /// A pipeline of this name with the settings of the policy of this name, to be given the strategies that
    /// code alone knows, and built.
    ///
    /// # Errors
    ///
    /// There is no such policy.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::document::Document;
    ///
    /// let text = r#"{ "base": "standard", "policies": { "members": { "deadline": "5s", "retry": "off" } } }"#;
    /// let document = Document::read(&mut serde_json::Deserializer::from_str(text))?;
    /// let members = document.policy("members")?.build()?;
    /// assert_eq!(members.name(), "members");
    /// assert!(document.policy("payments").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn policy(&self, name: &str) -> Result<Builder, Faults> {
        let config = self.require(name)?;
        Ok(Resilience::builder().name(name).config(config.clone()))
    }

    /// The settings of a policy that has to be there.
    pub(crate) fn require(&self, name: &str) -> Result<&pipeline::Config, Fault> {
        self.get(name).ok_or_else(|| {
            let others: Vec<String> = self.names().map(|name| format!("`{name}`")).collect();
            let others = match &*others {
                [] => "no policy".to_owned(),
                some => some.join(", "),
            };
            let message = format!("is not in the document, which has to have it; it has {others}");
            Fault::new(within("policies", name), message)
        })
    }
}
