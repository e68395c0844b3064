//! Documents for resilience4j, as Spring Boot reads them.

use std::collections::BTreeMap;

use super::{
    dotted::spread,
    fault::{Fault, Faults},
    foreign::{known, left_out},
    inherit::typed,
    keys::{Dialect, shown, squashed},
    node::{Leaf, Map, Node},
    policies::Document,
    settings::Reader,
    tree::{Entries, Key, Tree, Value, fault, within},
};
use crate::{pipeline::Config, serial::Plain};

/// What a document for resilience4j amounts to: made by [`Document::from_resilience4j`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Translated {
    /// A policy for each name among the instances; without instances, for each among the configs.
    pub document: Document,
    /// Every key that was left out, by its path, and why.
    pub left_out: Vec<Fault>,
}

/// Their modules, without signs and capitals.
const MODULES: [&str; 5] = [
    "circuitbreaker",
    "retry",
    "bulkhead",
    "ratelimiter",
    "timelimiter",
];
/// How many configs may stand on one another.
const LONGEST: usize = 32;

/// Their defaults where we have none.
const USUAL: [(&str, &str, &str); 4] = [
    ("bulkhead", "maxConcurrentCalls", "25"),
    ("ratelimiter", "limitForPeriod", "50"),
    ("ratelimiter", "limitRefreshPeriod", "500ns"),
    ("timelimiter", "timeoutDuration", "1s"),
];

/// One module: its configs and instances, each without what was left out.
#[derive(Default)]
struct Module {
    configs: BTreeMap<String, Entries>,
    instances: Vec<(Key, Entries)>,
}

impl Translated {
    pub(super) fn of(tree: Tree) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        tree.check_keys("", &mut faults);
        let tree = spread(tree, &mut faults);
        Faults::none_of(faults)?;
        let mut reading = Reading {
            faults: Vec::new(),
            left_out: Vec::new(),
        };
        let modules = reading.modules(tree);
        let policies = reading.policies(&modules);
        Faults::none_of(reading.faults)?;
        let document = Document::of(policies);
        Ok(Self {
            document,
            left_out: reading.left_out,
        })
    }
}

struct Reading {
    faults: Vec<Fault>,
    left_out: Vec<Fault>,
}

