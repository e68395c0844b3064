//! Settings that cannot be built, the defaults, and the extremes that can be built.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

use std::time::Duration;

use buttress::{
    CircuitBreaker, InvalidConfig, Outcome, Reason,
    breaker::{Config, State, Window},
};
use support::{advance, calls, counts, paused, state};

type Change = fn(&mut Config);

fn changed(change: Change) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

fn build(config: Config) -> Result<CircuitBreaker, InvalidConfig> {
    CircuitBreaker::builder().config(config).build()
}

/// Field and value of every violation.
fn faults(error: &InvalidConfig) -> Vec<(&str, &str)> {
    let violations = error.violations().iter();
    violations
        .map(|violation| (violation.field, &*violation.value))
        .collect()
}

/// Each breaks one rule.
const BAD: [(Change, &str, &str); 26] = [
    (|c| c.failure_ratio = 0.0, "failure_ratio", "0.0"),
    (|c| c.failure_ratio = -0.0, "failure_ratio", "-0.0"),
    (|c| c.failure_ratio = -0.5, "failure_ratio", "-0.5"),
    (|c| c.failure_ratio = 1.01, "failure_ratio", "1.01"),
    (|c| c.failure_ratio = f64::NAN, "failure_ratio", "NaN"),
    (|c| c.failure_ratio = f64::INFINITY, "failure_ratio", "inf"),
    (|c| c.slow_call_ratio = 0.0, "slow_call_ratio", "0.0"),
    (|c| c.slow_call_ratio = 1.01, "slow_call_ratio", "1.01"),
    (|c| c.slow_call_ratio = f64::NAN, "slow_call_ratio", "NaN"),
    (|c| c.window = Window::Count(0), "window", "Count(0)"),
    (
        |c| c.window = Window::Count(1_000_001),
        "window",
        "Count(1000001)",
    ),
    (
        |c| c.window = Window::Time(Duration::ZERO),
        "window",
        "Time(0ns)",
    ),
    (|c| c.window = Window::Count(19), "min_calls", "20"),
    (|c| c.min_calls = 0, "min_calls", "0"),
    (
        |c| c.slow_call_duration = Some(Duration::ZERO),
        "slow_call_duration",
        "0ns",
    ),
    (|c| c.open_for = Duration::ZERO, "open_for", "0ns"),
    (|c| c.open_jitter = -0.01, "open_jitter", "-0.01"),
    (|c| c.open_jitter = 1.01, "open_jitter", "1.01"),
    (|c| c.open_jitter = f64::NAN, "open_jitter", "NaN"),
    (|c| c.open_factor = 0.99, "open_factor", "0.99"),
    (|c| c.open_factor = f64::NAN, "open_factor", "NaN"),
    (|c| c.open_factor = f64::INFINITY, "open_factor", "inf"),
    (
        |c| {
            c.open_factor = 2.0;
            c.open_max = Duration::from_secs(4);
        },
        "open_max",
        "4s",
    ),
    (|c| c.probes = 0, "probes", "0"),
    (|c| c.probe_timeout = Duration::ZERO, "probe_timeout", "0ns"),
    (|c| c.ramp = Some(Duration::ZERO), "ramp", "0ns"),
];

/// Nearly everything at once.
fn hopeless(config: &mut Config) {
    config.window = Window::Count(0);
    config.min_calls = 0;
    config.failure_ratio = f64::NAN;
    config.slow_call_duration = Some(Duration::ZERO);
    config.slow_call_ratio = 1.01;
    config.open_for = Duration::from_secs(5);
    config.open_jitter = 2.0;
    config.open_factor = 0.5;
    config.open_max = Duration::from_millis(4_999);
    config.probes = u32::MAX;
    config.probe_timeout = Duration::ZERO;
    config.ramp = Some(Duration::ZERO);
}

