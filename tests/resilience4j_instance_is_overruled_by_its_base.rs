//! In documents for resilience4j an instance says otherwise than its base config. Where one of them uses a key's old
//! name and the other the new one, the base won, and nobody was told. And of an instance that stands under two
//! spellings of its module, the first was dropped.
#![cfg(feature = "reload")]

use buttress::{
    breaker::Window,
    document::{Document, Format},
    pipeline::Config,
};

fn instance(module: &str, base: &str, own: &str) -> Config {
    let text = format!(
        "resilience4j.{module}: {{ configs: {{ default: {{ {base} }} }}, instances: {{ a: {{ {own} }} }} }}"
    );
    let read = Document::parse_resilience4j(&text, Format::Yaml).unwrap();
    assert_eq!(read.left_out, []);
    read.document.get("a").unwrap().clone()
}

#[test]
fn an_old_name_and_a_new_one_are_the_same_key() {
    for [base, own] in [
        ["ringBufferSizeInClosedState: 50", "slidingWindowSize: 10"],
        ["slidingWindowSize: 50", "ringBufferSizeInClosedState: 10"],
    ] {
        let breaker = instance("circuitbreaker", base, own).breaker.unwrap();
        assert_eq!(breaker.window, Window::Count(10), "{own} over {base}");
    }
    for [base, own] in [
        [
            "ringBufferSizeInHalfOpenState: 9",
            "permittedNumberOfCallsInHalfOpenState: 3",
        ],
        [
            "permittedNumberOfCallsInHalfOpenState: 9",
            "ringBufferSizeInHalfOpenState: 3",
        ],
    ] {
        let breaker = instance("circuitbreaker", base, own).breaker.unwrap();
        assert_eq!(breaker.probes, 3, "{own} over {base}");
    }
    for [base, own] in [
        ["maxAttempts: 5", "maxRetryAttempts: 2"],
        ["maxRetryAttempts: 5", "maxAttempts: 2"],
    ] {
        let retry = instance("retry", base, own).retry.unwrap();
        assert_eq!(retry.max_attempts, 2, "{own} over {base}");
    }
    for [base, own] in [
        ["maxWaitDuration: 50ms", "maxWaitTime: 10ms"],
        ["maxWaitTime: 50ms", "maxWaitDuration: 10ms"],
    ] {
        let places = instance("bulkhead", base, own).bulkhead.unwrap();
        assert_eq!(places.max_wait.as_millis(), 10, "{own} over {base}");
    }
}

#[test]
fn an_instance_under_two_spellings_of_its_module_is_a_fault() {
    let text = "
resilience4j.circuitbreaker.instances.a.waitDurationInOpenState: 60s
circuit-breaker.instances.a.failureRateThreshold: 10
";
    let faults = Document::parse_resilience4j(text, Format::Yaml).unwrap_err();
    let told = faults.to_string();
    assert!(
        told.starts_with("circuit-breaker.instances.a: is given twice"),
        "{told}"
    );
}
