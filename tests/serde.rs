//! Settings as data: what is written reads as the same, in any format; what people write is read; what they
//! got wrong is named.
#![cfg(feature = "serde")]

use std::time::Duration;

use buttress::{
    backoff::{Backoff, Jitter},
    breaker::{self, Window},
    budget, bulkhead, fallback,
    hedge::{self, Delay, Percentile},
    pipeline, rate_limit, retry, timeout,
};
use proptest::{option, prelude::*};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn read<T: DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn refused<T: DeserializeOwned>(json: serde_json::Value) -> String {
    match serde_json::from_value::<T>(json) {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_written_looks_as_people_write_it() {
    let config = pipeline::Config::standard();
    assert_eq!(
        serde_json::to_value(&config).unwrap(),
        json!({
            "deadline": "10s",
            "retry": {
                "max_attempts": 3,
                "backoff": { "law": "exponential", "base": "100ms", "factor": 2.0, "jitter": "full" },
                "max_hint": "10s",
                "retry_refused": false,
            },
            "budget": { "ratio": 0.2, "min_per_sec": 1.0, "reserve": 30 },
            "breaker": {
                "window": "10s", "min_calls": 20, "failure_ratio": 0.5,
                "slow_call_duration": "2s", "slow_call_ratio": 0.5,
                "open_for": "5s", "open_jitter": 0.1, "open_factor": 1.0, "open_max": "1m",
                "probes": 5, "probe_timeout": "10s", "ramp": "5s", "shadow": false,
            },
            "bulkhead": { "max_concurrent": 64, "max_queue": 0, "max_wait": "0s", "shadow": false },
            "attempt_timeout": "3s",
            "fallback": { "max_concurrent": 64 },
        })
    );
    let hedged = pipeline::Config::latency_sensitive().hedge.unwrap();
    let percentile =
        json!({ "percentile": 0.95, "until": "50ms", "min_samples": 100, "window": "1m" });
    let written = serde_json::to_value(hedged).unwrap();
    assert_eq!(written, json!({ "delay": percentile, "max_hedges": 1 }));
}

#[test]
fn what_is_not_given_is_the_default() {
    assert_eq!(
        read::<breaker::Config>(json!({})),
        breaker::Config::default()
    );
    assert_eq!(read::<retry::Config>(json!({})), retry::Config::default());
    assert_eq!(read::<budget::Config>(json!({})), budget::Config::default());
    assert_eq!(
        read::<fallback::Config>(json!({})),
        fallback::Config::default()
    );
    assert_eq!(
        read::<pipeline::Config>(json!({})),
        pipeline::Config::default()
    );
    let retry = retry::Config::default();
    assert_eq!(read::<Backoff>(json!({})), retry.backoff);
    assert_eq!(
        read::<bulkhead::Config>(json!({ "max_concurrent": 8 })),
        bulkhead::Config::new(8)
    );
    let limit = rate_limit::Config::new(5, ms(1_000));
    assert_eq!(
        read::<rate_limit::Config>(json!({ "calls": 5, "period": "1s" })),
        limit
    );
    assert_eq!(
        read::<hedge::Config>(json!({ "delay": "20ms" })),
        hedge::Config::new(ms(20))
    );
    let p95 = hedge::Config::new(Percentile::new(0.95, ms(50)));
    assert_eq!(
        read::<hedge::Config>(json!({ "delay": { "percentile": "0.95", "until": "50ms" } })),
        p95
    );
    assert_eq!(
        read::<timeout::Config>(json!({ "limit": "3s" })),
        timeout::Config::new(ms(3_000))
    );
    // A count window that is shorter than the usual number of calls.
    let short: breaker::Config = read(json!({ "window": 10 }));
    assert_eq!((short.window, short.min_calls), (Window::Count(10), 10));
}

#[test]
fn numbers_and_truth_may_stand_in_quotes() {
    let plain: breaker::Config = read(json!({
        "window": 100, "min_calls": 50, "failure_ratio": 0.25, "ramp": "2s", "shadow": true,
    }));
    let quoted: breaker::Config = read(json!({
        "window": "100", "min_calls": "50", "failure_ratio": "0.25", "ramp": "2s", "shadow": "true",
    }));
    assert_eq!(plain, quoted);
    let whole: budget::Config = read(json!({ "ratio": 1, "reserve": 5.0 }));
    assert_eq!((whole.ratio, whole.reserve), (1.0, 5));
    let null: breaker::Config = read(json!({ "ramp": null, "slow_call_duration": null }));
    assert_eq!(null, breaker::Config::default());
}

#[test]
fn what_is_wrong_is_named() {
    let unknown = refused::<budget::Config>(json!({ "ration": 1 }));
    assert_eq!(
        unknown,
        "unknown field `ration`, expected one of `ratio`, `min_per_sec`, `reserve`"
    );
    let unknown = refused::<breaker::Config>(json!({ "failure_rate": 1 }));
    assert!(unknown.contains("`failure_ratio`"), "{unknown}");
    let unknown = refused::<pipeline::Config>(json!({ "braker": {} }));
    assert!(unknown.contains("`attempt_timeout`"), "{unknown}");
    assert_eq!(
        refused::<bulkhead::Config>(json!({})),
        "missing field `max_concurrent`"
    );
    assert_eq!(
        refused::<rate_limit::Config>(json!({ "calls": 1 })),
        "missing field `period`"
    );
    assert_eq!(
        refused::<rate_limit::Config>(json!({ "period": "1s" })),
        "missing field `calls`"
    );
    assert_eq!(refused::<hedge::Config>(json!({})), "missing field `delay`");
    assert_eq!(
        refused::<timeout::Config>(json!({})),
        "missing field `limit`"
    );
    assert_eq!(
        refused::<Percentile>(json!({ "until": "1s" })),
        "missing field `percentile`"
    );
    assert_eq!(
        refused::<breaker::Config>(json!({ "open_for": 5 })),
        "invalid value: string \"5\", expected a duration such as 250ms, 2.5s or 1m 30s"
    );
    assert_eq!(
        refused::<breaker::Config>(json!({ "failure_ratio": "NaN" })),
        "invalid value: string \"NaN\", expected a number"
    );
    assert!(refused::<breaker::Config>(json!({ "probes": -1 })).contains("a whole number"));
    assert!(refused::<breaker::Config>(json!({ "probes": [] })).contains("a whole number"));
    assert!(refused::<breaker::Config>(json!({ "window": {} })).contains("one word or number"));
    assert!(refused::<hedge::Config>(json!({ "delay": 5 })).contains("a duration such as 20ms"));
    assert!(refused::<Jitter>(json!("much")).contains("none, full, equal, decorrelated"));
    assert_eq!(
        refused::<Backoff>(json!({ "law": "linear", "factor": 2 })),
        "`factor` is for law: exponential only"
    );
}

#[test]
fn a_law_of_ones_own_cannot_be_written() {
    let mut config = retry::Config::default();
    config.backoff = Backoff::custom(|_| ms(1));
    let error = serde_json::to_string(&config).unwrap_err().to_string();
    assert_eq!(
        error,
        "a backoff of one's own is a function, and cannot be written"
    );
    let mut config = budget::Config::default();
    config.ratio = f64::NAN;
    let error = serde_json::to_string(&config).unwrap_err().to_string();
    assert_eq!(error, "NaN is not a number that can be written");
}

#[test]
fn laws_have_names() {
    let backoff = |json| read::<Backoff>(json);
    assert_eq!(backoff(json!({ "law": "none" })), Backoff::none());
    assert_eq!(
        backoff(json!({ "law": "constant", "base": "5s" })),
        Backoff::constant(ms(5_000))
    );
    let linear = Backoff::linear(ms(10), ms(10));
    assert_eq!(backoff(json!({ "law": "linear", "base": "10ms" })), linear);
    let endless = Backoff::exponential(ms(10)).jitter(Jitter::Around(0.1));
    assert_eq!(
        backoff(json!({ "base": "10ms", "cap": "none", "jitter": "0.1" })),
        endless
    );
    assert_eq!(read::<Jitter>(json!("equal")), Jitter::Equal);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct One {
    limit: timeout::Config,
}

fn duration(text: &str) -> Option<Duration> {
    let one = serde_json::from_value::<One>(json!({ "limit": { "limit": text } }));
    one.ok().map(|one| one.limit.limit)
}

#[test]
fn durations_are_read_in_the_language_of_humantime() {
    for (text, nanos) in [
        ("250ms", 250_000_000_u128),
        ("1m 30s", 90_000_000_000),
        ("1m30s", 90_000_000_000),
        (" 2.5 s ", 2_500_000_000),
        ("0.000000001s", 1),
        ("1h 2m 3s 4ms 5us 6ns", 3_723_004_005_006),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("2weeks 1day", 1_296_000_000_000_000),
        ("1month", 2_630_016_000_000_000),
        ("1M", 2_630_016_000_000_000),
        ("1year", 31_557_600_000_000_000),
        ("0", 0),
        ("0s", 0),
    ] {
        assert_eq!(duration(text), Some(Duration::of_nanos(nanos)), "{text}");
    }
    for text in [
        "",
        " ",
        "5",
        "s",
        "5 5s",
        "1.s",
        ".5s",
        "1.5ns",
        "-1s",
        "1s -1s",
        "1 lightyear",
        "1sec.",
        "1e3s",
        "99999999999999999999s",
        "18446744073709551615s 1000000000ns",
        "1..5s",
        "1.5.5s",
        "٣s",
    ] {
        assert_eq!(duration(text), None, "{text}");
    }
    let most = Duration::new(u64::MAX, 999_999_999);
    let written = serde_json::to_value(timeout::Config::new(most)).unwrap();
    assert_eq!(
        written["limit"],
        "213503982334601d 7h 15s 999ms 999us 999ns"
    );
    assert_eq!(read::<timeout::Config>(written).limit, most);
}

trait FromNanos {
    fn of_nanos(nanos: u128) -> Duration;
}

impl FromNanos for Duration {
    fn of_nanos(nanos: u128) -> Duration {
        let secs = (nanos / 1_000_000_000).try_into().unwrap();
        Duration::new(secs, (nanos % 1_000_000_000) as u32)
    }
}

/// Any duration, short ones as likely as long ones.
fn durations() -> impl Strategy<Value = Duration> {
    let spread = (any::<u64>(), 0..64_u32).prop_map(|(n, shift)| Duration::from_nanos(n >> shift));
    let any = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n));
    let round = (0..10_000_u64).prop_map(Duration::from_millis);
    prop_oneof![2 => spread, 1 => any, 3 => round, 1 => Just(Duration::MAX)]
}

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0,
        0.0..1e6,
        Just(0.1),
        Just(1.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE)
    ]
}

