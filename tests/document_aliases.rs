//! Names that users of resilience4j and Polly know, in their spellings and their units.
#![cfg(feature = "reload")]

use std::time::Duration;

use buttress::{
    backoff::{Backoff, Jitter},
    breaker::{self, Window},
    bulkhead,
    document::{Document, Format},
    hedge, pipeline, rate_limit, retry,
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn policy(settings: &str) -> pipeline::Config {
    match Document::parse(&format!("policies: {{ a: {settings} }}"), Format::Yaml) {
        Ok(document) => document.get("a").unwrap().clone(),
        Err(faults) => panic!("{settings}: {faults}"),
    }
}

#[track_caller]
fn refused(settings: &str) -> String {
    let read = Document::parse(&format!("policies: {{ a: {settings} }}"), Format::Yaml);
    read.expect_err(settings).to_string()
}

#[track_caller]
fn breaker(settings: &str) -> breaker::Config {
    policy(&format!("{{ breaker: {{ {settings} }} }}"))
        .breaker
        .unwrap()
}

#[track_caller]
fn retry(settings: &str) -> retry::Config {
    policy(&format!("{{ retry: {{ {settings} }} }}"))
        .retry
        .unwrap()
}

#[test]
fn a_breaker_of_resilience4j() {
    for (theirs, ours) in [
        ("failure_rate_threshold: 30", "failure_ratio: 0.3"),
        ("failureRateThreshold: 33.3", "failure_ratio: 0.333"),
        ("failure-rate-threshold: '30%'", "failure_ratio: 0.3"),
        ("FailureRateThreshold: 100", "failure_ratio: 1"),
        ("minimum_number_of_calls: 7", "min_calls: 7"),
        ("sliding_window_size: 30", "window: 30"),
        (
            "sliding_window_size: 30, sliding_window_type: count_based",
            "window: 30",
        ),
        (
            "slidingWindowSize: 30, slidingWindowType: TIME_BASED",
            "window: 30s",
        ),
        ("wait_duration_in_open_state: 2s", "open_for: 2s"),
        ("wait_duration_in_open_state: 1500", "open_for: 1500ms"),
        ("wait_duration_in_open_state: 1500ms", "open_for: 1500ms"),
        (
            "wait_duration_in_open_state: PT1M30.5S",
            "open_for: 90500ms",
        ),
        (
            "wait_duration_in_open_state: P1DT1H",
            "open_for: 25h, open_max: 25h",
        ),
        (
            "permitted_number_of_calls_in_half_open_state: 3",
            "probes: 3",
        ),
        ("slow_call_rate_threshold: 80", "slow_call_ratio: 0.8"),
        (
            "slow_call_duration_threshold: 800",
            "slow_call_duration: 800ms",
        ),
        (
            "max_wait_duration_in_half_open_state: 20s",
            "probe_timeout: 20s",
        ),
        ("enable_exponential_backoff: true", "open_factor: 1.5"),
        (
            "enable_exponential_backoff: true, exponential_backoff_multiplier: 3",
            "open_factor: 3",
        ),
        (
            "enable_exponential_backoff: false, exponential_backoff_multiplier: 3",
            "open_factor: 1",
        ),
        ("exponential_backoff_multiplier: 3", "open_factor: 3"),
        (
            "exponential_max_wait_duration_in_open_state: 2m",
            "open_max: 2m",
        ),
        ("randomized_wait_factor: 0.3", "open_jitter: 0.3"),
        ("enable_randomized_wait: true", "open_jitter: 0.5"),
        ("enable_randomized_wait: false", "open_jitter: 0"),
    ] {
        // Growth, so that its bound is told apart.
        let with = |settings| {
            let mut config = breaker(settings);
            if ours.contains("open_max: 25h") {
                config.open_max = ms(0);
            }
            config
        };
        assert_eq!(with(theirs), with(ours), "{theirs}");
    }
    assert_eq!(breaker("sliding_window_size: 30").window, Window::Count(30));
}

#[test]
fn a_breaker_of_polly() {
    let theirs = policy(
        "{ CircuitBreaker: { FailureRatio: 0.3, MinimumThroughput: 50, SamplingDuration: '00:00:30',
           BreakDuration: '0:01:00.500' } }",
    );
    let ours = "failure_ratio: 0.3, min_calls: 50, window: 30s, open_for: 1m 500ms";
    assert_eq!(theirs.breaker.unwrap(), breaker(ours));
    for (span, expected) in [
        ("1.02:03:04", 93_784_000),
        ("00:00:00.0010000", 1),
        ("5s", 5_000),
    ] {
        let config = breaker(&format!("break_duration: '{span}'"));
        assert_eq!(config.open_for, ms(expected));
    }
    for span in [
        "5",
        "00:60:00",
        "24:00:00",
        "00:00",
        "00:00:60",
        "-00:00:01",
        "a:b:c",
        "::",
    ] {
        let told = refused(&format!("{{ breaker: {{ BreakDuration: '{span}' }} }}"));
        assert!(
            told.contains("expected a duration: 00:00:05 (hours, minutes, seconds) or 5s"),
            "{told}"
        );
    }
}

