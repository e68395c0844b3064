//! Documents for resilience4j: what is understood of them, what is left out and named, and what comes of it.
#![cfg(feature = "reload")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{fs, time::Duration};

use buttress::{
    backoff::{Backoff, Jitter},
    breaker::Window,
    document::{Document, Format, Translated},
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn read(text: &str) -> Translated {
    match Document::parse_resilience4j(text, Format::Yaml) {
        Ok(read) => read,
        Err(faults) => panic!("{faults}"),
    }
}

fn fragments() -> Vec<(String, String)> {
    let entries = fs::read_dir("tests/resilience4j").unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let named = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let mut all: Vec<_> = paths.map(named).collect();
    all.sort();
    all
}

/// The lines that set something: keys with a value, and keys with a list below. An alias stands for what it
/// repeats.
fn settings(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_item = |line: &str| line.trim_start().starts_with("- ");
    let sets = |(at, line): (usize, &&str)| {
        let Some((key, value)) = line.split_once(':') else {
            return false;
        };
        // Merged and repeated maps, and instances that say nothing.
        let value = value.trim();
        let refers = value.starts_with(['&', '*', '{']) || key.trim() == "<<";
        let listed = lines.get(at + 1).is_some_and(|line| is_item(line));
        !is_item(line) && !refers && (!value.is_empty() || listed)
    };
    lines
        .iter()
        .enumerate()
        .filter(|(at, line)| sets((*at, line)))
        .count()
}

#[test]
fn nine_tenths_of_what_is_usual_are_understood_and_the_rest_is_named() {
    let all = fragments();
    assert_eq!(all.len(), 20);
    let (mut given, mut left_out) = (0, 0);
    for (name, text) in &all {
        let read = match Document::parse_resilience4j(text, Format::Yaml) {
            Ok(read) => read,
            Err(faults) => panic!("{name}:\n{faults}"),
        };
        assert!(read.document.names().len() > 0, "{name}");
        // A module that is left out counts with all that is in it.
        let mut out = 0;
        for fault in &read.left_out {
            let line = fault.line.unwrap();
            let at = text.lines().nth(line - 1).unwrap();
            let indent = |line: &str| line.len() - line.trim_start().len();
            let below = text
                .lines()
                .skip(line)
                .take_while(|line| indent(line) > indent(at));
            let block = std::iter::once(at)
                .chain(below)
                .collect::<Vec<_>>()
                .join("\n");
            out += settings(&block);
            let last = fault.path.rsplit('.').next().unwrap();
            assert!(at.contains(last), "{name}: {fault}");
        }
        let here = settings(text);
        println!("{name}: {} of {here} understood", here - out);
        for fault in &read.left_out {
            println!("    {fault}");
        }
        given += here;
        left_out += out;
    }
    let share = (given - left_out) as f64 / given as f64;
    println!(
        "{} of {given} keys understood: {:.1} %",
        given - left_out,
        share * 100.0
    );
    assert!(given > 200, "{given}");
    assert!(share >= 0.9, "{share}");
}

#[test]
fn values_come_out_in_our_units() {
    let text = &fragments()[8].1;
    let search = read(text).document.get("search").unwrap().clone();
    let breaker = search.breaker.unwrap();
    assert_eq!(breaker.window, Window::Time(ms(30_000)));
    assert_eq!((breaker.min_calls, breaker.probes), (50, 10));
    assert_eq!(
        (breaker.failure_ratio, breaker.slow_call_ratio),
        (0.25, 0.3)
    );
    assert_eq!(breaker.slow_call_duration, Some(ms(800)));
    assert_eq!(
        (breaker.open_for, breaker.probe_timeout),
        (ms(20_000), ms(5_000))
    );
}

#[test]
fn a_base_config_is_below_an_instance_and_the_default_below_who_names_none() {
    let read = read(
        "
resilience4j.circuitbreaker:
  configs:
    default: { waitDurationInOpenState: 1000, slidingWindowSize: 40, slidingWindowType: TIME_BASED }
    shared: { wait-duration-in-open-state: 2s, failureRateThreshold: 33.3 }
    further: { baseConfig: shared, failureRateThreshold: 20 }
  instances:
    a:
    b: { slidingWindowSize: 20 }
    c: { baseConfig: shared, waitDurationInOpenState: PT0.5S }
    d: { baseConfig: further }
",
    );
    let breaker = |name| read.document.get(name).unwrap().breaker.clone().unwrap();
    let of = |name| (breaker(name).open_for, breaker(name).window);
    assert_eq!(of("a"), (ms(1_000), Window::Time(ms(40_000))));
    assert_eq!(of("b"), (ms(1_000), Window::Time(ms(20_000))));
    // It names another, so the default is not below it; what neither says is ours.
    assert_eq!(of("c"), (ms(500), Window::Time(ms(10_000))));
    assert_eq!(breaker("c").failure_ratio, 0.333);
    assert_eq!(of("d"), (ms(2_000), Window::Time(ms(10_000))));
    assert_eq!(breaker("d").failure_ratio, 0.2);
    assert!(read.left_out.is_empty());
}

#[test]
fn waits_of_a_retry_are_what_they_are_there() {
    let read = read(
        "
retry:
  instances:
    plain: { maxAttempts: 2, waitDuration: 500ms }
    grows: { enableExponentialBackoff: true, waitDuration: 1s, exponentialMaxWaitDuration: 8s }
    spread: { waitDuration: 1s, enableRandomizedWait: true }
    inert: { waitDuration: 1s, exponentialBackoffMultiplier: 3, randomizedWaitFactor: 0.3 }
    ours: { maxAttempts: 4 }
",
    );
    let retry = |name| read.document.get(name).unwrap().retry.clone().unwrap();
    let constant = |wait| Backoff::constant(wait).jitter(Jitter::None);
    assert_eq!(retry("plain").backoff, constant(ms(500)));
    assert_eq!(retry("plain").max_attempts, 2);
    let grows = Backoff::exponential(ms(1_000)).factor(1.5).cap(ms(8_000));
    assert_eq!(retry("grows").backoff, grows.jitter(Jitter::None));
    let spread = constant(ms(1_000)).jitter(Jitter::Around(0.5));
    assert_eq!(retry("spread").backoff, spread);
    assert_eq!(retry("inert").backoff, constant(ms(1_000)));
    let usual = buttress::retry::Config::default().backoff;
    assert_eq!(retry("ours").backoff, usual);
}

#[test]
fn what_is_asked_for_and_happens_anyway_is_not_left_out() {
    let read = read(
        "
circuitbreaker.instances.a:
  automaticTransitionFromOpenToHalfOpenEnabled: false
  registerHealthIndicator: 'false'
  initialState: CLOSED
  maxWaitDurationInHalfOpenState: 0
timelimiter.instances.a: { cancelRunningFuture: true }
bulkhead.instances.a: { fairCallHandlingEnabled: true, maxWaitDuration: 0ms }
retry.instances.a: { failAfterMaxAttempts: false, unheardOf: 1 }
cache: { instances: {} }
",
    );
    let told: Vec<_> = read.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "circuitbreaker.instances.a.maxWaitDurationInHalfOpenState: 0 waits for ever: here a probe \
             that hangs counts as failed (line 6, column 3)",
            "retry.instances.a.unheardOf: `unheardOf` is no setting of theirs that is known here \
             (line 9, column 51)",
            "cache: `cache` is no module that is known here (line 10, column 1)",
        ]
    );
    let a = read.document.get("a").unwrap();
    // Where we have no default, theirs.
    assert_eq!(a.attempt_timeout, Some(ms(1_000)));
    let bulkhead = a.bulkhead.unwrap();
    let limits = (
        bulkhead.max_concurrent,
        bulkhead.max_queue,
        bulkhead.max_wait,
    );
    assert_eq!(limits, (25, 0, ms(0)));
}