fn jitters() -> impl Strategy<Value = Jitter> {
    let words = [
        Jitter::None,
        Jitter::Full,
        Jitter::Equal,
        Jitter::Decorrelated,
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()),
        numbers().prop_map(Jitter::Around)
    ]
}

fn backoffs() -> impl Strategy<Value = Backoff> {
    let exponential = |(base, factor)| Backoff::exponential(base).factor(factor);
    let law = prop_oneof![
        Just(Backoff::none()),
        durations().prop_map(Backoff::constant),
        (durations(), durations()).prop_map(|(base, step)| Backoff::linear(base, step)),
        (durations(), numbers()).prop_map(exponential),
    ];
    (law, option::of(durations()), jitters()).prop_map(|(law, cap, jitter)| {
        let law = law.jitter(jitter);
        cap.map_or(law.clone(), |cap| law.cap(cap))
    })
}

prop_compose! {
    fn breakers()(
        window in prop_oneof![any::<u32>().prop_map(Window::Count), durations().prop_map(Window::Time)],
        (min_calls, probes, shadow) in any::<(u32, u32, bool)>(),
        (failure_ratio, slow_call_ratio, open_jitter, open_factor) in
            (numbers(), numbers(), numbers(), numbers()),
        (slow, ramp) in (option::of(durations()), option::of(durations())),
        (open_for, open_max, probe_timeout) in (durations(), durations(), durations()),
    ) -> breaker::Config {
        let mut config = breaker::Config::default();
        (config.window, config.min_calls, config.probes) = (window, min_calls, probes);
        (config.failure_ratio, config.slow_call_ratio) = (failure_ratio, slow_call_ratio);
        (config.open_jitter, config.open_factor, config.shadow) = (open_jitter, open_factor, shadow);
        (config.slow_call_duration, config.ramp) = (slow, ramp);
        (config.open_for, config.open_max, config.probe_timeout) = (open_for, open_max, probe_timeout);
        config
    }
}

