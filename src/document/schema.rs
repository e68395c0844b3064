//! The JSON Schema of documents, for editors.

use serde_json::{Map, Value, json};

use super::{
    keys::{Dialect, aliases, children, known, spellings},
    kinds::{Alias, JITTERS, Kind, LAWS, Means, Of, Range, SHARE, Setting, Usual},
    table::{LIMITS, SETTINGS},
};
use crate::serial::duration::UNITS;

/// The JSON Schema (draft 2020-12) of documents, as text: what editors offer, explain and underline.
///
/// It stands in the repository as `buttress.schema.json`, too. What it cannot say, such as rules across
/// patterns and inherited settings, is checked when the document is read.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(&buttress::document::schema())?;
/// assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn schema() -> String {
    let mut policy = group("");
    policy["properties"]["base"] = json!({
        "description": "What this policy inherits from, instead of the document's base: a preset, \
                        another policy, or none.",
        "anyOf": [{ "enum": PRESETS }, { "$ref": "#/$defs/word" }],
    });
    let mut common = group("");
    common["properties"]["base"] = json!({
        "description": "The preset that these settings change.",
        "anyOf": [{ "enum": PRESETS }, { "$ref": "#/$defs/off" }],
    });
    let mut definitions = words_and_numbers();
    for setting in SETTINGS {
        let mut schema = of(setting);
        schema["description"] = setting.about.into();
        if let Usual::Is(usual) = setting.usual {
            schema["default"] = serde_json::from_str(usual).unwrap_or_else(|_| usual.into());
        }
        definitions[setting.path] = schema;
    }
    definitions["common"] = common;
    definitions["policy"] = policy;
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "buttress",
        "description": "Named policies of the crate buttress.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "$schema": { "type": "string" },
            "base": {
                "description": "What every policy inherits from, unless it says otherwise.",
                "anyOf": [
                    { "enum": PRESETS }, { "$ref": "#/$defs/common" }, { "$ref": "#/$defs/off" },
                ],
            },
            "policies": {
                "description": "Each policy by its name.",
                "type": ["object", "null"],
                "propertyNames": {
                    "not": { "enum": ["standard", "latency_sensitive", "none", ""] },
                },
                "additionalProperties": {
                    "anyOf": [{ "$ref": "#/$defs/policy" }, { "$ref": "#/$defs/word" }],
                },
            },
        },
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&schema).expect("it is a value") + "\n"
}

const PRESETS: [&str; 3] = ["standard", "latency_sensitive", "none"];

/// What most settings are made of.
fn words_and_numbers() -> Value {
    json!({
            "span": { "type": "string", "pattern": span() },
            "duration": {
                "description": "A duration, such as 250ms, 2.5s or 1m 30s.",
                "anyOf": [{ "$ref": "#/$defs/span" }, { "const": 0 }],
            },
            "foreign_duration": {
                "description": "Milliseconds, or a duration: 5s, PT5S, 00:00:05.",
                "type": ["string", "integer", "null"],
            },
            "number": {
                "type": "string",
                "pattern": "^\\s*[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*$",
            },
            "whole": { "type": "string", "pattern": "^\\s*\\+?[0-9]+(\\.0)?\\s*$" },
            "on": { "anyOf": [{ "const": true }, words(&["true", "on", "yes"])] },
            "off": {
                "description": "Takes away what would be inherited.",
                "anyOf": [{ "enum": [null, false] }, words(&["false", "off", "no", "none"])],
            },
            "flag": {
                "anyOf": [
                    { "type": ["boolean", "null"] },
                    words(&["true", "on", "yes", "false", "off", "no"]),
                ],
            },
            "word": { "type": ["string", "number", "boolean", "null"] },
    })
}

/// What is read as a duration.
fn span() -> String {
    let units = UNITS.iter().flat_map(|(names, _)| names.iter().copied());
    let units = units.collect::<Vec<_>>().join("|");
    format!("^\\s*([0-9]+(\\.[0-9]+)?\\s*({units})\\s*)+$|^\\s*0\\s*$")
}

/// Any of these, in capitals or not.
fn words(words: &[&str]) -> Value {
    let either = |c: char| format!("[{}{c}]", c.to_ascii_uppercase());
    let words = words
        .iter()
        .map(|word| word.chars().map(either).collect::<String>());
    let words = words.collect::<Vec<_>>().join("|");
    json!({ "type": "string", "pattern": format!("^\\s*({words})\\s*$") })
}

