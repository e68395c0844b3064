//! The settings of a pipeline: every rule across its patterns, met exactly and broken by one step; all that
//! is broken is told at once; and what is refused changes nothing.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::time::Duration;

use buttress::{
    Budget, Bulkhead, CircuitBreaker, Fallback, Hedge, InvalidConfig, RateLimit, Resilience, Retry,
    Timeout,
    backoff::{Backoff, Jitter},
    breaker::{self, Window},
    bulkhead, hedge,
    hedge::{Delay, Percentile},
    pipeline::Config,
    rate_limit,
    rate_limit::Quota,
    retry,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_nanos(1);

fn build(config: &Config) -> Result<Resilience, InvalidConfig> {
    let builder = Resilience::builder().name("members");
    builder.config(config.clone()).build()
}

/// Built from nothing, and taken by a pipeline that runs, it is the same: both take it, or both refuse it
/// for the same reasons, and then nothing has changed.
fn check(config: &Config) -> Result<(), InvalidConfig> {
    let before = Config::latency_sensitive();
    let all = build(&before).unwrap();
    let taken = all.reconfigure(config.clone());
    assert_eq!(build(config).err(), taken.clone().err());
    let now = if taken.is_ok() { config } else { &before };
    assert_eq!(all.config(), *now);
    taken
}

/// The fields of all that is broken, in their order.
fn broken(config: &Config) -> Vec<&'static str> {
    let no = check(config).expect_err("a rule is broken");
    assert_eq!(no.policy(), "members");
    no.violations().iter().map(|broken| broken.field).collect()
}

/// It holds, and one step further it does not: for this field and this reason.
fn edge(
    holds: impl Fn(&mut Config),
    breaks: impl Fn(&mut Config),
    field: &str,
    value: &str,
    rule: &str,
) {
    let mut config = Config::default();
    holds(&mut config);
    check(&config).unwrap();
    breaks(&mut config);
    let no = check(&config).unwrap_err();
    let [broken] = no.violations() else {
        panic!("{no}");
    };
    assert_eq!((broken.field, &*broken.value), (field, value));
    assert!(broken.rule.contains(rule), "{no}");
    assert_eq!(
        no.to_string(),
        format!("members: {field} = {value}: {}", broken.rule)
    );
}

fn twice(backoff: Backoff) -> retry::Config {
    let mut retry = retry::Config::default();
    retry.max_attempts = 2;
    retry.backoff = backoff;
    retry
}

#[test]
fn the_presets_keep_the_rules() {
    for config in [
        Config::default(),
        Config::standard(),
        Config::latency_sensitive(),
    ] {
        check(&config).unwrap();
    }
    assert_eq!(Resilience::standard().config(), Config::standard());
    let sensitive = Config::latency_sensitive();
    assert_eq!(Resilience::latency_sensitive().config(), sensitive);
    assert_eq!(Resilience::standard().name(), "resilience");
}

#[test]
fn one_of_retry_and_hedge_sends_further_attempts() {
    edge(
        |config| config.retry = Some(retry::Config::default()),
        |config| config.hedge = Some(SECOND.into()),
        "hedge",
        "given",
        "must not stand beside `retry`",
    );
    edge(
        |config| config.hedge = Some(SECOND.into()),
        |config| config.retry = Some(retry::Config::default()),
        "hedge",
        "given",
        "must not stand beside `retry`",
    );
}

#[test]
fn limits_are_not_zero() {
    edge(
        |config| config.deadline = Some(STEP),
        |config| config.deadline = Some(Duration::ZERO),
        "deadline",
        "0ns",
        "must not be zero",
    );
    edge(
        |config| config.attempt_timeout = Some(STEP),
        |config| config.attempt_timeout = Some(Duration::ZERO),
        "attempt_timeout",
        "0ns",
        "must not be zero",
    );
}

