//! Documents of named policies: what may stand in them, what policies inherit, and what they become.
#![cfg(feature = "reload")]

use std::time::Duration;

use buttress::{
    backoff::{Backoff, Jitter},
    breaker::Window,
    document::{Document, Format},
    hedge::{Delay, Percentile},
    pipeline::Config,
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn yaml(text: &str) -> Document {
    match Document::parse(text, Format::Yaml) {
        Ok(document) => document,
        Err(faults) => panic!("{faults}"),
    }
}

/// The only policy of a document.
#[track_caller]
fn policy(settings: &str) -> Config {
    let document = yaml(&format!("policies: {{ only: {settings} }}"));
    document.get("only").unwrap().clone()
}

#[test]
fn a_document_becomes_policies_in_its_order() {
    let document = yaml(
        "
base: standard
policies:
  payments:
    breaker: { failure_ratio: 0.3, open_for: 2s }
    bulkhead: { max_concurrent: 20, max_queue: 5, max_wait: 100ms }
  members: {}
  search:
    base: latency_sensitive
    hedge: { delay: { percentile: 0.99 } }
  audit: { base: none, attempt_timeout: 1s }
  invoices: { base: payments, breaker: { open_for: 3s } }
",
    );
    let names: Vec<_> = document.names().collect();
    assert_eq!(
        names,
        ["payments", "members", "search", "audit", "invoices"]
    );
    assert_eq!(document.names().len(), 5);
    assert_eq!(document.iter().count(), 5);

    let mut payments = Config::standard();
    let breaker = payments.breaker.as_mut().unwrap();
    (breaker.failure_ratio, breaker.open_for) = (0.3, ms(2_000));
    let bulkhead = payments.bulkhead.as_mut().unwrap();
    (
        bulkhead.max_concurrent,
        bulkhead.max_queue,
        bulkhead.max_wait,
    ) = (20, 5, ms(100));
    assert_eq!(document.get("payments"), Some(&payments));

    assert_eq!(document.get("members"), Some(&Config::standard()));
    let mut search = Config::latency_sensitive();
    let p99 = Percentile::new(0.99, ms(50));
    search.hedge.as_mut().unwrap().delay = Delay::Percentile(p99);
    assert_eq!(document.get("search"), Some(&search));
    let mut audit = Config::default();
    audit.attempt_timeout = Some(ms(1_000));
    assert_eq!(document.get("audit"), Some(&audit));
    payments.breaker.as_mut().unwrap().open_for = ms(3_000);
    assert_eq!(document.get("invoices"), Some(&payments));
    assert_eq!(document.get("nobody"), None);
}

#[test]
fn a_base_may_be_settings_with_or_without_a_preset() {
    let document = yaml(
        "
base: { base: standard, deadline: 20s, bulkhead: off }
policies: { a: , b: { deadline: 12s } }
",
    );
    let mut expected = Config::standard();
    expected.bulkhead = None;
    expected.deadline = Some(ms(20_000));
    assert_eq!(document.get("a"), Some(&expected));
    expected.deadline = Some(ms(12_000));
    assert_eq!(document.get("b"), Some(&expected));

    let document = yaml("{ base: { deadline: 1s }, policies: { a: {}, b: standard, c: a } }");
    let mut expected = Config::default();
    expected.deadline = Some(ms(1_000));
    assert_eq!(document.get("a"), Some(&expected));
    assert_eq!(document.get("b"), Some(&Config::standard()));
    assert_eq!(document.get("c"), Some(&expected));

    assert_eq!(yaml("policies: {}"), Document::default());
    assert_eq!(yaml("base: standard"), Document::default());
}

#[test]
fn what_is_inherited_can_be_taken_away() {
    for off in ["null", "~", "off", "false", "none", "no", "'off'"] {
        let text = format!(
            "policies:
  a: {{ base: standard, retry: {off}, breaker: {off}, bulkhead: {off}, deadline: {off}, attempt_timeout: {off} }}
"
        );
        assert_eq!(yaml(&text).get("a"), Some(&Config::default()), "{off}");
    }
    // And given back: to what a pattern is when nothing is said.
    let document = yaml(
        "
policies:
  a: { base: standard, breaker: off }
  b: { base: a, breaker: on }
  c: { base: standard, breaker: { ramp: off, slow_call_duration: null, failure_ratio: null, slow_call_ratio: ~ } }
",
    );
    let plain = Some(buttress::breaker::Config::default());
    assert_eq!(document.get("a").unwrap().breaker, None);
    assert_eq!(document.get("b").unwrap().breaker, plain);
    assert_eq!(document.get("c").unwrap().breaker, plain);
}

#[test]
fn another_law_of_waits_starts_afresh() {
    let document = yaml(
        "
policies:
  a: { retry: { backoff: { base: 10ms, factor: 3, cap: 1s, jitter: equal } } }
  b: { base: a, retry: { backoff: { base: 20ms } } }
  c: { base: a, retry: { backoff: { law: exponential, factor: 2 } } }
  d: { base: a, retry: { backoff: { law: constant, base: 1s } } }
  e: { base: a, retry: { backoff: off } }
  f: { base: e, retry: { backoff: { law: linear, step: 5ms, jitter: 0.2 } } }
",
    );
    let backoff = |name| document.get(name).unwrap().retry.clone().unwrap().backoff;
    let first = Backoff::exponential(ms(10)).factor(3.0).cap(ms(1_000));
    let first = first.jitter(Jitter::Equal);
    assert_eq!(backoff("a"), first);
    let second = Backoff::exponential(ms(20)).factor(3.0).cap(ms(1_000));
    assert_eq!(backoff("b"), second.jitter(Jitter::Equal));
    assert_eq!(backoff("c"), first.factor(2.0));
    assert_eq!(backoff("d"), Backoff::constant(ms(1_000)));
    assert_eq!(backoff("e"), Backoff::none());
    let linear = Backoff::linear(ms(100), ms(5)).jitter(Jitter::Around(0.2));
    assert_eq!(backoff("f"), linear);
}

#[test]
fn what_nobody_said_may_depend_on_what_somebody_said() {
    // A short count window holds fewer calls than are usual, also below a preset.
    let config = policy("{ base: standard, breaker: { window: 10 } }");
    let breaker = config.breaker.unwrap();
    assert_eq!((breaker.window, breaker.min_calls), (Window::Count(10), 10));
    let config = policy("{ breaker: { window: 100 } }");
    assert_eq!(config.breaker.unwrap().min_calls, 20);
    // A burst is a period's worth.
    let limit = policy("{ rate_limit: { calls: 7, period: 1m } }")
        .rate_limit
        .unwrap();
    assert_eq!((limit.calls, limit.period, limit.burst), (7, ms(60_000), 7));
    // A cap is never below the first wait.
    let retry = policy("{ retry: { backoff: { base: 3s } } }")
        .retry
        .unwrap();
    assert_eq!(
        retry.backoff,
        Backoff::exponential(ms(3_000)).cap(ms(3_000))
    );
}

#[test]
fn values_have_the_forms_that_people_write() {
    let plain = policy(
        "{ breaker: { window: 100, failure_ratio: 0.25, min_calls: 20, open_for: 2.5s, shadow: true },
           bulkhead: { max_concurrent: 8 }, deadline: 1m 30s, hedge: { delay: 20ms } }",
    );
    let quoted = policy(
        "{ breaker: { window: '100', failure_ratio: '0.25', min_calls: '20', open_for: 2500ms, shadow: 'on' },
           bulkhead: { max_concurrent: '8' }, deadline: 90 s, hedge: { delay: '20 ms' } }",
    );
    assert_eq!(plain, quoted);
    let breaker = plain.breaker.unwrap();
    assert_eq!(
        (breaker.window, breaker.open_for),
        (Window::Count(100), ms(2_500))
    );
    assert_eq!((breaker.failure_ratio, breaker.shadow), (0.25, true));
    assert_eq!(plain.deadline, Some(ms(90_000)));
    assert_eq!(plain.hedge.unwrap().delay, Delay::Fixed(ms(20)));
    let other_spelling = policy("{ rateLimit: { calls: 5, period: 1s, max-wait: 10ms } }");
    assert_eq!(other_spelling.rate_limit.unwrap().max_wait, ms(10));
}

