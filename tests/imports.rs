//! The house rules that no compiler knows: imports point downwards, `sys` is the only door to clocks
//! and locks, features gate whole files, and a file is short.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sources::{Source, grouped, paths, sources, tokens};

/// The floors of the house, from the ground up. A module imports from floors below its own; what else
/// it may import stands in [`may_import`].
const FLOORS: [&[&str]; 10] = [
    &["sys"],
    &[
        "classify", "error", "window", "backoff", "deadline", "header", "replay", "serial",
    ],
    &["telemetry"],
    &["guard", "budget"],
    PATTERNS,
    &["pipeline"],
    &["document"],
    &["reload"],
    &["http"],
    &["axum", "grpc", "reqwest"],
];

const PATTERNS: &[&str] = &[
    "breaker",
    "bulkhead",
    "rate_limit",
    "keyed",
    "throttle",
    "retry",
    "timeout",
    "hedge",
    "fallback",
];

/// Only `sys` names these. `Duration` and tokio's `Instant` as a type are plain data.
const DOORS: [&str; 13] = [
    "std::sync",
    "core::sync",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "RandomState",
    "parking_lot",
    "loom",
    "rand",
    "tokio::sync",
    "thread_local",
];

const MOST_LINES: usize = 400;

/// Below which floor a module stands, or why it has none.
fn floor(module: &str) -> Result<usize, String> {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.ok_or_else(|| format!("say in tests/imports.rs on which floor `{module}` stands"))
}

fn may_import(from: &str, to: &str) -> Result<bool, String> {
    let (from_floor, to_floor) = (floor(from)?, floor(to)?);
    // On the ground floor they may help one another, without going round in circles.
    Ok(from == to || to_floor < from_floor || (to_floor == from_floor && from_floor == 1))
}

/// What is wrong with the imports of this file; `files` are all modules that are files.
fn faults(source: &Source, files: &BTreeSet<Vec<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (depth, path) in paths(&source.code) {
        let written = path.join("::");
        // From here to the module that the path leads to, in the crate.
        let ups = path.iter().take_while(|word| *word == "super").count();
        if ups > 0 && ups <= depth {
            continue;
        }
        let mut target = Vec::new();
        if ups > 0 {
            target = source.modules.clone();
            let levels = ups - depth;
            target.truncate(source.modules.len().saturating_sub(levels));
        }
        target.extend(path[ups.max(1)..].iter().cloned());
        let is_module = |words: &[String]| files.contains(words);
        let named = (1..=target.len()).rev().find(|n| is_module(&target[..*n]));
        let Some(named) = named else {
            faults.push(format!("`{written}` is imported from the crate's root"));
            continue;
        };
        let module = &target[..named];
        // Its own `mod.rs`, or one above it.
        if source.modules.starts_with(module) && !(source.modules == module && source.is_mod) {
            faults.push(format!("`{written}` is imported from a parent"));
            continue;
        }
        let Some(top) = source.top() else {
            continue;
        };
        match may_import(top, &module[0]) {
            Ok(true) => {}
            Ok(false) => faults.push(format!("`{written}` does not stand below `{top}`")),
            Err(unknown) => faults.push(unknown),
        }
    }
    faults
}

/// Where `cfg(feature ..)` stands on something that is not a module.
fn misplaced_features(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let in_telemetry = source.top() == Some("telemetry");
    let mut faults = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if !code.contains("feature = ") {
            continue;
        }
        // All lines of the attribute.
        let first = (0..=at).rev().find(|line| lines[*line].starts_with("#["));
        let first = first.unwrap_or(at);
        let length = lines[first..].iter().position(|line| line.ends_with(']'));
        let attribute = lines[first..].iter().take(length.unwrap_or(0) + 1);
        let attribute = attribute.copied().collect::<String>();
        let item = lines[at..].iter().find(|line| !line.starts_with("#["));
        let is_module = |line: &&str| {
            let line = line.trim_start_matches("pub(crate) ");
            line.trim_start_matches("pub ").starts_with("mod ")
        };
        let derives = attribute.contains("derive(") || attribute.contains("serde(");
        let stands_well = if attribute.contains("cfg_attr") || !code.starts_with("#[cfg(") {
            in_telemetry || (attribute.contains("cfg_attr") && derives)
        } else {
            item.is_some_and(is_module)
        };
        if !stands_well {
            faults.push(format!("line {}: {line}", at + 1));
        }
    }
    faults
}

