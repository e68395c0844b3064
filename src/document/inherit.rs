//! Resolves policies against what they are based on.

use std::collections::BTreeMap;

use super::{
    fault::Fault,
    keys::{Dialect, children, meant, no_such, shown},
    kinds::{Setting, Usual},
    node::{Map, Node},
    settings::{Reader, is_off},
    table::RULES,
    tree::{Key, Place, Tree, Value, fault, within},
};
use crate::{backoff::Backoff, pipeline::Config};

type Preset = (&'static str, fn() -> Config);

/// The presets, as bases.
const PRESETS: [Preset; 2] = [
    ("standard", Config::standard),
    ("latency_sensitive", Config::latency_sensitive),
];
const NONE: &str = "none";
const BASE: &str = "base";
/// How many policies may stand on one another.
const LONGEST: usize = 32;

fn reserved() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name).chain([NONE])
}

fn preset(name: &str) -> Option<Map> {
    let (_, preset) = PRESETS.iter().find(|(known, _)| *known == name)?;
    let json = serde_json::to_value(preset()).expect("a preset has no function in it");
    Some(Map::sparse(&json, ""))
}

/// A policy as it was given.
struct Layer {
    name: String,
    path: String,
    base: Base,
    settings: Map,
    /// It has faults of its own, so nothing can be said of what depends on it.
    faulty: bool,
    place: Option<Place>,
}

enum Base {
    /// The document's.
    Inherited,
    None,
    Named(String, Option<Place>),
}

/// Reads and resolves all policies of a document.
pub(super) fn document(tree: &Tree, faults: &mut Vec<Fault>) -> Vec<(String, Config)> {
    tree.check_keys("", faults);
    let Value::Map(entries) = &tree.value else {
        let message = format!(
            "expected a map of `base` and `policies`, found {}",
            tree.kind()
        );
        faults.push(fault("", message, tree.place));
        return Vec::new();
    };
    let mut base = Some(Map::default());
    let mut policies: &[(Key, Tree)] = &[];
    for (key, tree) in entries {
        match (key.text.as_str(), &tree.value) {
            (BASE, _) => base = common(tree, faults),
            ("policies", Value::Map(entries)) => policies = entries,
            ("policies", Value::Null) => {}
            ("policies", _) => {
                let message = format!("expected a map of policies, found {}", tree.kind());
                faults.push(fault("policies", message, tree.place.or(key.place)));
            }
            // Where editors are told of the schema.
            ("$schema", Value::Word(_)) => {}
            (other, _) => {
                let known = [BASE, "policies"];
                let message = no_such("name", other, meant(other, known.into_iter()), &known);
                faults.push(fault(&within("", other), message, key.place));
            }
        }
    }
    let layers: Vec<_> = policies
        .iter()
        .map(|(key, tree)| layer(key, tree, faults))
        .collect();
    let mut all = Policies {
        base: base.as_ref(),
        layers: &layers,
        names: layers
            .iter()
            .enumerate()
            .map(|(at, layer)| (layer.name.as_str(), at))
            .collect(),
        known: BTreeMap::new(),
        faults,
    };
    for at in 0..layers.len() {
        all.resolve(at, &mut Vec::new());
    }
    let Policies { known, faults, .. } = all;
    let mut resolved = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let settings = known.get(&at).and_then(Option::as_ref);
        let config =
            settings.and_then(|settings| typed(settings, &layer.path, layer.place, faults));
        resolved.extend(config.map(|config| (layer.name.clone(), config)));
    }
    resolved
}

/// The document's own base: a preset, or settings that may have one.
fn common(tree: &Tree, faults: &mut Vec<Fault>) -> Option<Map> {
    let before = faults.len();
    let named = |tree: &Tree, path: &str, faults: &mut Vec<Fault>| {
        let found = match &tree.value {
            Value::Null => Some(Map::default()),
            Value::Word(word) if is_off(word) => Some(Map::default()),
            Value::Word(word) => preset(word),
            Value::List(_) | Value::Map(_) => None,
        };
        if found.is_none() {
            let names: Vec<_> = reserved().collect();
            let message = match &tree.value {
                Value::Word(word) => no_such("base", word, meant(word, reserved()), &names),
                _ => format!("expected a base, found {}", tree.kind()),
            };
            faults.push(fault(path, message, tree.place));
        }
        found
    };
    let Value::Map(entries) = &tree.value else {
        return named(tree, BASE, faults);
    };
    let base = entries.iter().find(|(key, _)| key.text == BASE);
    let base = match base {
        Some((_, tree)) => named(tree, "base.base", faults),
        None => Some(Map::default()),
    };
    let mut reader = Reader {
        dialect: Dialect::Own,
        faults,
    };
    let settings = reader.policy(entries, BASE, tree.place, &[BASE]);
    (faults.len() == before).then(|| base.unwrap_or_default().under(&settings))
}