#[test]
fn all_formats_say_the_same() {
    let from_yaml = yaml(
        "
base: standard
policies:
  members: { breaker: { failure_ratio: 0.3, window: 1m }, retry: { max_attempts: 0x2 } }
"
        .replace("0x2", "2")
        .as_str(),
    );
    let toml = "
base = 'standard'
[policies.members]
breaker = { failure_ratio = 0.3, window = '1m' }
retry.max_attempts = 0x2
";
    let json = r#"{ "$schema": "buttress.schema.json", "base": "standard", "policies": { "members": {
        "breaker": { "failure_ratio": 0.3, "window": "1m" }, "retry": { "max_attempts": 2 } } } }"#;
    assert_eq!(Document::parse(toml, Format::Toml).unwrap(), from_yaml);
    assert_eq!(Document::parse(json, Format::Json).unwrap(), from_yaml);
    let mut from_serde = serde_json::Deserializer::from_str(json);
    assert_eq!(Document::read(&mut from_serde).unwrap(), from_yaml);
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(Document::read(value).unwrap(), from_yaml);
    let value: toml::Table = toml.parse().unwrap();
    assert_eq!(Document::read(value).unwrap(), from_yaml);
}

#[test]
fn yaml_may_name_what_it_repeats() {
    let document = yaml(
        "
policies:
  a: &usual { breaker: &breaker { open_for: 2s, probes: 3 }, deadline: 9s }
  b: *usual
  c: { <<: *usual, breaker: { <<: *breaker, probes: 4 } }
  d: { <<: [{ deadline: 8s }, *usual] }
",
    );
    assert_eq!(document.get("b"), document.get("a"));
    let c = document.get("c").unwrap();
    let breaker = c.breaker.as_ref().unwrap();
    assert_eq!((breaker.open_for, breaker.probes), (ms(2_000), 4));
    assert_eq!(c.deadline, Some(ms(9_000)));
    assert_eq!(document.get("d").unwrap().deadline, Some(ms(8_000)));
}

