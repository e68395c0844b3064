//! What is another in the settings of a policy than before.

use serde_json::{Map, Value};

use crate::telemetry::Change;

/// Adds what has changed below `path`: one change for each setting, and one for a group of them that came or
/// went as a whole.
pub(super) fn add(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for key in keys(before, after) {
            let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            add(&format!("{path}.{key}"), &of(before), &of(after), changes);
        }
        return;
    }
    changes.push(Change::new(path.to_owned(), word(before), word(after)));
}

/// Of both, each once, in the order of the settings.
fn keys<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> Vec<&'a String> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    after.keys().chain(gone).collect()
}

/// As a document would have it, in one line.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn told(before: Value, after: Value) -> Vec<String> {
        let mut changes = Vec::new();
        super::add("members", &before, &after, &mut changes);
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_setting_that_is_another_is_told_once() {
        let before = json!({ "a": { "x": 1, "y": "10s" }, "b": 0.5 });
        let after = json!({ "a": { "x": 2, "y": "10s" }, "b": 0.25 });
        assert_eq!(told(before.clone(), before.clone()), [""; 0]);
        let changes = ["members.a.x: 1 -> 2", "members.b: 0.5 -> 0.25"];
        assert_eq!(told(before, after), changes);
    }

    #[test]
    fn a_group_that_comes_or_goes_is_one_change() {
        let with = json!({ "breaker": { "min_calls": 20, "window": { "time": "10s" } } });
        let without = json!({ "breaker": null });
        let all = r#"{"min_calls":20,"window":{"time":"10s"}}"#;
        let gone = format!("members.breaker: {all} -> none");
        assert_eq!(told(with.clone(), without), [&*gone]);
        assert_eq!(told(with.clone(), json!({})), [gone]);
        let came = format!("members.breaker: none -> {all}");
        assert_eq!(told(json!({}), with), [came]);
        assert_eq!(told(json!({}), json!({ "breaker": null })), [""; 0]);
    }

    #[test]
    fn kinds_may_change() {
        let (count, time) = (json!({ "window": 100 }), json!({ "window": "10s" }));
        assert_eq!(told(count, time), ["members.window: 100 -> 10s"]);
        let (list, word) = (json!({ "a": [1, 2] }), json!({ "a": "none" }));
        assert_eq!(told(list, word), ["members.a: [1,2] -> none"]);
    }
}