#[test]
fn the_deadline_holds_an_attempt_and_its_waits() {
    let rule = "must hold attempt_timeout and the longest wait for a turn and a place";
    edge(
        |config| {
            config.attempt_timeout = Some(SECOND);
            config.deadline = Some(SECOND);
        },
        |config| config.deadline = Some(SECOND - STEP),
        "deadline",
        "999.999999ms (needed: 1s)",
        rule,
    );
    let waits = |config: &mut Config| {
        let mut places = bulkhead::Config::new(1);
        places.max_queue = 1;
        places.max_wait = SECOND;
        config.bulkhead = Some(places);
        let mut limit = rate_limit::Config::per_second(1);
        limit.max_wait = SECOND;
        config.rate_limit = Some(limit);
    };
    for (attempt, needed) in [(None, 2), (Some(SECOND), 3)] {
        edge(
            |config| {
                waits(config);
                config.attempt_timeout = attempt;
                config.deadline = Some(needed * SECOND);
            },
            |config| config.deadline = Some(needed * SECOND - STEP),
            "deadline",
            &format!("{:?} (needed: {needed}s)", needed * SECOND - STEP),
            rule,
        );
    }
    // Without a deadline there is nothing to fit.
    let mut config = Config::default();
    waits(&mut config);
    config.attempt_timeout = Some(SECOND);
    check(&config).unwrap();
}

#[test]
fn the_deadline_holds_all_attempts_and_the_longest_waits() {
    let around = |share| Backoff::constant(SECOND).jitter(Jitter::Around(share));
    let decorrelated = Backoff::exponential(SECOND).jitter(Jitter::Decorrelated);
    for (backoff, longest) in [
        (Backoff::none(), Duration::ZERO),
        (Backoff::constant(SECOND), SECOND),
        (Backoff::constant(SECOND).jitter(Jitter::None), SECOND),
        (around(0.5), SECOND * 3 / 2),
        (decorrelated.clone(), 3 * SECOND),
        (decorrelated.cap(2 * SECOND), 2 * SECOND),
        (Backoff::custom(|_| SECOND), SECOND),
    ] {
        let needed = 2 * SECOND + longest;
        edge(
            |config| {
                config.retry = Some(twice(backoff.clone()));
                config.attempt_timeout = Some(SECOND);
                config.deadline = Some(needed);
            },
            |config| config.deadline = Some(needed - STEP),
            "deadline",
            &format!("{:?} (needed: {needed:?})", needed - STEP),
            "must hold retry.max_attempts x attempt_timeout and the longest waits",
        );
    }
    // Each attempt may have to wait for its turn and its place.
    edge(
        |config| {
            config.retry = Some(twice(Backoff::none()));
            config.attempt_timeout = Some(SECOND);
            let mut limit = rate_limit::Config::per_second(1);
            limit.max_wait = SECOND;
            config.rate_limit = Some(limit);
            config.deadline = Some(4 * SECOND);
        },
        |config| config.deadline = Some(4 * SECOND - STEP),
        "deadline",
        "3.999999999s (needed: 4s)",
        "must hold retry.max_attempts x attempt_timeout",
    );
}

#[test]
fn a_hedge_is_due_before_the_attempt_has_ended() {
    let rule = "must be less than attempt_timeout";
    edge(
        |config| {
            config.attempt_timeout = Some(SECOND);
            config.hedge = Some((SECOND - STEP).into());
        },
        |config| config.hedge = Some(SECOND.into()),
        "hedge.delay",
        "1s",
        rule,
    );
    edge(
        |config| {
            config.attempt_timeout = Some(SECOND);
            config.hedge = Some(Percentile::new(0.9, SECOND - STEP).into());
        },
        |config| config.hedge = Some(Percentile::new(0.9, SECOND).into()),
        "hedge.until",
        "1s",
        rule,
    );
}

#[test]
fn a_slow_call_is_quicker_than_one_that_timed_out() {
    let slow = |config: &mut Config, slow| {
        let mut breaker = breaker::Config::default();
        breaker.slow_call_duration = Some(slow);
        config.breaker = Some(breaker);
    };
    edge(
        |config| {
            config.attempt_timeout = Some(SECOND);
            slow(config, SECOND - STEP);
        },
        |config| slow(config, SECOND),
        "breaker.slow_call_duration",
        "1s",
        "must be less than attempt_timeout",
    );
}

#[test]
fn a_probe_may_take_what_any_attempt_may() {
    let probe = |config: &mut Config, timeout| {
        let mut breaker = breaker::Config::default();
        breaker.probe_timeout = timeout;
        config.breaker = Some(breaker);
    };
    edge(
        |config| {
            config.attempt_timeout = Some(SECOND);
            probe(config, SECOND);
        },
        |config| probe(config, SECOND - STEP),
        "breaker.probe_timeout",
        "999.999999ms",
        "must be at least attempt_timeout",
    );
}