fn modules(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let modules = sources.iter().map(|source| source.modules.clone());
    modules.filter(|path| !path.is_empty()).collect()
}

/// Nothing, or all of it as the failure of a test.
fn assert_none<'a>(faults: impl Iterator<Item = (&'a Source, Vec<String>)>) {
    let told: Vec<_> = faults
        .flat_map(|(source, faults)| {
            let name = &source.name;
            let told = faults
                .into_iter()
                .map(move |fault| format!("src/{name}: {fault}"));
            told.collect::<Vec<_>>()
        })
        .collect();
    assert!(told.is_empty(), "\n{}\n", told.join("\n"));
}

#[test]
fn imports_point_downwards() {
    let sources = sources();
    let files = modules(&sources);
    let faults = sources
        .iter()
        .map(|source| (source, faults(source, &files)));
    assert_none(faults);
}

#[test]
fn nobody_on_the_ground_floor_goes_round_in_circles() {
    let sources = sources();
    let files = modules(&sources);
    let mut needs = BTreeMap::<&str, BTreeSet<String>>::new();
    for source in &sources {
        let Some(top) = source.top().filter(|top| FLOORS[1].contains(top)) else {
            continue;
        };
        let others = paths(&source.code).into_iter().filter_map(|(_, path)| {
            let to = path.get(1)?.clone();
            (path[0] == "crate" && files.contains(&vec![to.clone()]) && to != top).then_some(to)
        });
        needs.entry(top).or_default().extend(others);
    }
    // Take away who needs nobody that is left, until nobody is left.
    while !needs.is_empty() {
        let (before, left) = (needs.len(), needs.clone());
        needs.retain(|_, needs| needs.iter().any(|other| left.contains_key(other.as_str())));
        assert!(needs.len() < before, "these need each other: {needs:?}");
    }
}

#[test]
fn clocks_randomness_atomics_and_locks_come_through_one_door() {
    let sources = sources();
    // What the model checker runs is a test, and names it.
    let others = sources
        .iter()
        .filter(|source| source.top() != Some("sys") && !source.name.ends_with("/model.rs"));
    assert_none(others.map(|source| {
        // As tokens, so that neither blanks nor groups in braces hide a path.
        let words = tokens(&source.code);
        let named = DOORS.into_iter().filter(|door| {
            let door = tokens(door);
            words.windows(door.len()).any(|window| window == door)
        });
        let named = named.map(|door| format!("`{door}` is for `sys` alone"));
        (source, named.chain(doors_in_groups(&source.code)).collect())
    }));
}

#[test]
fn features_gate_whole_files() {
    let sources = sources();
    assert_none(
        sources
            .iter()
            .map(|source| (source, misplaced_features(source))),
    );
}

#[test]
fn a_mod_rs_holds_docs_and_names_and_no_logic() {
    let sources = sources();
    let folders = sources
        .iter()
        .filter(|source| source.name.ends_with("/mod.rs"));
    assert_none(folders.map(|source| {
        let statements = source.code.split(';').map(|statement| {
            let lines = statement.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.collect::<Vec<_>>().join(" ")
        });
        let logic = statements.filter(|statement| {
            let statement = statement.trim_start_matches("pub(crate) ");
            let item = statement.trim_start_matches("pub ").split(' ').next();
            !matches!(item, Some("" | "mod" | "use"))
        });
        let faults = logic.map(|statement| format!("not for a `mod.rs`: {statement:.40} .."));
        (source, faults.take(1).collect())
    }));
}

#[test]
fn a_file_is_understood_in_a_minute() {
    let sources = sources();
    assert_none(sources.iter().map(|source| {
        let docs = |line: &&str| !line.trim().starts_with("//");
        let lines = source.text.lines().filter(docs).count();
        let fault = (lines > MOST_LINES).then(|| format!("{lines} lines without its docs"));
        (source, fault.into_iter().collect())
    }));
}

/// `use std::{sync::Arc, ..}` names a door, too.
fn doors_in_groups(code: &str) -> Vec<String> {
    let paths = grouped(code, &["std", "core", "tokio"]);
    let paths = paths.into_iter().map(|path| path.join("::"));
    let named = paths.filter(|path| {
        let under = |door: &&str| path == *door || path.starts_with(&format!("{door}::"));
        DOORS.iter().any(under)
    });
    named
        .map(|path| format!("`{path}` is for `sys` alone"))
        .collect()
}