prop_compose! {
    fn limits()(
        (calls, burst, shadow) in any::<(u32, u32, bool)>(),
        (period, max_wait) in (durations(), durations()),
    ) -> rate_limit::Config {
        let mut config = rate_limit::Config::new(calls, period);
        (config.burst, config.max_wait, config.shadow) = (burst, max_wait, shadow);
        config
    }
}

prop_compose! {
    fn bulkheads()(
        (places, queue, shadow) in any::<(u32, u32, bool)>(),
        max_wait in durations(),
    ) -> bulkhead::Config {
        let mut config = bulkhead::Config::new(places);
        (config.max_queue, config.max_wait, config.shadow) = (queue, max_wait, shadow);
        config
    }
}

prop_compose! {
    fn hedges()(
        fixed in durations(),
        percentile in option::of((numbers(), durations(), any::<u32>(), durations())),
        max_hedges in any::<u32>(),
    ) -> hedge::Config {
        let delay = percentile.map_or(Delay::Fixed(fixed), |(quantile, until, samples, window)| {
            Percentile::new(quantile, until).min_samples(samples).window(window).into()
        });
        let mut config = hedge::Config::new(delay);
        config.max_hedges = max_hedges;
        config
    }
}

prop_compose! {
    fn retries()(
        (max_attempts, retry_refused) in any::<(u32, bool)>(),
        backoff in backoffs().boxed(),
        max_hint in durations(),
    ) -> retry::Config {
        let mut config = retry::Config::default();
        (config.max_attempts, config.retry_refused) = (max_attempts, retry_refused);
        (config.backoff, config.max_hint) = (backoff, max_hint);
        config
    }
}

