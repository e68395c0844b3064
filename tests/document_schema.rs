//! The JSON Schema that editors are given says what the reader of documents says.
#![cfg(feature = "reload")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{env, fs};

use buttress::{
    document::{Document, Format, schema},
    pipeline::Config,
};
use jsonschema::Validator;
use serde_json::{Value, json};

const FILE: &str = "buttress.schema.json";

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[track_caller]
fn refused(validator: &Validator, document: &Value) -> Option<String> {
    validator
        .validate(document)
        .err()
        .map(|error| format!("{error} at {}", error.instance_path()))
}

#[test]
fn the_file_is_current() {
    if env::var_os("WRITE").is_some() {
        fs::write(FILE, schema()).unwrap();
    }
    let file: Value = serde_json::from_str(&fs::read_to_string(FILE).unwrap()).unwrap();
    let now: Value = serde_json::from_str(&schema()).unwrap();
    let command = "WRITE=1 cargo test --features reload --test document_schema";
    assert!(file == now, "{FILE} is not current: {command}");
}

#[test]
fn what_is_written_is_valid() {
    let validator = validator();
    for config in [
        Config::default(),
        Config::standard(),
        Config::latency_sensitive(),
    ] {
        let document = json!({ "policies": { "a": config } });
        assert_eq!(refused(&validator, &document), None);
    }
}

#[test]
fn the_reader_and_the_schema_accept_the_same() {
    let validator = validator();
    for policy in [
        json!({}),
        json!(null),
        json!("standard"),
        json!("none"),
        json!({ "base": "standard" }),
        json!({ "base": null }),
        json!({ "base": "standard", "breaker": "off", "retry": null, "bulkhead": false, "deadline": "No" }),
        json!({ "breaker": true, "retry": "on" }),
        json!({ "deadline": "1m 30s", "attempt_timeout": "2.5 s", "budget": null, "fallback": {} }),
        json!({ "attempt_timeout": { "timeout": "00:00:01" } }),
        json!({ "timelimiter": { "timeoutDuration": 1500 } }),
        json!({ "breaker": { "window": "10", "min_calls": 5, "failure_ratio": "0.5", "shadow": "yes" } }),
        json!({ "breaker": { "window": "10 s", "slow_call_duration": "off", "ramp": null, "probes": "5.0" } }),
        json!({ "circuitBreaker": { "failureRateThreshold": 50, "slidingWindowSize": 20 } }),
        json!({ "circuit-breaker": { "failure-rate-threshold": 50 } }),
        json!({ "CircuitBreaker": { "FailureRatio": 0.5, "BreakDuration": "00:00:05", "MinimumThroughput": 9 } }),
        json!({ "retry": { "backoff": "off" } }),
        json!({ "retry": { "backoff": { "law": "linear", "step": "1s", "cap": "none", "jitter": 0.1 } } }),
        json!({ "retry": { "MaxRetryAttempts": 3, "BackoffType": "Constant", "UseJitter": true, "Delay": "00:00:02" } }),
        json!({ "hedge": { "delay": "20ms" } }),
        json!({ "hedge": { "Delay": "00:00:01" } }),
        json!({ "hedge": { "delay": { "percentile": 0.95, "until": "50ms" }, "max_hedges": "2" } }),
        json!({ "rate_limit": { "calls": 5, "period": "1s", "burst": 1 } }),
        json!({ "ratelimiter": { "limitForPeriod": 5, "limitRefreshPeriod": "PT1S", "timeoutDuration": 0 } }),
        json!({ "bulkhead": { "maxConcurrentCalls": 5, "maxWaitDuration": "10ms" } }),
        json!({ "bulkhead": { "max_concurrent": 5, "max_queue": 5, "max_wait": "1ms" } }),
    ] {
        let document =
            json!({ "$schema": FILE, "policies": { "a": { "base": "none" }, "b": policy } });
        let read = Document::read(&document);
        assert!(read.is_ok(), "{policy}: {}", read.unwrap_err());
        assert_eq!(refused(&validator, &document), None, "{policy}");
    }
    for policy in [
        json!([]),
        json!({ "braker": {} }),
        json!({ "base": [] }),
        json!({ "breaker": { "failure_ratio": 0 } }),
        json!({ "breaker": { "failure_ratio": 1.1 } }),
        json!({ "breaker": { "failure_ratio": "half" } }),
        json!({ "breaker": { "failure_rate_threshold": 0 } }),
        json!({ "breaker": { "open_for": 5 } }),
        json!({ "breaker": { "open_for": "5" } }),
        json!({ "breaker": { "open_for": "5 lightyears" } }),
        json!({ "breaker": { "probes": 0 } }),
        json!({ "breaker": { "probes": 1.5 } }),
        json!({ "breaker": { "probes": 10001 } }),
        json!({ "breaker": { "window": "soon" } }),
        json!({ "breaker": { "shadow": "perhaps" } }),
        json!({ "breaker": 5 }),
        json!({ "breaker": [] }),
        json!({ "budget": "off" }),
        json!({ "retry": { "backoff": { "law": "sometimes" } } }),
        json!({ "retry": { "backoff": { "jitter": 2 } } }),
        json!({ "hedge": { "delay": { "percentile": 1 } } }),
        json!({ "bulkhead": { "max_concurrent": 0 } }),
        json!({ "deadline": { "until": "1s" } }),
        json!({ "attempt_timeout": {} }),
    ] {
        let document = json!({ "policies": { "a": policy } });
        assert!(Document::read(&document).is_err(), "{policy}");
        assert!(refused(&validator, &document).is_some(), "{policy}");
    }
    for document in [
        json!([]),
        json!({ "polices": {} }),
        json!({ "policies": [] }),
        json!({ "policies": { "standard": {} } }),
        json!({ "base": "payments" }),
        json!({ "base": { "base": "payments" } }),
    ] {
        assert!(Document::read(&document).is_err(), "{document}");
        assert!(refused(&validator, &document).is_some(), "{document}");
    }
}