#[test]
fn a_document_may_stand_in_settings_of_ones_own() {
    #[derive(serde::Deserialize)]
    struct Shop {
        port: u16,
        resilience: Document,
    }
    let shop: Shop = toml::from_str(
        "
port = 80
[resilience.policies.members]
base = 'standard'
",
    )
    .unwrap();
    assert_eq!((shop.port, shop.resilience.names().len()), (80, 1));
    let wrong = "port = 1\nresilience.policies.a.breaker.probes = 0";
    let told = toml::from_str::<Shop>(wrong).err().unwrap().to_string();
    assert!(
        told.contains("policies.a.breaker.probes: `0`: must be 1 to 10000"),
        "{told}"
    );
}

#[test]
fn a_written_document_reads_as_the_same() {
    let document = yaml(
        "
base: standard
policies:
  members: { rate_limit: { calls: 10, period: 1s }, retry: { backoff: { cap: none } } }
  search: latency_sensitive
  bare: { base: none }
",
    );
    let json = serde_json::to_string_pretty(&document).unwrap();
    assert_eq!(Document::parse(&json, Format::Json).unwrap(), document);
    assert_eq!(Document::parse(&json, Format::Yaml).unwrap(), document);
    let toml = toml::to_string(&document).unwrap();
    assert_eq!(Document::parse(&toml, Format::Toml).unwrap(), document);
}