impl Reading {
    fn modules(&mut self, tree: Tree) -> BTreeMap<&'static str, Module> {
        let mut modules = BTreeMap::new();
        let Value::Map(entries) = tree.value else {
            let message = format!("expected a map of modules, found {}", tree.kind());
            self.faults.push(fault("", message, tree.place));
            return modules;
        };
        for (key, tree) in entries {
            match (squashed(&key.text) == "resilience4j", tree.value) {
                (true, Value::Map(entries)) => {
                    for (inner, tree) in entries {
                        self.module(inner, tree, &key.text, &mut modules);
                    }
                }
                (_, value) => {
                    let tree = Tree {
                        value,
                        place: tree.place,
                    };
                    self.module(key, tree, "", &mut modules);
                }
            }
        }
        modules
    }

    fn module(
        &mut self,
        key: Key,
        tree: Tree,
        within_path: &str,
        modules: &mut BTreeMap<&'static str, Module>,
    ) {
        let path = within(within_path, &key.text);
        let known = MODULES
            .into_iter()
            .find(|name| squashed(&key.text) == *name);
        let (Some(name), Value::Map(entries)) = (known, tree.value) else {
            let reason = left_out("", &key.text, None);
            self.left_out
                .extend(reason.map(|reason| fault(&path, reason, key.place)));
            return;
        };
        let module: &mut Module = modules.entry(name).or_default();
        for (key, tree) in entries {
            let path = within(&path, &key.text);
            match (squashed(&key.text).as_str(), tree.value) {
                (_, Value::Null) => {}
                ("configs", Value::Map(all)) => {
                    for (key, tree) in all {
                        let own = self.own(name, tree, &within(&path, &key.text));
                        module.configs.insert(key.text, own);
                    }
                }
                ("instances" | "backends", Value::Map(all)) => {
                    for (key, tree) in all {
                        let path = within(&path, &key.text);
                        let own = self.own(name, tree, &path);
                        if module
                            .instances
                            .iter()
                            .any(|(known, _)| known.text == key.text)
                        {
                            let again = "is given twice, under another name of its module";
                            self.faults.push(fault(&path, again, key.place));
                        }
                        module.instances.push((key, own));
                    }
                }
                _ => {
                    let reason = left_out(name, &key.text, None);
                    self.left_out
                        .extend(reason.map(|reason| fault(&path, reason, key.place)));
                }
            }
        }
    }

    /// The keys of a config or an instance that have a counterpart. Their values are looked at.
    fn own(&mut self, module: &'static str, tree: Tree, path: &str) -> Entries {
        let place = tree.place;
        let entries = match tree.value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            _ => {
                let message = format!("expected settings, found {}", tree.kind());
                self.faults.push(fault(path, message, place));
                return Vec::new();
            }
        };
        let mut own = Vec::new();
        for (key, tree) in entries {
            let word = match &tree.value {
                Value::Word(word) => Some(word.as_str()),
                _ => None,
            };
            let counts = squashed(&key.text) == BASE || known(module, &key.text, word);
            if counts {
                own.push((key, tree));
                continue;
            }
            let reason = left_out(module, &key.text, word);
            let path = within(path, &key.text);
            self.left_out
                .extend(reason.map(|reason| fault(&path, reason, key.place)));
        }
        let settings = own.iter().filter(|(key, _)| squashed(&key.text) != BASE);
        let settings: Entries = settings.cloned().collect();
        if !settings.is_empty() {
            let tree = Tree {
                value: Value::Map(settings),
                place,
            };
            let mut reader = Reader {
                dialect: Dialect::Resilience4j,
                faults: &mut self.faults,
            };
            reader.pattern(module, &tree, path);
        }
        own
    }

    fn policies(&mut self, modules: &BTreeMap<&'static str, Module>) -> Vec<(String, Config)> {
        let mut policies: Vec<(String, Map)> = Vec::new();
        let none = modules.values().all(|module| module.instances.is_empty());
        for (name, module) in modules {
            let configs = module
                .configs
                .iter()
                .map(|(name, own)| (Key::new(name), own));
            let instances = module.instances.iter().map(|(key, own)| (key.clone(), own));
            let named: Vec<_> = if none {
                configs.collect()
            } else {
                instances.collect()
            };
            for (key, own) in named {
                let path = within("policies", &key.text);
                let merged = self.merged(module, name, own, &path, LONGEST);
                let place = key.place;
                let tree = Tree {
                    value: Value::Map(merged),
                    place,
                };
                // Its values have been looked at, each where it stands.
                let mut silent = Vec::new();
                let mut reader = Reader {
                    dialect: Dialect::Resilience4j,
                    faults: &mut silent,
                };
                let Some((pattern, mut node)) = reader.pattern(name, &tree, &path) else {
                    continue;
                };
                as_there(name, &mut node);
                let known = policies.iter().position(|(known, _)| *known == key.text);
                let at = known.unwrap_or_else(|| {
                    policies.push((
                        key.text.clone(),
                        Map {
                            place,
                            ..Map::default()
                        },
                    ));
                    policies.len() - 1
                });
                policies[at].1.entries.insert(pattern, node);
            }
        }
        if !self.faults.is_empty() {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (name, map) in policies {
            let path = within("policies", &name);
            let config = typed(&map, &path, map.place, &mut self.faults);
            all.extend(config.map(|config| (name, config)));
        }
        all
    }

    /// The settings with those that they stand on.
    fn merged(
        &mut self,
        module: &Module,
        name: &str,
        own: &Entries,
        path: &str,
        depth: usize,
    ) -> Entries {
        let given = own.iter().find(|(key, _)| squashed(&key.text) == BASE);
        let base = match given {
            Some((
                _,
                Tree {
                    value: Value::Word(word),
                    ..
                },
            )) => Some(word.as_str()),
            _ => None,
        };
        // Only an instance has a base that it does not name.
        let default = (depth == LONGEST).then_some("default");
        let config = base.or(default).and_then(|name| module.configs.get(name));
        let itself = config.is_some_and(|config| std::ptr::eq(config, own));
        let mut merged = match (config, base) {
            (Some(config), _) if !itself && depth > 0 => {
                self.merged(module, name, config, path, depth - 1)
            }
            (None, None) => Vec::new(),
            (Some(_), None) => Vec::new(),
            (found, Some(base)) => {
                let place = given.and_then(|(key, _)| key.place);
                let message = match found {
                    Some(_) => format!("config `{}` goes round in circles", shown(base)),
                    None => format!("unknown config `{}`", shown(base)),
                };
                self.faults
                    .push(fault(&format!("{path}.baseConfig"), message, place));
                Vec::new()
            }
        };
        if depth == LONGEST {
            for (_, key, usual) in USUAL.iter().filter(|(module, ..)| *module == name) {
                if !merged.iter().any(|(known, _)| now(&known.text) == now(key)) {
                    let word = Value::Word((*usual).to_owned());
                    merged.push((Key::new(*key), Tree::new(word)));
                }
            }
        }
        for (key, tree) in own.iter().filter(|(key, _)| squashed(&key.text) != BASE) {
            merged.retain(|(known, _)| now(&known.text) != now(&key.text));
            merged.push((key.clone(), tree.clone()));
        }
        merged
    }
}

