//! The settings of a rate limit: which are refused, with which words, and what a change while it runs
//! keeps.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{num::NonZeroU32, time::Duration};

use buttress::{
    RateLimit,
    rate_limit::{Builder, Config, Quota},
};
use tokio::time::advance;

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Settings with these numbers.
fn config(calls: u32, period: Duration, burst: u32, max_wait: Duration) -> Config {
    let mut config = Config::from(Quota::per_second(n(1)));
    config.calls = calls;
    config.period = period;
    config.burst = burst;
    config.max_wait = max_wait;
    config
}

fn builder(config: Config) -> Builder {
    RateLimit::builder(config).name("limit")
}

/// Field, value and rule of every violation, of a limit that waits or one that does not.
fn violations(config: &Config, waits: bool) -> Vec<(&'static str, String, &'static str)> {
    let built = match waits {
        true => builder(config.clone())
            .max_wait(config.max_wait)
            .build()
            .map(drop),
        false => builder(config.clone()).build().map(drop),
    };
    let error = match built {
        Ok(()) => return Vec::new(),
        Err(error) => error,
    };
    assert_eq!(error.policy(), "limit");
    let all = error.violations().iter();
    all.map(|one| (one.field, one.value.clone(), one.rule))
        .collect()
}

/// The fields alone.
fn fields(config: &Config, waits: bool) -> Vec<&'static str> {
    let all = violations(config, waits).into_iter();
    all.map(|(field, ..)| field).collect()
}

#[test]
fn all_that_is_wrong_is_listed_at_once() {
    let error = builder(config(0, Duration::ZERO, 0, MS))
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "limit: calls = 0: must be 1 or more; period = 0ns: must not be zero; \
         burst = 0: must be 1 or more; \
         max_wait = 1ms: must be zero, since the limit was built without `max_wait`",
    );
}

#[test]
fn every_rule_and_its_bounds() {
    let second = Duration::from_secs(1);
    // More than one a nanosecond cannot be told apart.
    assert!(fields(&config(1_000_000_000, second, 1, MS), true).is_empty());
    let rule = "must be no more than one per nanosecond of the period";
    let found = violations(&config(1_000_000_001, second, 1, MS), true);
    assert_eq!(found, [("calls", "1000000001".to_owned(), rule)]);
    assert_eq!(
        fields(&config(2, Duration::from_nanos(1), 1, MS), true),
        ["calls"]
    );
    assert!(fields(&config(1, Duration::from_nanos(1), 1, MS), true).is_empty());

    // A burst and a wait reach 2^59 ns into the future, and not one further.
    let reach = Duration::from_nanos(1 << 59);
    let ns = Duration::from_nanos(1);
    assert!(fields(&config(1, reach, 1, Duration::ZERO), true).is_empty());
    assert!(fields(&config(1, reach - MS, 1, MS), true).is_empty());
    let rule = "burst x period / calls + max_wait must be at most 18 years";
    let found = violations(&config(1, reach - MS, 1, MS + ns), true);
    assert_eq!(found, [("max_wait", "1.000001ms".to_owned(), rule)]);
    let rule = "burst x period / calls must be at most 18 years";
    let found = violations(&config(1, reach + ns, 1, Duration::ZERO), true);
    assert_eq!(found, [("burst", "1".to_owned(), rule)]);
    assert_eq!(
        fields(&config(1, DAY, 6_672, Duration::ZERO), true),
        ["burst"]
    );
    assert!(fields(&config(1, DAY, 6_671, Duration::ZERO), true).is_empty());
    assert_eq!(fields(&config(1, MS, 1, Duration::MAX), true), ["max_wait"]);
    assert_eq!(
        fields(&config(1, Duration::MAX, u32::MAX, MS), true),
        ["burst"]
    );
    assert_eq!(fields(&config(u32::MAX, DAY, u32::MAX, MS), true), [""; 0]);
}