/// Every number at both ends of its range, and just beyond.
#[test]
fn ranges_are_where_the_rules_are() {
    let validator = validator();
    let defaults = json!({
        "breaker": { "window": 1_000_000, "min_calls": 1 },
        "bulkhead": { "max_concurrent": 1 },
        "rate_limit": { "calls": 1, "period": "10s" },
        "hedge": { "delay": { "percentile": 0.5, "until": "1s" } },
    });
    let in_schema: Value = serde_json::from_str(&schema()).unwrap();
    let definitions = &in_schema["$defs"];
    let policy = &definitions["policy"]["properties"];
    let meant = |setting: &Value| match setting["$ref"].as_str() {
        Some(name) => definitions[name.strip_prefix("#/$defs/").unwrap()].clone(),
        None => setting.clone(),
    };
    let mut tried = 0;
    for (pattern, group) in policy.as_object().unwrap() {
        if group["deprecated"] == true {
            continue;
        }
        let group = &meant(group);
        let inner = |group: &Value| {
            let mut all = group["anyOf"].as_array().into_iter().flatten();
            all.find_map(|one| one["properties"].as_object().cloned())
        };
        for (name, setting) in inner(group).into_iter().flatten() {
            if setting["deprecated"] == true {
                continue;
            }
            let setting = meant(&setting);
            let mut leaves = vec![(vec![pattern.clone(), name.clone()], setting.clone())];
            for (leaf, setting) in inner(&setting).into_iter().flatten() {
                let path = vec![pattern.clone(), name.clone(), leaf];
                leaves.push((path, meant(&setting)));
            }
            for (path, setting) in leaves {
                let numbers = setting["anyOf"].as_array().into_iter().flatten();
                let number = |one: &&Value| one["type"] == "integer" || one["type"] == "number";
                for range in numbers.filter(number) {
                    let whole = range["type"] == "integer";
                    let step = if whole { 1.0 } else { 1e-9 };
                    let ends = [
                        ("minimum", 0.0, true),
                        ("minimum", -step, false),
                        ("exclusiveMinimum", 0.0, false),
                        ("exclusiveMinimum", step, true),
                        ("maximum", 0.0, true),
                        ("maximum", step, false),
                        ("exclusiveMaximum", 0.0, false),
                        ("exclusiveMaximum", -step, true),
                    ];
                    for (end, off, accepted) in ends {
                        let Some(end) = range[end].as_f64() else {
                            continue;
                        };
                        let value = if whole {
                            json!((end + off) as i64)
                        } else {
                            json!(end + off)
                        };
                        let mut policy = json!({});
                        if let Some(usual) = defaults.get(pattern) {
                            policy[pattern] = usual.clone();
                        }
                        let mut at = &mut policy;
                        for word in &path {
                            at = &mut at[word];
                        }
                        *at = value.clone();
                        // A queue is for waiting in.
                        if name == "max_queue" && value != 0 {
                            policy[pattern]["max_wait"] = "1s".into();
                        }
                        let document = json!({ "policies": { "a": policy } });
                        let read = Document::read(&document);
                        assert_eq!(read.is_ok(), accepted, "{document}: {read:?}");
                        let valid = refused(&validator, &document);
                        assert_eq!(valid.is_none(), accepted, "{document}: {valid:?}");
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn every_setting_is_explained_and_has_its_default() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    // What is written of settings that nobody changed is what the schema says is the default.
    let text = "policies: { a: { retry: on, breaker: on, bulkhead: { max_concurrent: 1 }, \
                rate_limit: { calls: 1, period: 1s } }, b: { hedge: { delay: { percentile: 0.5, until: 1s } } } }";
    let document = Document::parse(text, Format::Yaml).unwrap();
    fn walk(path: &str, written: &Value, definitions: &Value, seen: &mut usize) {
        for (name, value) in written.as_object().unwrap() {
            let path = format!("{path}{name}");
            let setting = definitions.get(&path);
            let setting = setting.unwrap_or_else(|| panic!("{path} is unknown"));
            let about = setting["description"].as_str();
            assert!(about.is_some_and(|about| about.ends_with('.')), "{path}");
            if value.is_object() {
                walk(&format!("{path}."), value, definitions, seen);
            } else if let Some(usual) = setting.get("default") {
                assert_eq!(usual, value, "{path}");
                *seen += 1;
            }
        }
    }
    let mut seen = 0;
    for (_, config) in &document {
        let written = serde_json::to_value(config).unwrap();
        walk("", &written, &schema["$defs"], &mut seen);
    }
    assert!(seen > 25, "{seen}");
}