prop_compose! {
    fn pipelines()(
        (deadline, attempt) in (option::of(durations()), option::of(durations())),
        (retry, hedge) in (option::of(retries().boxed()), option::of(hedges().boxed())),
        (ratio, per_sec, reserve) in (numbers(), numbers(), any::<u32>()),
        (limit, breaker) in (option::of(limits().boxed()), option::of(breakers().boxed())),
        (bulkhead, backups) in (option::of(bulkheads().boxed()), any::<u32>()),
    ) -> pipeline::Config {
        let mut config = pipeline::Config::default();
        (config.deadline, config.attempt_timeout) = (deadline, attempt);
        (config.retry, config.hedge) = (retry, hedge);
        (config.budget.ratio, config.budget.min_per_sec, config.budget.reserve) = (ratio, per_sec, reserve);
        (config.rate_limit, config.breaker, config.bulkhead) = (limit, breaker, bulkhead);
        config.fallback.max_concurrent = backups;
        config
    }
}

/// Durations that humantime can read: several numbers with units.
fn spans() -> impl Strategy<Value = String> {
    let units = [
        "ns", "us", "ms", "msec", "s", "sec", "m", "min", "h", "hours", "d", "day", "w", "months",
        "y",
    ];
    let part = (
        0..100_000_u32,
        option::of(0..1_000_u32),
        " {0,2}",
        prop::sample::select(units.to_vec()),
    );
    let part = part.prop_map(|(n, frac, blank, unit)| match frac {
        Some(frac) => format!("{n}.{frac}{blank}{unit}"),
        None => format!("{n}{blank}{unit}"),
    });
    prop::collection::vec((part, " {0,2}"), 1..4).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(part, blank)| part + &blank)
            .collect()
    })
}

proptest! {
    #[test]
    fn settings_are_written_and_read_as_the_same(config in pipelines()) {
        let json = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(&serde_json::from_str::<pipeline::Config>(&json).unwrap(), &config);
        let value = serde_json::to_value(&config).unwrap();
        prop_assert_eq!(&serde_json::from_value::<pipeline::Config>(value.clone()).unwrap(), &config);
        let toml = toml::to_string(&config).unwrap();
        prop_assert_eq!(&toml::from_str::<pipeline::Config>(&toml).unwrap(), &config);
        // Canonical: written again it is the same text.
        let again: pipeline::Config = serde_json::from_value(value).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), json);
    }

    #[test]
    fn a_span_is_read_as_humantime_reads_it(text in spans()) {
        let theirs = humantime::parse_duration(&text).ok();
        // Theirs counts a part of an hour and more in whole seconds only, and stops where a word does.
        if let Some(theirs) = theirs {
            prop_assert_eq!(duration(&text), Some(theirs), "{}", text);
        }
    }

    #[test]
    fn what_humantime_writes_is_read(span in durations()) {
        let theirs = humantime::format_duration(span).to_string();
        prop_assert_eq!(duration(&theirs), Some(span), "{}", theirs);
    }
}