#[test]
fn a_faulty_import_would_be_found() {
    let files: BTreeSet<Vec<String>> = [
        "sys",
        "error",
        "error/flat",
        "window",
        "telemetry",
        "guard",
        "guard/policy",
        "breaker",
        "breaker/state",
        "breaker/config",
        "retry",
        "retry/config",
    ]
    .map(|path| path.split('/').map(str::to_owned).collect())
    .into();
    let count = |name, text: &str| faults(&Source::new(name, text), &files).len();
    for (name, text) in [
        (
            "breaker/state.rs",
            "use crate::{guard::Guard, sys::{Arc, Mutex as M}};",
        ),
        (
            "breaker/policy.rs",
            "use super::{state::Machine, super::guard::Guard};",
        ),
        (
            "breaker/mod.rs",
            "pub use crate::telemetry::State; // crate::Guard",
        ),
        ("guard/policy.rs", "mod sealed { impl X for super::Yes {} }"),
        (
            "error/flat.rs",
            "const X: &str = \"crate::breaker\"; use crate::window::A;",
        ),
    ] {
        assert_eq!(count(name, text), 0, "{text}");
    }
    for (name, text) in [
        // Upwards: in a group, in an expression.
        ("guard/policy.rs", "use crate::breaker::state::Machine;"),
        (
            "guard/policy.rs",
            "use crate::{sys::Arc, breaker::{state::{Machine}}};",
        ),
        ("sys.rs", "fn f() -> crate::error::Rejected {}"),
        // To another pattern; to one that stands nowhere.
        ("breaker/state.rs", "use crate::retry::config::Config;"),
        ("cache/state.rs", "use crate::error::flat::Error;"),
        // From the root.
        ("breaker/state.rs", "use crate::{sys::Arc, Rejected};"),
        ("breaker/state.rs", "use super::super::Rejected;"),
        ("breaker/mod.rs", "pub use super::Rejected;"),
        ("window.rs", "use super::Rejected;"),
        // From a parent: in a group, from a module inside the file.
        ("breaker/state.rs", "use super::Machine;"),
        ("breaker/state.rs", "use super::{config::Config, Config};"),
        ("breaker/state.rs", "use crate::breaker::Config;"),
        (
            "breaker/state.rs",
            "mod tests { use super::super::Config; }",
        ),
    ] {
        assert_eq!(count(name, text), 1, "{text}");
    }
}

#[test]
fn a_door_or_a_feature_in_the_wrong_place_would_be_found() {
    let doors = |code| doors_in_groups(code).len();
    assert_eq!(doors("use std::{fmt, sync::{Arc, atomic::AtomicU64}};"), 2);
    assert_eq!(doors("use std::{fmt, time::{Duration, Instant}};"), 1);
    assert_eq!(doors("use std::{fmt, time::Duration};"), 0);

    let features = |name: &str, text: &str| misplaced_features(&Source::new(name, text)).len();
    let on_module = "#[cfg(feature = \"x\")]\n#[path = \"a\"]\npub(crate) mod a;";
    assert_eq!(features("guard/mod.rs", on_module), 0);
    let on_import = "#[cfg(not(feature = \"x\"))]\nuse x::X;";
    assert_eq!(features("guard/mod.rs", on_import), 1);
    assert_eq!(features("guard/value.rs", "if cfg!(feature = \"x\") {"), 1);
    let attribute = "#![cfg_attr(feature = \"x\", allow(a))]";
    assert_eq!(features("guard/value.rs", attribute), 1);
    assert_eq!(features("telemetry/name.rs", attribute), 0);
    let derive = "#[cfg_attr(feature = \"serde\", derive(Serialize))]";
    assert_eq!(features("breaker/config.rs", derive), 0);
    let broken = "#[cfg_attr(\n    feature = \"serde\",\n    derive(Serialize)\n)]\nstruct A;";
    assert_eq!(features("breaker/config.rs", broken), 0);
    let on_field = "    #[cfg_attr(feature = \"serde\", serde(default))]\n    a: u32,";
    assert_eq!(features("breaker/config.rs", on_field), 0);
    let broken = "#[cfg_attr(\n    feature = \"serde\",\n    allow(dead_code)\n)]\nstruct A;";
    assert_eq!(features("breaker/config.rs", broken), 1);
}