#[test]
fn a_time_window_holds_an_attempt_that_hangs() {
    let window = |config: &mut Config, window| {
        let mut breaker = breaker::Config::default();
        breaker.window = window;
        config.breaker = Some(breaker);
    };
    edge(
        |config| {
            config.attempt_timeout = Some(SECOND);
            window(config, Window::Time(SECOND));
        },
        |config| window(config, Window::Time(SECOND - STEP)),
        "breaker.window",
        "999.999999ms",
        "must be at least attempt_timeout",
    );
    // A count knows no time.
    let mut config = Config::default();
    config.attempt_timeout = Some(SECOND);
    window(&mut config, Window::Count(20));
    config.bulkhead = Some(bulkhead::Config::new(1));
    check(&config).unwrap();
}

#[test]
fn a_hang_lets_enough_fail_within_the_window() {
    let places = |config: &mut Config, places: u32| {
        config.bulkhead = Some(bulkhead::Config::new(places));
    };
    for (places_needed, timeout) in [(20, 10), (10, 5), (6, 3), (2, 1)] {
        let mut at_most = f64::from(places_needed - 1) * 10.0 / f64::from(timeout);
        at_most = at_most.floor();
        edge(
            |config| {
                // A window of 10 s, 20 calls.
                config.breaker = Some(breaker::Config::default());
                config.attempt_timeout = Some(timeout * SECOND);
                places(config, places_needed);
            },
            |config| places(config, places_needed - 1),
            "breaker.min_calls",
            &format!("20 (at most {at_most})"),
            "bulkhead.max_concurrent x window / attempt_timeout",
        );
    }
}

/// Without the other pattern of a rule, it plays no part.
#[test]
fn rules_are_for_patterns_that_are_there() {
    let mut breaker = breaker::Config::default();
    breaker.window = Window::Time(STEP * 10);
    breaker.probe_timeout = STEP;
    breaker.slow_call_duration = Some(100 * SECOND);
    let mut config = Config::default();
    config.breaker = Some(breaker);
    config.bulkhead = Some(bulkhead::Config::new(1));
    config.deadline = Some(STEP);
    check(&config).unwrap();
    let mut config = Config::default();
    config.hedge = Some((100 * SECOND).into());
    config.deadline = Some(SECOND);
    check(&config).unwrap();
    // Waits alone do not have to fit: how long attempts take is not known.
    let mut config = Config::default();
    config.retry = Some(twice(Backoff::constant(100 * SECOND)));
    config.deadline = Some(SECOND);
    check(&config).unwrap();
}

/// Each pattern's first, in the order of the fields; those across patterns are checked when these hold.
#[test]
fn all_that_is_broken_is_told_at_once() {
    let mut config = Config::default();
    let mut retry = retry::Config::default();
    retry.max_attempts = 0;
    retry.backoff = Backoff::exponential(SECOND).factor(0.5).cap(STEP);
    config.retry = Some(retry);
    let mut hedge = hedge::Config::new(Percentile::new(1.0, SECOND).min_samples(0));
    hedge.max_hedges = 11;
    config.hedge = Some(hedge);
    config.budget.ratio = -1.0;
    config.budget.reserve = 0;
    config.rate_limit = Some(rate_limit::Config::new(0, Duration::ZERO));
    let mut breaker = breaker::Config::default();
    breaker.failure_ratio = 0.0;
    breaker.open_for = Duration::ZERO;
    config.breaker = Some(breaker);
    config.bulkhead = Some(bulkhead::Config::new(0));
    config.fallback.max_concurrent = 0;
    config.deadline = Some(Duration::ZERO);
    config.attempt_timeout = Some(Duration::ZERO);
    let fields = [
        "retry.max_attempts",
        "retry.backoff.factor",
        "retry.backoff.cap",
        "hedge.quantile",
        "hedge.min_samples",
        "hedge.max_hedges",
        "budget.ratio",
        "budget.reserve",
        "rate_limit.period",
        "rate_limit.burst",
        "breaker.failure_ratio",
        "breaker.open_for",
        "bulkhead.max_concurrent",
        "fallback.max_concurrent",
        "deadline",
        "attempt_timeout",
    ];
    let told = broken(&config);
    for field in fields {
        assert!(told.contains(&field), "{field} of {told:?}");
    }
    // None twice, but the limit of none a second, which breaks more than one rule.
    let in_order: Vec<_> = told.iter().filter(|it| fields.contains(it)).collect();
    assert_eq!(in_order, fields.iter().collect::<Vec<_>>());

    let mut config = Config::default();
    config.retry = Some(retry::Config::default());
    config.hedge = Some((2 * SECOND).into());
    config.attempt_timeout = Some(2 * SECOND);
    config.deadline = Some(3 * SECOND);
    let mut breaker = breaker::Config::default();
    breaker.slow_call_duration = Some(2 * SECOND);
    breaker.probe_timeout = SECOND;
    breaker.window = Window::Time(SECOND);
    config.breaker = Some(breaker);
    let across = [
        "hedge",
        "deadline",
        "hedge.delay",
        "breaker.slow_call_duration",
        "breaker.probe_timeout",
        "breaker.window",
    ];
    assert_eq!(broken(&config), across);
}