/// A map of settings, by all their names.
fn group(path: &str) -> Value {
    let mut properties = Map::new();
    for setting in children(path) {
        let reference = reference(setting.path);
        properties.insert(setting.name().into(), json!({ "$ref": reference }));
        for name in spellings(setting.name()).into_iter().skip(1) {
            let about = format!("Written `{}`.", setting.name());
            let other = json!({ "$ref": reference, "description": about, "deprecated": true });
            properties.entry(name).or_insert(other);
        }
    }
    for (setting, alias) in aliases(path).filter(|(_, alias)| known(alias, Dialect::Own)) {
        let mut schema = match setting.kind {
            Kind::Group { .. } | Kind::Limit => json!({ "$ref": reference(setting.path) }),
            _ => meaning(setting, alias),
        };
        let whose = match alias.of {
            Of::Polly => "Polly's",
            Of::Resilience4j | Of::OldResilience4j => "resilience4j's",
        };
        let ours = setting.path.strip_prefix(path).unwrap_or(setting.path);
        let ours = ours.trim_start_matches('.');
        schema["description"] = format!("{whose} name for `{ours}`.").into();
        schema["deprecated"] = true.into();
        for name in spellings(alias.name) {
            properties.entry(name).or_insert_with(|| schema.clone());
        }
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A time limit in a group of its own.
fn limit() -> Value {
    let names = LIMITS.iter().flat_map(|alias| spellings(alias.name));
    let either = json!({ "anyOf": [
        { "$ref": "#/$defs/foreign_duration" }, { "$ref": "#/$defs/off" },
    ] });
    let properties: Map<_, _> = names.map(|name| (name, either.clone())).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

fn reference(definition: &str) -> String {
    format!("#/$defs/{definition}")
}

/// What a setting may be. Null takes an inherited one away.
fn of(setting: &Setting) -> Value {
    let null = || json!({ "type": "null" });
    let duration = || json!({ "$ref": reference("duration") });
    let whole = |low: u32, high: u32| {
        let mut number = json!({ "type": "integer", "minimum": low });
        if high < u32::MAX {
            number["maximum"] = high.into();
        }
        number
    };
    let text = |name: &str| json!({ "$ref": reference(name) });
    let any = |all: Vec<Value>| json!({ "anyOf": all });
    match setting.kind {
        Kind::Group { off } => {
            let inner = group(setting.path);
            match (off, setting.path) {
                (true, _) => any(vec![inner, text("off"), text("on")]),
                // It has a law for that.
                (false, "retry.backoff") => any(vec![inner, text("off")]),
                (false, _) => any(vec![inner, null()]),
            }
        }
        Kind::Duration => any(vec![duration(), null()]),
        Kind::Optional => any(vec![duration(), text("off")]),
        Kind::Limit => any(vec![duration(), text("off"), limit()]),
        Kind::Count(low, high) => any(vec![whole(low, high), text("whole"), null()]),
        Kind::Number(range) => any(vec![number(range), text("number"), null()]),
        Kind::Flag => text("flag"),
        Kind::Window => any(vec![
            whole(1, 1_000_000),
            text("whole"),
            text("span"),
            null(),
        ]),
        Kind::Law => {
            json!({ "enum": LAWS.map(Value::from).into_iter().chain([Value::Null]).collect::<Vec<_>>() })
        }
        Kind::Cap => any(vec![duration(), json!({ "const": "none" }), null()]),
        Kind::Jitter => any(vec![
            json!({ "enum": JITTERS }),
            number(SHARE),
            text("number"),
            null(),
        ]),
        // Others call it so, too, and write it in their way.
        Kind::Delay => any(vec![
            duration(),
            text("foreign_duration"),
            group(setting.path),
        ]),
    }
}

fn number(range: Range) -> Value {
    let mut number = json!({ "type": "number" });
    let low = if range.with_low {
        "minimum"
    } else {
        "exclusiveMinimum"
    };
    number[low] = range.low.into();
    if range.high < f64::MAX {
        let high = if range.with_high {
            "maximum"
        } else {
            "exclusiveMaximum"
        };
        number[high] = range.high.into();
    }
    number
}

/// What an alias of a setting may be.
fn meaning(setting: &Setting, alias: &Alias) -> Value {
    match alias.means {
        Means::Same => json!({ "$ref": reference(setting.path) }),
        Means::Percent => json!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0, "maximum": 100 },
            { "type": ["string", "null"] },
        ] }),
        Means::Millis | Means::Span => json!({ "$ref": "#/$defs/foreign_duration" }),
        Means::OneMore => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "$ref": "#/$defs/whole" },
            { "type": "null" },
        ] }),
        Means::Words(_) | Means::Part => json!({ "$ref": "#/$defs/word" }),
    }
}
