//! No dependency of the library itself may need a newer compiler than the library promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

#[test]
fn every_dependency_builds_with_the_compiler_that_is_promised() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();

    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();

    // From the library along what is linked or run to build it, the model checker's cfg aside.
    let counts = |kind: &Value| {
        kind["kind"] != "dev"
            && kind["target"]
                .as_str()
                .is_none_or(|on| !on.contains("loom"))
    };
    let mut open = vec![text(&metadata["resolve"]["root"])];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(counts) {
                open.push(text(&dependency["pkg"]));
            }
        }
    }
    assert!(seen.len() > 10, "the library has dependencies");

    let promised = minor(env!("CARGO_PKG_RUST_VERSION"));
    let newer: Vec<String> = seen
        .iter()
        .map(|id| &packages[id])
        .filter(|package| {
            let needs = package["rust_version"].as_str();
            needs.is_some_and(|version| minor(version) > promised)
        })
        .map(|package| format!("{} {}", package["name"], package["rust_version"]))
        .collect();
    assert!(newer.is_empty(), "{newer:?}");
}