#[test]
fn a_message_names_the_pipeline_and_can_be_read() {
    let mut config = Config::standard();
    config.deadline = Some(5 * SECOND);
    config.bulkhead = Some(bulkhead::Config::new(2));
    assert_eq!(
        check(&config).unwrap_err().to_string(),
        "members: deadline = 5s (needed: 9.3s): \
         must hold retry.max_attempts x attempt_timeout and the longest waits; \
         breaker.min_calls = 20 (at most 6): must be no more than a hang lets fail within the window: \
         bulkhead.max_concurrent x window / attempt_timeout"
    );
}

#[test]
fn the_builder_s_setters_are_the_fields() {
    let breaker = breaker::Config::default();
    let per_second = Quota::per_second(std::num::NonZeroU32::MIN);
    let mut budget = Config::default().budget;
    budget.reserve = 7;
    let all = Resilience::builder()
        .name("all")
        .deadline(60 * SECOND)
        .retry(retry::Config::default())
        .budget(budget)
        .rate_limit(per_second)
        .breaker(breaker.clone())
        .bulkhead(20)
        .attempt_timeout(SECOND)
        .fallback(Fallback::value(()).max_concurrent(3))
        .build()
        .unwrap();
    let mut expected = Config::default();
    expected.deadline = Some(60 * SECOND);
    expected.retry = Some(retry::Config::default());
    expected.budget = budget;
    expected.rate_limit = Some(per_second.into());
    expected.breaker = Some(breaker);
    expected.bulkhead = Some(20.into());
    expected.attempt_timeout = Some(SECOND);
    expected.fallback.max_concurrent = 3;
    assert_eq!((all.name(), all.config()), ("all", expected));
    let hedged = Resilience::builder().hedge(SECOND).build().unwrap();
    let delay = hedged.config().hedge.unwrap().delay;
    assert_eq!(delay, Delay::Fixed(SECOND));
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        8 => (0..40_000_u64).prop_map(Duration::from_millis),
        2 => (0..100_u64).prop_map(Duration::from_nanos),
    ]
}

fn counts() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 1 => Just(u32::MAX), 8 => 1..200_u32, 2 => 1..2_000_000_u32]
}

fn ratios() -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => Just(0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        9 => 0.0..1.0,
        2 => -1.0..200.0
    ]
}

fn jitters() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated),
        ratios().prop_map(Jitter::Around),
    ]
}

fn retries() -> impl Strategy<Value = retry::Config> {
    let parts = (counts(), durations(), durations(), ratios(), jitters());
    parts.prop_map(|(attempts, base, cap, factor, jitter)| {
        let mut retry = retry::Config::default();
        retry.max_attempts = attempts;
        let backoff = Backoff::exponential(base).cap(cap).factor(1.0 + factor);
        retry.backoff = backoff.jitter(jitter);
        retry
    })
}

fn hedges() -> impl Strategy<Value = hedge::Config> {
    let parts = (
        durations(),
        ratios(),
        durations(),
        counts(),
        0..12_u32,
        any::<bool>(),
    );
    parts.prop_map(|(delay, quantile, window, samples, most, fixed)| {
        let percentile = Percentile::new(quantile, delay);
        let percentile = percentile.window(window).min_samples(samples);
        let mut hedge = match fixed {
            true => hedge::Config::new(delay),
            false => hedge::Config::new(percentile),
        };
        hedge.max_hedges = most;
        hedge
    })
}

fn limits() -> impl Strategy<Value = rate_limit::Config> {
    let parts = (counts(), durations(), counts(), durations());
    parts.prop_map(|(calls, period, burst, max_wait)| {
        let mut limit = rate_limit::Config::new(calls, period);
        limit.burst = burst;
        limit.max_wait = max_wait;
        limit
    })
}