#[test]
fn a_retry_of_either() {
    let usual = retry::Config::default().backoff;
    for (theirs, attempts, backoff) in [
        ("max_attempts: 4", 4, usual.clone()),
        ("MaxRetryAttempts: 3", 4, usual.clone()),
        (
            "wait_duration: 500",
            3,
            Backoff::exponential(ms(500)).cap(ms(2_000)),
        ),
        (
            "waitDuration: 500ms, enableExponentialBackoff: false",
            3,
            Backoff::constant(ms(500)),
        ),
        (
            "exponential_backoff_multiplier: 3",
            3,
            usual.clone().factor(3.0),
        ),
        (
            "exponential-max-wait-duration: 5s",
            3,
            usual.clone().cap(ms(5_000)),
        ),
        (
            "enable_randomized_wait: true",
            3,
            usual.clone().jitter(Jitter::Around(0.5)),
        ),
        (
            "Delay: '00:00:02', BackoffType: Constant, UseJitter: false",
            3,
            Backoff::constant(ms(2_000)).jitter(Jitter::None),
        ),
        (
            "BackoffType: Linear, Delay: 1s",
            3,
            Backoff::linear(ms(1_000), ms(1_000)),
        ),
        (
            "MaxDelay: '00:00:30', UseJitter: true",
            3,
            usual.cap(ms(30_000)),
        ),
    ] {
        let config = retry(theirs);
        assert_eq!(
            (config.max_attempts, config.backoff),
            (attempts, backoff),
            "{theirs}"
        );
    }
    let told = refused("{ retry: { MaxRetryAttempts: 4294967295 } }");
    assert!(told.contains("expected a whole number"), "{told}");
    let told = refused("{ retry: { BackoffType: Sometimes } }");
    assert!(
        told.contains("`Sometimes`: expected constant or linear or exponential"),
        "{told}"
    );
}