const HOPELESS: &str = "payments: \
    window = Count(0): must be 1 to 1000000 calls; \
    min_calls = 0: must be 1 or more; \
    failure_ratio = NaN: must be above 0 and at most 1; \
    slow_call_duration = 0ns: must not be zero; \
    slow_call_ratio = 1.01: must be above 0 and at most 1; \
    open_jitter = 2.0: must be 0 to 1; \
    open_factor = 0.5: must be 1 or more, and finite; \
    open_max = 4.999s: must be at least open_for; \
    probes = 4294967295: must be 1 to 10000; \
    probe_timeout = 0ns: must not be zero; \
    ramp = 0ns: must not be zero";

#[test]
fn each_fault_is_named_with_its_value() {
    for (change, field, value) in BAD {
        let error = build(changed(change)).expect_err(field);
        assert_eq!(faults(&error), [(field, value)]);
        assert!(!error.violations()[0].rule.is_empty());
    }
}

#[test]
fn one_error_lists_every_fault() {
    let error = CircuitBreaker::builder()
        .name("payments")
        .config(changed(hopeless))
        .build()
        .expect_err("everything is wrong with it");
    assert_eq!(error.policy(), "payments");
    assert_eq!(error.to_string(), HOPELESS);
}

#[test]
fn reconfiguring_is_checked_in_the_same_way() {
    paused(async {
        let breaker = CircuitBreaker::builder().name("payments").build().unwrap();
        calls(&breaker, 3, Outcome::Failure);
        let seen = breaker.snapshot();
        for (change, field, value) in BAD {
            let error = breaker.reconfigure(changed(change)).expect_err(field);
            assert_eq!(faults(&error), [(field, value)]);
        }
        let error = breaker.reconfigure(changed(hopeless)).unwrap_err();
        assert_eq!(error.to_string(), HOPELESS);
        assert_eq!(breaker.config(), Config::default());
        assert_eq!(breaker.snapshot(), seen);
    });
}

#[test]
fn the_limits_themselves_are_allowed() {
    let good: [Change; 9] = [
        |c| c.failure_ratio = 1.0,
        |c| c.failure_ratio = f64::MIN_POSITIVE,
        |c| c.slow_call_ratio = 1.0,
        |c| (c.window, c.min_calls) = (Window::Count(1), 1),
        |c| c.window = Window::Count(20),
        |c| c.window = Window::Count(1_000_000),
        |c| c.open_jitter = 0.0,
        |c| c.open_jitter = 1.0,
        |c| (c.open_factor, c.open_max) = (2.0, c.open_for),
    ];
    paused(async {
        for change in good {
            build(changed(change)).expect("within the limits");
        }
    });
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = Config::default();
    assert_eq!(config.window, Window::Time(Duration::from_secs(10)));
    assert_eq!(config.min_calls, 20);
    assert_eq!(config.failure_ratio, 0.5);
    assert_eq!(config.slow_call_duration, None);
    assert_eq!(config.slow_call_ratio, 1.0);
    assert_eq!(config.open_for, Duration::from_secs(5));
    assert_eq!(config.open_jitter, 0.1);
    assert_eq!(config.open_factor, 1.0);
    assert_eq!(config.open_max, Duration::from_secs(60));
    assert_eq!(config.probes, 5);
    assert_eq!(config.probe_timeout, Duration::from_secs(10));
    assert_eq!(config.ramp, None);
    paused(async {
        let breaker = CircuitBreaker::builder().build().unwrap();
        assert_eq!(breaker.config(), config);
        assert_eq!(breaker.name(), "circuit_breaker");
    });
}

#[test]
fn the_default_min_calls_gives_way_to_a_short_count_window_but_a_given_one_does_not() {
    paused(async {
        let builder = || CircuitBreaker::builder().count_window(10);
        assert_eq!(builder().build().unwrap().config().min_calls, 10);
        let long = CircuitBreaker::builder().count_window(100).build().unwrap();
        assert_eq!(long.config().min_calls, 20);
        let error = builder().min_calls(11).build().unwrap_err();
        assert_eq!(faults(&error), [("min_calls", "11")]);
        let error = CircuitBreaker::builder().count_window(0).build();
        assert_eq!(faults(&error.unwrap_err()), [("window", "Count(0)")]);
    });
}

