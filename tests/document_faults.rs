//! What is wrong with a document is told all at once, by its path, its line, and what would be right.
#![cfg(feature = "reload")]

use buttress::document::{Document, Fault, Faults, Format};

#[track_caller]
fn all(text: &str, format: Format) -> Faults {
    match Document::parse(text, format) {
        Ok(document) => panic!("nothing is wrong with it: {document:?}"),
        Err(faults) => faults,
    }
}

#[track_caller]
fn told(text: &str, format: Format) -> String {
    all(text, format).to_string()
}

#[track_caller]
fn yaml(text: &str) -> String {
    told(text, Format::Yaml)
}

/// What is told of the settings of a policy, without its path and its place.
#[track_caller]
fn policy(settings: &str) -> String {
    let told = yaml(&format!("policies: {{ a: {settings} }}"));
    let line = |line: &str| {
        let line = line.strip_prefix("policies.a.").unwrap_or(line);
        let end = line.rfind(" (line 1, column ").unwrap();
        line[..end].to_owned()
    };
    told.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_faults_are_told_at_once_each_with_its_path_and_its_line() {
    let faults = yaml(
        "
base: standrad
policies:
  payments:
    breaker:
      open_fr: 5s
      failure_ratio: 1.5
      probes: many
    retry: { max_attempts: 0, backoff: { law: sometimes } }
  members:
    base: paymets
    deadline: soon
  search:
    sheding: {}
polices: {}
",
    );
    let expected = "\
base: unknown base `standrad`: did you mean `standard`? Known here: `standard`, `latency_sensitive`, `none` (line 2, column 7)
policies.payments.breaker.open_fr: unknown name `open_fr`: did you mean `open_for`? Known here: `window`, `min_calls`, `failure_ratio`, `slow_call_duration`, `slow_call_ratio`, `open_for`, `open_jitter`, `open_factor`, `open_max`, `probes`, `probe_timeout`, `ramp`, `shadow` (line 6, column 7)
policies.payments.breaker.failure_ratio: `1.5`: must be above 0 and at most 1 (line 7, column 22)
policies.payments.breaker.probes: `many`: expected a whole number (line 8, column 15)
policies.payments.retry.max_attempts: `0`: must be 1 or more (line 9, column 28)
policies.payments.retry.backoff.law: `sometimes`: expected none, constant, linear or exponential (line 9, column 47)
policies.members.base: unknown base `paymets`: did you mean `payments`? Known here: `standard`, `latency_sensitive`, `none`, `payments`, `search` (line 11, column 11)
policies.members.deadline: `soon`: expected a duration such as 250ms, 2.5s or 1m 30s, or off (line 12, column 15)
policies.search.sheding: unknown name `sheding`: did you mean `hedging`? Known here: `deadline`, `retry`, `hedge`, `budget`, `rate_limit`, `breaker`, `bulkhead`, `attempt_timeout`, `fallback`, `base` (line 14, column 5)
polices: unknown name `polices`: did you mean `policies`? Known here: `base`, `policies` (line 15, column 1)";
    for (found, expected) in faults.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(faults.lines().count(), expected.lines().count());
}

#[test]
fn rules_that_a_pattern_breaks_are_told_by_the_path_of_the_document() {
    let faults = yaml(
        "
base: standard
policies:
  payments: { breaker: { open_for: 0s } }
  members: { breaker: { window: 10, min_calls: 11 } }
  search: { base: latency_sensitive, hedge: { delay: { until: 600ms, window: 50ms } } }
  orders: { deadline: 4s }
",
    );
    let lines: Vec<_> = faults.lines().collect();
    assert_eq!(
        lines[0],
        "policies.payments.breaker.open_for: 0ns: must not be zero (line 4, column 36)"
    );
    assert_eq!(
        lines[1],
        "policies.members.breaker.min_calls: 11: must be no more than a count window holds (line 5, column 48)"
    );
    assert_eq!(
        lines[2],
        "policies.search.hedge.delay.window: 50ms: must be 100 ms to a day (line 6, column 78)"
    );
    assert!(
        lines[3].starts_with("policies.orders.deadline: 4s (needed: ")
            && lines[3].ends_with("longest waits (line 7, column 23)"),
        "{}",
        lines[3]
    );
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_fault_that_is_inherited_is_told_where_it_stands_and_once() {
    let faults = yaml(
        "
policies:
  a: { base: b, deadline: 1s }
  b: { breaker: { probes: 0 } }
  c: { base: a }
",
    );
    assert_eq!(
        faults,
        "policies.b.breaker.probes: `0`: must be 1 to 10000 (line 4, column 27)"
    );
    // A rule that only breaks together with what is given below.
    let faults = yaml(
        "
policies:
  b: { attempt_timeout: 3s }
  a: { base: b, deadline: 1s }
",
    );
    assert!(
        faults.starts_with("policies.a.deadline: 1s (needed: 3s)"),
        "{faults}"
    );
    assert!(faults.ends_with("(line 4, column 27)"), "{faults}");
}

#[test]
fn bases_cannot_go_round_in_circles() {
    let faults = yaml("{ policies: { a: { base: b }, b: { base: c }, c: { base: a }, d: d } }");
    assert_eq!(
        faults,
        "policies.c.base: goes round in circles: a -> b -> c -> a (line 1, column 58)\n\
         policies.d.base: goes round in circles: d -> d (line 1, column 66)"
    );
    let long = |n: usize| {
        let policy = |n: usize| format!("  p{n}: {{ base: p{} }}\n", n + 1);
        let all: String = (0..n).map(policy).collect();
        format!("policies:\n{all}  p{n}: {{ deadline: 1s }}\n")
    };
    assert!(Document::parse(&long(31), Format::Yaml).is_ok());
    let faults = yaml(&long(5_000));
    assert!(faults.contains("stands on more than 32 others"), "{faults}");
}

#[test]
fn what_must_be_given_is_named() {
    assert_eq!(
        policy("{ rate_limit: {}, bulkhead: { max_queue: 1 }, hedge: on }"),
        "rate_limit.calls: must be given: there is no default\n\
         rate_limit.period: must be given: there is no default\n\
         bulkhead.max_concurrent: must be given: there is no default\n\
         hedge.delay: must be given: there is no default"
    );
    assert_eq!(
        policy("{ hedge: { delay: { min_samples: 5 } } }"),
        "hedge.delay.percentile: must be given: there is no default\n\
         hedge.delay.until: must be given: there is no default"
    );
}

#[test]
fn what_stands_elsewhere_is_said_to() {
    let told = policy("{ retry: { open_for: 5s } }");
    assert!(
        told.contains("unknown name `open_for`: it belongs to `breaker.open_for`."),
        "{told}"
    );
    let told = policy("{ max_concurrent_calls: 5 }");
    assert!(told.contains(": it belongs to `bulkhead`."), "{told}");
    let told = policy("{ nonsense_of_mine: 5 }");
    assert!(
        told.contains("unknown name `nonsense_of_mine`. Known here: `deadline`"),
        "{told}"
    );
}

#[test]
fn a_law_of_waits_knows_its_own_settings_only() {
    assert_eq!(
        policy("{ retry: { backoff: { law: constant, factor: 2 } } }"),
        "retry.backoff: `factor` is for law: exponential only"
    );
    assert_eq!(
        policy("{ retry: { backoff: { step: 1s } } }"),
        "retry.backoff: `step` is for law: linear only"
    );
    assert_eq!(
        policy("{ retry: { backoff: { jitter: 1.5 } } }"),
        "retry.backoff.jitter: `1.5`: must be 0 to 1"
    );
}

#[test]
fn what_has_the_wrong_shape_is_refused() {
    for (settings, expected) in [
        (
            "[1]",
            "policies.a: expected the settings of a policy, found a list",
        ),
        (
            "{ breaker: 5 }",
            "breaker: `5`: expected settings of `breaker`, or off",
        ),
        (
            "{ breaker: [] }",
            "breaker: expected settings, found a list",
        ),
        (
            "{ budget: off }",
            "budget: `off`: expected settings of `budget`",
        ),
        (
            "{ breaker: { probes: {} } }",
            "breaker.probes: expected a word or a number, found a map",
        ),
        (
            "{ deadline: {} }",
            "deadline: expected a duration, found a map",
        ),
        (
            "{ breaker: { shadow: perhaps } }",
            "breaker.shadow: `perhaps`: expected true or false",
        ),
        (
            "{ breaker: { failure_ratio: .nan } }",
            "breaker.failure_ratio: `.nan`: expected a number",
        ),
        (
            "{ breaker: { failure_ratio: NaN } }",
            "breaker.failure_ratio: `NaN`: expected a number",
        ),
        (
            "{ breaker: { open_factor: 1e999 } }",
            "breaker.open_factor: `1e999`: expected a number",
        ),
        (
            "{ breaker: { window: -1 } }",
            "breaker.window: `-1`: expected a number of calls, or a duration such as 10s",
        ),
        (
            "{ breaker: { open_for: 5 } }",
            "breaker.open_for: `5`: expected a duration such as 250ms, 2.5s or 1m 30s",
        ),
        (
            "{ breaker: { probes: 1.5 } }",
            "breaker.probes: `1.5`: expected a whole number",
        ),
        (
            "{ base: [] }",
            "base: expected the name of a base, found a list",
        ),
        (
            "{ breaker: { probes: 1, Probes: 2 } }",
            "breaker.Probes: says the same as `probes`, which is given as well",
        ),
    ] {
        let told = policy(settings);
        assert_eq!(told, expected, "{settings}");
    }
    assert_eq!(
        yaml(""),
        "expected a map of `base` and `policies`, found nothing (line 1, column 1)"
    );
    assert_eq!(
        yaml("[1]"),
        "expected a map of `base` and `policies`, found a list (line 1, column 1)"
    );
    let told = yaml("policies: { standard: {} }");
    assert!(
        told.starts_with("policies.standard: is no name for a policy"),
        "{told}"
    );
    let told = yaml("policies: { 'a.b c': { x: 1 } }");
    assert!(
        told.starts_with("policies.\"a.b c\".x: unknown name `x`"),
        "{told}"
    );
}

#[test]
fn a_key_that_is_given_twice_is_refused() {
    let json = r#"{ "policies": { "a": { "deadline": "1s", "deadline": "2s" }, "a": {} } }"#;
    assert_eq!(
        told(json, Format::Json),
        "policies.a.deadline: is given twice (line 1, column 54)\n\
         policies.a: is given twice (line 1, column 67)"
    );
    let mut from_serde = serde_json::Deserializer::from_str(json);
    let faults = Document::read(&mut from_serde).unwrap_err().to_string();
    assert!(faults.contains("policies.a: is given twice"), "{faults}");
    let told_of = yaml("policies:\n  a: {}\n  a: {}\n");
    assert_eq!(told_of, "policies.a: is given twice (line 3, column 3)");
    let toml = told(
        "[policies.a]\ndeadline = '1s'\ndeadline = '2s'\n",
        Format::Toml,
    );
    assert!(
        toml.contains("duplicate key") && toml.ends_with("(line 3, column 1)"),
        "{toml}"
    );
}

#[test]
fn what_cannot_be_read_at_all_has_a_line() {
    for (text, format, line, column) in [
        ("{\n  \"base\": }", Format::Json, 2, 11),
        ("{\"base\": \"\\ud800\"}", Format::Json, 1, 10),
        ("base = \n", Format::Toml, 1, 8),
        ("base: [1\npolicies: {}", Format::Yaml, 2, 9),
        ("a: 1\n---\nb: 1\n", Format::Yaml, 2, 1),
        ("policies: { a: *nobody }", Format::Yaml, 1, 16),
        ("policies: { a: !secret x }", Format::Yaml, 1, 16),
        ("? [1]\n: 2", Format::Yaml, 1, 3),
        ("policies: { a: { <<: 5 } }", Format::Yaml, 1, 22),
    ] {
        let faults = all(text, format);
        let fault: &Fault = faults.iter().next().unwrap();
        assert_eq!(
            (fault.line, fault.column),
            (Some(line), Some(column)),
            "{text}: {faults}"
        );
        assert_eq!(fault.path, "");
    }
}

#[test]
fn a_place_is_counted_in_characters() {
    let text = "{\"policies\": {\"käse\":\n {\"größe\": 1, \"é\": 2}}}";
    let faults = told(text, Format::Json);
    assert!(
        faults.contains("policies.käse.größe: unknown name `größe`"),
        "{faults}"
    );
    assert!(
        faults.contains("(line 2, column 12)") && faults.contains("(line 2, column 20)"),
        "{faults}"
    );
}

#[test]
fn nobody_fills_the_memory_or_the_stack_with_a_few_lines() {
    // A billion of them.
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..9 {
        let again = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb += &format!("a{n}: &a{n} [{again}]\n");
    }
    let faults = yaml(&bomb);
    assert!(
        faults.contains("too much: no more than 100000 values are read"),
        "{faults}"
    );
    // One long word, many times.
    let long = "x".repeat(500_000);
    let again = vec!["*w"; 50_000].join(",");
    let faults = yaml(&format!("w: &w {long}\nall: [{again}]\n"));
    assert!(faults.contains("too much"), "{:.200}", faults);

    let deep = |open: &str, close: &str, n: usize| open.repeat(n) + "1" + &close.repeat(n);
    for n in [33, 100_000] {
        for (format, text) in [
            (Format::Json, deep("{\"a\":", "}", n)),
            (Format::Json, deep("[", "]", n)),
            (Format::Yaml, deep("{ a: ", "}", n)),
            (Format::Yaml, deep("[", "]", n)),
            (Format::Toml, format!("a = {}", deep("[", "]", n))),
            (Format::Toml, format!("{} = 1", vec!["a"; n].join("."))),
        ] {
            let faults = all(&text, format);
            let fault = faults.iter().next().unwrap();
            assert!(fault.line.is_some(), "{format:?} {n}: {faults}");
        }
    }
    let faults = yaml(&" ".repeat((1 << 20) + 1));
    assert!(faults.contains("no more than 1 MiB is read"), "{faults}");
    let many = vec!["1"; 100_001].join(",");
    let faults = told(&format!("[{many}]"), Format::Json);
    assert!(faults.contains("too much"), "{faults}");
    // Through serde, too.
    let deep = deep("[", "]", 33);
    let faults = Document::read(&mut serde_json::Deserializer::from_str(&deep)).unwrap_err();
    assert!(faults.to_string().contains("too deep"), "{faults}");
    let faults = Document::read(&mut serde_json::Deserializer::from_str(&format!(
        "[{many}]"
    )));
    assert!(faults.unwrap_err().to_string().contains("too much"));
}

#[test]
fn what_a_stranger_wrote_is_shown_in_part_and_harmless() {
    let long = "y".repeat(10_000);
    let faults = yaml(&format!(
        "policies: {{ a: {{ deadline: {long}, \"b\\e[31m\\n\": 1 }} }}"
    ));
    assert!(faults.len() < 2_000, "{}", faults.len());
    assert!(!faults.contains('\u{1b}'), "{faults:?}");
    assert_eq!(faults.lines().count(), 2, "{faults}");
}