fn breakers() -> impl Strategy<Value = breaker::Config> {
    let window = prop_oneof![
        durations().prop_map(Window::Time),
        counts().prop_map(Window::Count),
    ];
    let one = (window, counts(), ratios(), ratios());
    let other = (
        prop::option::of(durations()),
        durations(),
        durations(),
        counts(),
        prop::option::of(durations()),
    );
    (one, other).prop_map(
        |((window, calls, failed, slow), (took, open, probe, probes, ramp))| {
            let mut breaker = breaker::Config::default();
            breaker.window = window;
            breaker.min_calls = calls;
            breaker.failure_ratio = failed;
            breaker.slow_call_ratio = slow;
            breaker.slow_call_duration = took;
            breaker.open_for = open;
            breaker.probe_timeout = probe;
            breaker.probes = probes;
            breaker.ramp = ramp;
            breaker
        },
    )
}

fn bulkheads() -> impl Strategy<Value = bulkhead::Config> {
    (counts(), counts(), durations()).prop_map(|(places, queue, wait)| {
        let mut bulkhead = bulkhead::Config::new(places);
        bulkhead.max_queue = queue;
        bulkhead.max_wait = wait;
        bulkhead
    })
}

fn configs() -> impl Strategy<Value = Config> {
    let senders = (prop::option::of(retries()), prop::option::of(hedges()));
    let guards = (
        prop::option::of(limits()),
        prop::option::of(breakers()),
        prop::option::of(bulkheads()),
    );
    let times = (prop::option::of(durations()), prop::option::of(durations()));
    let budget = (ratios(), ratios(), counts());
    (senders, guards, times, budget, counts()).prop_map(
        |(senders, guards, times, budget, backups)| {
            let mut config = Config::default();
            (config.retry, config.hedge) = senders;
            (config.rate_limit, config.breaker, config.bulkhead) = guards;
            (config.deadline, config.attempt_timeout) = times;
            config.budget.ratio = budget.0;
            config.budget.min_per_sec = budget.1;
            config.budget.reserve = budget.2;
            config.fallback.max_concurrent = backups;
            config
        },
    )
}

/// Which of the single patterns' builders refuse their part: none, if the whole was taken.
fn refused_alone(config: &Config) -> Vec<&'static str> {
    let budget = Budget::builder().config(config.budget).build();
    let alone = [
        ("budget", budget.err()),
        (
            "retry",
            config.retry.clone().and_then(|retry| {
                let builder = Retry::builder().config(retry);
                builder.build().err()
            }),
        ),
        (
            "hedge",
            config.hedge.and_then(|hedge| {
                let builder = Hedge::builder(SECOND).config(hedge);
                builder.build().err()
            }),
        ),
        (
            "rate_limit",
            config.rate_limit.clone().and_then(|limit| {
                let quota = Quota::per_second(std::num::NonZeroU32::MIN);
                let builder = RateLimit::builder(quota).max_wait(limit.max_wait);
                builder.config(limit).build().err()
            }),
        ),
        (
            "breaker",
            config.breaker.clone().and_then(|breaker| {
                let builder = CircuitBreaker::builder().config(breaker);
                builder.build().err()
            }),
        ),
        (
            "bulkhead",
            config.bulkhead.and_then(|places| {
                let builder = Bulkhead::builder(1).max_queue(1);
                builder.config(places).build().err()
            }),
        ),
        (
            "fallback",
            Fallback::value(())
                .config(config.fallback.clone())
                .build()
                .err(),
        ),
        (
            "attempt_timeout",
            config
                .attempt_timeout
                .and_then(|limit| Timeout::builder(limit).build().err()),
        ),
        (
            "deadline",
            config
                .deadline
                .and_then(|limit| Timeout::builder(limit).build().err()),
        ),
    ];
    let refused = alone.into_iter().filter(|(_, no)| no.is_some());
    refused.map(|(part, _)| part).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_taken_is_taken_by_each_pattern_alone(config in configs()) {
        let alone = refused_alone(&config);
        match check(&config) {
            Ok(()) => prop_assert!(alone.is_empty(), "{alone:?}"),
            Err(no) => {
                // Exactly those parts, or else only rules across them.
                let within = no.violations().iter().filter(|broken| {
                    alone.iter().any(|part| broken.field.starts_with(part))
                });
                prop_assert_eq!(alone.is_empty(), within.count() == 0);
                for part in &alone {
                    let told = no.violations().iter().any(|it| it.field.starts_with(part));
                    prop_assert!(told, "{part}: {no}");
                }
            }
        }
    }
}