#[test]
fn the_builder_takes_a_quota_or_all_settings() {
    let quota = Quota::per_minute(n(30));
    let limit = RateLimit::builder(quota).build().unwrap();
    assert_eq!(limit.name(), "rate_limit");
    // One period's worth.
    let minute = Duration::from_secs(60);
    assert_eq!(limit.config(), config(30, minute, 30, Duration::ZERO));
    let limit = RateLimit::builder(quota.burst(n(3))).build().unwrap();
    assert_eq!(limit.config().burst, 3);
    let builder = RateLimit::builder(quota).burst(5).max_wait(MS);
    assert_eq!(builder.build().unwrap().config(), config(30, minute, 5, MS));
    let builder = RateLimit::builder(quota)
        .max_wait(MS)
        .config(limit.config());
    assert_eq!(builder.build().unwrap().config(), limit.config());
    let debug = format!("{:?}", RateLimit::builder(quota).name("shop"));
    assert!(debug.contains("shop") && debug.contains("30"), "{debug}");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_checked_like_a_build_and_keeps_the_old_settings_if_it_fails() {
    let limit = RateLimit::builder(Quota::per_second(n(10)))
        .build()
        .unwrap();
    limit.try_acquire_n(4).unwrap();
    let before = limit.snapshot();
    let error = limit.reconfigure(config(0, MS, 0, MS)).unwrap_err();
    let fields: Vec<_> = error.violations().iter().map(|one| one.field).collect();
    assert_eq!(fields, ["calls", "burst", "max_wait"]);
    assert_eq!(limit.snapshot(), before);
}

/// How many are left at once after a change, of 10 a second of which so many were taken.
fn left_after(taken: u32, change: impl FnOnce(&mut Config)) -> (RateLimit, u32) {
    let limit = RateLimit::builder(Quota::per_second(n(10)))
        .build()
        .unwrap();
    limit.try_acquire_n(taken).unwrap();
    let mut config = limit.config();
    change(&mut config);
    limit.reconfigure(config.clone()).unwrap();
    assert_eq!(limit.config(), config);
    let left = limit.snapshot().available;
    (limit, left)
}

#[tokio::test(start_paused = true)]
async fn a_change_keeps_what_was_spent_in_calls() {
    let faster = |config: &mut Config| config.calls = 1_000;
    let slower = |config: &mut Config| config.period = DAY;
    for taken in 1..10 {
        for change in [faster, slower] {
            assert_eq!(left_after(taken, change).1, 10 - taken);
        }
    }
    // And is paid off at the new pace.
    let (limit, _) = left_after(10, faster);
    advance(MS).await;
    assert_eq!(limit.snapshot().available, 1);
    let (limit, _) = left_after(10, slower);
    advance(DAY / 10).await;
    assert_eq!(limit.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn a_larger_burst_adds_to_what_is_left_and_a_smaller_one_takes_from_it() {
    assert_eq!(left_after(4, |config| config.burst = 15).1, 11);
    assert_eq!(left_after(4, |config| config.burst = 5).1, 1);
    // More was taken than is allowed now: that is paid off first.
    let (limit, left) = left_after(8, |config| config.burst = 5);
    assert_eq!(left, 0);
    let no = limit.try_acquire().unwrap_err();
    assert_eq!(no.retry_after(), Some(400 * MS));
    advance(400 * MS).await;
    let _ = limit.try_acquire().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_call_that_is_not_paid_off_stays_a_part() {
    let limit = RateLimit::builder(Quota::per_second(n(10)))
        .build()
        .unwrap();
    limit.try_acquire_n(10).unwrap();
    advance(25 * MS).await;
    let mut config = limit.config();
    config.calls = 1;
    limit.reconfigure(config).unwrap();
    // A quarter of the next call is paid off; the rest takes three quarters of a second.
    let no = limit.try_acquire().unwrap_err();
    assert_eq!(no.retry_after(), Some(750 * MS));
}

#[tokio::test(start_paused = true)]
async fn many_changes_lose_nothing_and_gain_nothing() {
    let (limit, _) = left_after(7, |config| config.calls = 20);
    for round in 0..1_000_u32 {
        let mut config = limit.config();
        config.calls = 10 * (1 + round % 3);
        config.period = (1 + round % 7) * Duration::from_secs(1);
        limit.reconfigure(config).unwrap();
        assert!(limit.snapshot().available.abs_diff(3) <= 1);
    }
    let mut last = limit.config();
    last.calls = 1;
    last.period = DAY;
    limit.reconfigure(last).unwrap();
    // Each time it was rounded up, by less than a nanosecond: of a day that is seconds by now.
    let no = limit.try_acquire_n(4).unwrap_err();
    let seconds = Duration::from_secs(10);
    assert!(no.retry_after().unwrap().abs_diff(DAY) < seconds, "{no:?}");
}

/// A debt of ten million calls, at one a day, is 27,000 years: it ends somewhere.
#[tokio::test(start_paused = true)]
async fn a_debt_that_is_too_large_to_count_is_a_large_one() {
    let limit = RateLimit::builder(Quota::per_second(n(10_000_000)))
        .build()
        .unwrap();
    limit.try_acquire_n(10_000_000).unwrap();
    limit
        .reconfigure(config(1, DAY, 1, Duration::ZERO))
        .unwrap();
    let wait = limit.try_acquire().unwrap_err().retry_after().unwrap();
    assert!(wait > 6_000 * DAY && wait < 7_000 * DAY, "{wait:?}");
    advance(wait).await;
    let _ = limit.try_acquire().unwrap();
}

/// A clock that runs further than a limit can count lets nobody in too many.
#[tokio::test(start_paused = true)]
async fn a_century_on_it_refuses_and_does_not_break() {
    let limit = RateLimit::builder(Quota::per_day(n(2))).build().unwrap();
    advance(40 * 365 * DAY).await;
    limit.try_acquire_n(2).unwrap();
    advance(60 * 365 * DAY).await;
    assert!(limit.try_acquire().is_err());
    assert_eq!(limit.snapshot().available, 0);
}