/// What a key that is no longer in use is called today, without signs and capitals.
fn now(key: &str) -> String {
    let key = squashed(key);
    let today = match key.as_str() {
        "ringbuffersizeinclosedstate" => "slidingwindowsize",
        "ringbuffersizeinhalfopenstate" => "permittednumberofcallsinhalfopenstate",
        "maxretryattempts" => "maxattempts",
        "maxwaittime" => "maxwaitduration",
        _ => return key,
    };
    today.to_owned()
}

/// `baseConfig`.
const BASE: &str = "baseconfig";

/// What they mean by what they do not say, where it depends on what they do say.
fn as_there(module: &str, node: &mut Node) {
    let Node::Map(map) = node else {
        return;
    };
    match module {
        // A wait that was given is constant and exact, unless more is said.
        "retry" => {
            if let Some(Node::Map(backoff)) = map.entries.get_mut("backoff") {
                for (name, usual) in [("law", "constant"), ("jitter", "none"), ("cap", "none")] {
                    let usual = || Node::Leaf(Leaf::new(usual, None));
                    backoff.entries.entry(name).or_insert_with(usual);
                }
                let half = || Node::Leaf(Leaf::new("500ms", None));
                backoff.entries.entry("base").or_insert_with(half);
            }
        }
        "circuitbreaker" => {
            // Under its old name the window was not judged before it was full.
            if let Some(Node::Leaf(window)) = map.entries.get("window") {
                let key = window.alias.as_deref().map(squashed);
                if key.is_some_and(|key| now(&key) != key) {
                    let all = Node::Leaf(Leaf::new(window.text.clone(), None));
                    map.entries.entry("min_calls").or_insert(all);
                }
            }
            // More calls than the window holds are as many as it holds.
            let number = |name| map.text(name).and_then(u32::read);
            if let (Some(window), Some(calls)) = (number("window"), number("min_calls")) {
                if calls > window {
                    map.entries.remove("min_calls");
                    let window = Leaf::new(window.to_string(), None);
                    map.entries.insert("min_calls", Node::Leaf(window));
                }
            }
        }
        _ => {}
    }
}