fn layer(key: &Key, tree: &Tree, faults: &mut Vec<Fault>) -> Layer {
    let before = faults.len();
    let path = within("policies", &key.text);
    let place = key.place.or(tree.place);
    if reserved().any(|name| name == key.text) || key.text.is_empty() {
        let message = "is no name for a policy: a base is called so";
        faults.push(fault(&path, message, place));
    }
    let (mut base, mut settings) = (
        Base::Inherited,
        Map {
            place,
            ..Map::default()
        },
    );
    match &tree.value {
        Value::Null => {}
        Value::Map(entries) => {
            for (key, tree) in entries.iter().filter(|(key, _)| key.text == BASE) {
                base = match &tree.value {
                    Value::Null => Base::None,
                    Value::Word(word) if is_off(word) => Base::None,
                    Value::Word(word) => Base::Named(word.clone(), tree.place.or(key.place)),
                    Value::List(_) | Value::Map(_) => {
                        let message = format!("expected the name of a base, found {}", tree.kind());
                        let path = within(&path, BASE);
                        faults.push(fault(&path, message, tree.place.or(key.place)));
                        Base::None
                    }
                };
            }
            let mut reader = Reader {
                dialect: Dialect::Own,
                faults,
            };
            settings = reader.policy(entries, &path, place, &[BASE]);
        }
        // A name alone is a policy like its base.
        Value::Word(word) if is_off(word) => base = Base::None,
        Value::Word(word) => base = Base::Named(word.clone(), tree.place.or(place)),
        Value::List(_) => {
            let message = "expected the settings of a policy, found a list";
            faults.push(fault(&path, message, tree.place.or(place)));
        }
    }
    let faulty = faults.len() > before;
    Layer {
        name: key.text.clone(),
        path,
        base,
        settings,
        faulty,
        place,
    }
}

struct Policies<'a> {
    /// None if it has faults.
    base: Option<&'a Map>,
    layers: &'a [Layer],
    /// Where each stands.
    names: BTreeMap<&'a str, usize>,
    known: BTreeMap<usize, Option<Map>>,
    faults: &'a mut Vec<Fault>,
}

impl Policies<'_> {
    /// All settings of this policy, or none if there are faults on the way. `way` are those that wait for it.
    fn resolve(&mut self, at: usize, way: &mut Vec<usize>) -> Option<Map> {
        if let Some(known) = self.known.get(&at) {
            return known.clone();
        }
        let layers = self.layers;
        let layer = &layers[at];
        way.push(at);
        let base = match &layer.base {
            Base::Inherited => self.base.cloned(),
            Base::None => Some(Map::default()),
            Base::Named(name, place) => self.named(name, *place, layer, way),
        };
        way.pop();
        let base = base.filter(|_| !layer.faulty);
        let resolved = base.map(|base| base.under(&layer.settings));
        self.known.insert(at, resolved.clone());
        resolved
    }

    fn named(
        &mut self,
        name: &str,
        place: Option<Place>,
        layer: &Layer,
        way: &mut Vec<usize>,
    ) -> Option<Map> {
        if let Some(preset) = preset(name) {
            return Some(preset);
        }
        let path = within(&layer.path, BASE);
        let Some(&at) = self.names.get(name) else {
            let layers = self.layers;
            // A document may have thousands.
            let others = layers.iter().map(|layer| layer.name.as_str());
            let mut names: Vec<&str> = reserved().collect();
            names.extend(others.filter(|other| *other != layer.name).take(1_000));
            let few = &names[..names.len().min(20)];
            let message = no_such("base", name, meant(name, names.iter().copied()), few);
            self.faults.push(fault(&path, message, place));
            return None;
        };
        if let Some(begin) = way.iter().position(|on| *on == at) {
            let mut round: Vec<_> = way[begin..]
                .iter()
                .map(|at| shown(&self.layers[*at].name))
                .collect();
            round.push(shown(name));
            let message = format!("goes round in circles: {}", round.join(" -> "));
            self.faults.push(fault(&path, message, place));
            return None;
        }
        if way.len() == LONGEST {
            let message = format!("stands on more than {LONGEST} others");
            self.faults.push(fault(&path, message, place));
            return None;
        }
        self.resolve(at, way)
    }
}

/// The settings as what patterns are built with, checked.
pub(super) fn typed(
    settings: &Map,
    path: &str,
    place: Option<Place>,
    faults: &mut Vec<Fault>,
) -> Option<Config> {
    let before = faults.len();
    let at = |setting: &str| settings.nearest(setting).0.or(place);
    let mut tell = |setting: &str, message: String| {
        faults.push(fault(&within_path(path, setting), message, at(setting)));
    };
    missing(settings, "", &mut tell);
    if let Some(Node::Map(retry)) = settings.entries.get("retry") {
        if let Some(Node::Map(backoff)) = retry.entries.get("backoff") {
            if let Err(error) = serde_json::from_value::<Backoff>(backoff.json()) {
                tell("retry.backoff", error.to_string());
            }
        }
    }
    if faults.len() > before {
        return None;
    }
    let config: Config = match serde_json::from_value(settings.json()) {
        Ok(config) => config,
        Err(error) => {
            faults.push(fault(path, error.to_string(), place));
            return None;
        }
    };
    let Err(invalid) = config.validate("document") else {
        return Some(config);
    };
    for broken in invalid.violations() {
        let renamed = RULES.iter().find(|(rule, _)| *rule == broken.field);
        let setting = renamed.map_or(broken.field, |(_, setting)| setting);
        let (_, leaf) = settings.nearest(setting);
        let alias = leaf.and_then(|leaf| leaf.alias.as_deref());
        let alias = alias.map(|alias| format!(" (given as `{}`)", shown(alias)));
        let message = format!(
            "{}: {}{}",
            broken.value,
            broken.rule,
            alias.unwrap_or_default()
        );
        faults.push(fault(&within_path(path, setting), message, at(setting)));
    }
    None
}

fn within_path(path: &str, setting: &str) -> String {
    format!("{path}.{setting}")
}

/// Tells of everything that must be given and is not.
fn missing(map: &Map, group: &str, tell: &mut impl FnMut(&str, String)) {
    for setting in children(group) {
        match (map.entries.get(setting.name()), setting) {
            (Some(Node::Map(inner)), _) => missing(inner, setting.path, tell),
            (
                None | Some(Node::Off(_)),
                Setting {
                    usual: Usual::Required,
                    ..
                },
            ) => {
                tell(setting.path, "must be given: there is no default".into());
            }
            _ => {}
        }
    }
}