#[test]
fn limits_of_either() {
    let limit = |settings: &str| policy(settings).rate_limit.unwrap();
    let mut ours = rate_limit::Config::new(50, ms(1_000));
    ours.max_wait = ms(250);
    let theirs =
        "{ ratelimiter: { limitForPeriod: 50, limitRefreshPeriod: 1s, timeoutDuration: 250 } }";
    assert_eq!(limit(theirs), ours);
    ours.max_wait = ms(0);
    assert_eq!(
        limit("{ RateLimiter: { PermitLimit: 50, Window: '00:00:01' } }"),
        ours
    );
    ours.burst = 10;
    let theirs =
        "{ rate_limiter: { TokenLimit: 10, TokensPerPeriod: 50, ReplenishmentPeriod: 1s } }";
    assert_eq!(limit(theirs), ours);

    let places = |settings: &str| policy(settings).bulkhead.unwrap();
    let mut ours = bulkhead::Config::new(8);
    assert_eq!(
        places("{ bulkhead: { max_concurrent_calls: 8, max_wait_duration: 0 } }"),
        ours
    );
    assert_eq!(places("{ ConcurrencyLimiter: { PermitLimit: 8 } }"), ours);
    (ours.max_queue, ours.max_wait) = (1_000_000, ms(20));
    assert_eq!(
        places("{ bulkhead: { maxConcurrentCalls: 8, maxWaitDuration: 20ms } }"),
        ours
    );
    ours.max_queue = 5;
    assert_eq!(
        places("{ bulkhead: { maxWaitDuration: 20, PermitLimit: 8, QueueLimit: 5 } }"),
        ours
    );

    let hedged = policy("{ Hedging: { MaxHedgedAttempts: 2, Delay: '00:00:00.1' } }")
        .hedge
        .unwrap();
    let mut ours = hedge::Config::new(ms(100));
    ours.max_hedges = 2;
    assert_eq!(hedged, ours);
}

#[test]
fn time_limits_of_either() {
    for settings in [
        "{ attempt_timeout: 3s }",
        "{ timelimiter: { timeoutDuration: 3s } }",
        "{ time-limiter: { timeout-duration: 3000 } }",
        "{ AttemptTimeout: { Timeout: '00:00:03' } }",
    ] {
        assert_eq!(
            policy(settings).attempt_timeout,
            Some(ms(3_000)),
            "{settings}"
        );
    }
    let whole = policy("{ TotalRequestTimeout: { Timeout: '00:00:30' } }");
    assert_eq!(whole.deadline, Some(ms(30_000)));
    let told = refused("{ attempt_timeout: { timeout: 1s, timeout_duration: 1s } }");
    assert!(
        told.contains("policies.a.attempt_timeout.timeout_duration: says the same"),
        "{told}"
    );
    let told = refused("{ attempt_timeout: { after: 1s } }");
    assert!(
        told.contains("unknown name `after`. Known here: `timeout_duration`, `timeout`"),
        "{told}"
    );
}

#[test]
fn a_name_and_its_alias_cannot_both_be_given() {
    for (settings, path, other) in [
        (
            "{ breaker: { open_for: 1s, break_duration: 1s } }",
            "breaker.break_duration",
            "open_for",
        ),
        (
            "{ breaker: { waitDurationInOpenState: 1s, open_for: 1s } }",
            "breaker.open_for",
            "waitDurationInOpenState",
        ),
        (
            "{ breaker: { window: 10, sliding_window_size: 10 } }",
            "breaker.sliding_window_size",
            "window",
        ),
        (
            "{ retry: { wait_duration: 1s, backoff: { base: 1s } } }",
            "retry.wait_duration",
            "base",
        ),
        (
            "{ retry: { backoff: { base: 1s }, wait_duration: 1s } }",
            "retry.wait_duration",
            "base",
        ),
        (
            "{ breaker: {}, circuitBreaker: {} }",
            "circuitBreaker",
            "breaker",
        ),
    ] {
        let told = refused(settings);
        let expected =
            format!("policies.a.{path}: says the same as `{other}`, which is given as well");
        assert!(told.starts_with(&expected), "{told}");
    }
    let told = refused("{ breaker: { sliding_window_type: TIME_BASED } }");
    assert!(
        told.contains("says nothing without `sliding_window_size`"),
        "{told}"
    );
    let told = refused("{ breaker: { open_for: 0s, failureRateThreshold: 200 } }");
    assert!(
        told.contains("failureRateThreshold: `200`: must be above 0 and at most 1"),
        "{told}"
    );
    let told = refused("{ attempt_timeout: 1s, breaker: { slowCallDurationThreshold: 2s } }");
    assert!(
        told.contains("(given as `slowCallDurationThreshold`)"),
        "{told}"
    );
}