#[test]
fn what_is_wrong_is_told_where_it_stands_and_once() {
    let told = |text: &str| {
        let faults = Document::parse_resilience4j(text, Format::Yaml).unwrap_err();
        faults.to_string()
    };
    let faults = told(
        "
resilience4j:
  circuitbreaker:
    configs:
      default: { failureRateThreshold: half, slidingWindowType: SOMETIMES }
    instances: { a: {}, b: {}, c: { baseConfig: nobody } }
",
    );
    assert_eq!(
        faults,
        "resilience4j.circuitbreaker.configs.default.failureRateThreshold: `half`: expected a \
         percentage, above 0 to 100 (line 5, column 40)\n\
         resilience4j.circuitbreaker.configs.default.slidingWindowType: `SOMETIMES`: expected \
         COUNT_BASED or TIME_BASED (line 5, column 65)\n\
         policies.c.baseConfig: unknown config `nobody` (line 6, column 37)"
    );
    let faults = told("bulkhead.instances.a.maxConcurrentCalls: 0");
    assert_eq!(
        faults,
        "bulkhead.instances.a.maxConcurrentCalls: `0`: must be 1 to 1000000 (line 1, column 42)"
    );
    let faults = told(
        "
circuitbreaker.instances.a.slowCallDurationThreshold: 2s
timelimiter.instances.a.timeoutDuration: 1s
",
    );
    assert!(
        faults.starts_with("policies.a.breaker.slow_call_duration: 2s: must be less than"),
        "{faults}"
    );
    let faults = told("retry: { configs: { a: { baseConfig: b }, b: { baseConfig: a } } }");
    assert!(faults.contains("goes round in circles"), "{faults}");
    let faults = told("{ retry.instances.a: 1, retry.instances.a.maxAttempts: 2 }");
    assert!(
        faults.contains("once as a value, and once as a group"),
        "{faults}"
    );
}

/// Keys that say more than their name does.
#[test]
fn what_a_key_means_besides() {
    let instances = |text: &str| {
        let text = format!("resilience4j: {{ {text} }}");
        let read = Document::parse_resilience4j(&text, Format::Yaml).unwrap();
        read.document.get("a").unwrap().clone()
    };
    // A ring was not judged before it was full; a window is, from `minimumNumberOfCalls` on.
    let ring =
        instances("circuitbreaker: { instances: { a: { ringBufferSizeInClosedState: 60 } } }");
    assert_eq!(ring.breaker.unwrap().min_calls, 60);
    let both = "circuitbreaker: { instances: { a: { ringBufferSizeInClosedState: 60, minimumNumberOfCalls: 7 } } }";
    assert_eq!(instances(both).breaker.unwrap().min_calls, 7);
    let window = instances("circuitbreaker: { instances: { a: { slidingWindowSize: 60 } } }");
    assert_eq!(window.breaker.unwrap().min_calls, 20);
    // What is spread is their own wait, where none is given.
    let spread = instances("retry: { instances: { a: { enableRandomizedWait: true } } }");
    let wait = spread.retry.unwrap().backoff;
    assert_eq!(
        wait,
        Backoff::constant(Duration::from_millis(500)).jitter(Jitter::Around(0.5))
    );
}
