//! The pipelines that a document is for.

use serde_json::Value;

use super::{diff, source::Text};
use crate::{
    document::{Document, Fault, Faults},
    pipeline::{Config, remote::Remote},
    telemetry::Change,
};

/// Pipelines by name. They are not kept alive; one that is gone is forgotten.
pub(super) struct Policies(Vec<Box<dyn Remote>>);

/// What a document has led to.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) changes: Vec<Change>,
    pub(super) unregistered: Vec<String>,
}

impl Policies {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, policy: Box<dyn Remote>) {
        self.0.push(policy);
    }

    /// Puts a document into all of them, or says why into none.
    pub(super) fn read(&mut self, text: &Text) -> Result<Applied, Faults> {
        let document = Document::parse(&text.text, text.format)?;
        self.0.retain(|policy| policy.config().is_some());
        let mut faults = Vec::new();
        let mut taken = Vec::new();
        for policy in &self.0 {
            match document.require(policy.name()) {
                Err(missing) => faults.push(missing),
                Ok(config) => {
                    faults.extend(broken(&**policy, config));
                    taken.push((policy, config.clone()));
                }
            }
        }
        Faults::none_of(faults)?;
        let mut changes = Vec::new();
        for (policy, config) in taken {
            if let Some(before) = policy.config().filter(|before| *before != config) {
                let (before, after) = (tree(&before), tree(&config));
                diff::add(policy.name(), &before, &after, &mut changes);
                policy.take(config);
            }
        }
        let registered = |name: &str| self.0.iter().any(|policy| policy.name() == name);
        let others = document.names().filter(|name| !registered(name));
        Ok(Applied {
            changes,
            unregistered: others.map(str::to_owned).collect(),
        })
    }
}

fn broken(policy: &dyn Remote, config: &Config) -> Vec<Fault> {
    let Err(invalid) = policy.check(config) else {
        return Vec::new();
    };
    let faults = invalid.violations().iter().map(|broken| {
        let path = format!("policies.{}.{}", policy.name(), broken.field);
        Fault::new(path, format!("{}: {}", broken.value, broken.rule))
    });
    faults.collect()
}

/// As a document would have them. (What code alone can say, a function, has no such form.)
fn tree(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or_else(|_| Value::String(format!("{config:?}")))
}