#[test]
fn a_fork_has_the_settings_in_force_and_a_state_of_its_own() {
    paused(async {
        let breaker = CircuitBreaker::builder().min_calls(3).build().unwrap();
        calls(&breaker, 3, Outcome::Failure);
        let retuned = changed(|config| config.min_calls = 4);
        breaker.reconfigure(retuned.clone()).unwrap();
        let fork = breaker.fork("other");
        assert_eq!((fork.name(), fork.config()), ("other", retuned));
        assert_eq!(state(&fork), State::Closed);
        assert_eq!(counts(&fork), (0, 0, 0));
        fork.force_open();
        assert_eq!(state(&breaker), State::Open);
        let no = fork.try_acquire().unwrap_err();
        assert_eq!((no.policy(), no.reason()), ("other", Reason::ForcedOpen));
    });
}

/// Every length as long as it can be said.
fn endless(config: &mut Config) {
    config.window = Window::Time(Duration::MAX);
    config.min_calls = 1;
    config.slow_call_duration = Some(Duration::MAX);
    config.open_for = Duration::MAX;
    config.open_jitter = 1.0;
    config.open_factor = f64::MAX;
    config.open_max = Duration::MAX;
    config.probes = 10_000;
    config.probe_timeout = Duration::MAX;
    config.ramp = Some(Duration::MAX);
}

/// Every length as short as it can be said.
fn fleeting(config: &mut Config) {
    let nano = Duration::from_nanos(1);
    config.window = Window::Time(nano);
    config.min_calls = 1;
    config.slow_call_duration = Some(nano);
    config.open_for = nano;
    config.open_jitter = 1.0;
    config.open_factor = f64::MAX;
    config.open_max = nano;
    config.probes = 1;
    config.probe_timeout = nano;
    config.ramp = Some(nano);
}

/// Through every state, by calls and by orders.
async fn live(breaker: &CircuitBreaker) {
    for lap in 0..20 {
        if lap % 5 == 4 {
            breaker.force_open_for(breaker.config().open_for);
        }
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Abandoned] {
            let running = breaker.try_acquire();
            let _ = breaker.snapshot();
            advance(1 << lap).await;
            if let Ok(permit) = running {
                permit.settle(outcome);
            }
            let _ = breaker.snapshot();
        }
        if lap % 7 == 6 {
            breaker.force_open_for(Duration::ZERO);
            drop(breaker.try_acquire());
        }
    }
}

#[test]
fn extreme_settings_neither_panic_nor_overflow() {
    paused(async {
        for born in [0, u64::MAX / 8] {
            for first in [endless, fleeting] {
                for then in [endless, fleeting] {
                    advance(born).await;
                    let breaker = build(changed(first)).unwrap();
                    live(&breaker).await;
                    breaker.reconfigure(changed(then)).unwrap();
                    live(&breaker).await;
                    breaker.force_closed();
                    live(&breaker).await;
                    breaker.disable();
                    live(&breaker).await;
                    breaker.reset();
                    live(&breaker).await;
                }
            }
        }
    });
}

#[test]
fn an_endless_wait_never_ends_and_a_fleeting_one_does() {
    paused(async {
        let mut forever = changed(endless);
        forever.open_jitter = 0.0;
        let breaker = build(forever).unwrap();
        calls(&breaker, 1, Outcome::Failure);
        advance(u64::MAX / 2).await;
        assert_eq!(breaker.try_acquire().unwrap_err().reason(), Reason::Open);

        let mut blink = changed(fleeting);
        blink.open_jitter = 0.0;
        let breaker = build(blink).unwrap();
        for _ in 0..3 {
            calls(&breaker, 1, Outcome::Failure);
            let no = breaker.try_acquire().unwrap_err();
            assert_eq!(no.retry_after(), Some(Duration::from_nanos(1)));
            advance(1).await;
        }
        calls(&breaker, 1, Outcome::Success);
        assert_eq!(state(&breaker), State::Closed);
    });
}
