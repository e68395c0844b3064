//! Settings of a hedge: what cannot be built, and what changes live.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Budget, Hedge, InvalidConfig,
    hedge::{Builder, Config, Delay, Percentile},
    telemetry::EventKind,
};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

const SECOND: Duration = Duration::from_secs(1);

fn every(delay: Duration) -> Builder {
    Hedge::builder(delay)
}

fn violated(built: Result<impl Sized, InvalidConfig>) -> Vec<(&'static str, String)> {
    let Err(invalid) = built else {
        return Vec::new();
    };
    let violations = invalid.violations().iter();
    violations.map(|it| (it.field, it.value.clone())).collect()
}

fn fields(built: Result<impl Sized, InvalidConfig>) -> Vec<&'static str> {
    violated(built)
        .into_iter()
        .map(|(field, _)| field)
        .collect()
}

#[test]
fn at_least_one_hedge_and_at_most_ten() {
    for (hedges, holds) in [
        (0, false),
        (1, true),
        (10, true),
        (11, false),
        (u32::MAX, false),
    ] {
        let built = every(SECOND).max_hedges(hedges).build();
        let expected = if holds { vec![] } else { vec!["max_hedges"] };
        assert_eq!(fields(built), expected, "{hedges}");
    }
}

#[test]
fn no_delay_needs_a_bound_and_a_budget() {
    let none = || every(Duration::ZERO);
    assert!(none().build().is_ok());
    assert!(none().max_hedges(10).build().is_ok());
    assert!(none().budget(Budget::default()).build().is_ok());
    assert_eq!(fields(none().unbudgeted().build()), ["delay"]);
    let unlimited = none().name("rash").max_hedges(u32::MAX).build();
    assert_eq!(
        unlimited.unwrap_err().to_string(),
        "rash: delay = 0ns: may be zero only with max_hedges of 1 to 10 and a budget; \
         max_hedges = 4294967295: must be 1 to 10",
    );
    // The shortest of all is none.
    assert!(every(Duration::from_nanos(1)).unbudgeted().build().is_ok());
    // The same for what is used until there are samples.
    let p95 = Percentile::new(0.95, Duration::ZERO);
    assert!(Hedge::builder(p95).build().is_ok());
    assert_eq!(fields(Hedge::builder(p95).unbudgeted().build()), ["until"]);
}

#[test]
fn a_percentile_is_one() {
    let quantile = |q| fields(Hedge::builder(Percentile::new(q, SECOND)).build());
    for wrong in [0.0, 1.0, -0.5, 95.0, f64::NAN, f64::INFINITY, -0.0] {
        assert_eq!(quantile(wrong), ["quantile"], "{wrong}");
    }
    for right in [f64::MIN_POSITIVE, 0.5, 0.999_999] {
        assert!(quantile(right).is_empty(), "{right}");
    }
    let p95 = Percentile::new(0.95, SECOND);
    let samples = |n| fields(Hedge::builder(p95.min_samples(n)).build());
    assert_eq!(samples(0), ["min_samples"]);
    assert!(samples(1).is_empty() && samples(u32::MAX).is_empty());
    let window = |window| fields(Hedge::builder(p95.window(window)).build());
    let (shortest, longest) = (SECOND / 10, 86_400 * SECOND);
    for wrong in [
        Duration::ZERO,
        shortest - Duration::from_nanos(1),
        longest + SECOND,
    ] {
        assert_eq!(window(wrong), ["window"]);
    }
    assert!(window(shortest).is_empty() && window(longest).is_empty());
}

#[test]
fn every_violation_is_named_at_once() {
    let all = Percentile::new(f64::NAN, Duration::ZERO)
        .min_samples(0)
        .window(Duration::ZERO);
    let builder = Hedge::builder(all).max_hedges(0);
    assert_eq!(
        violated(builder.build()),
        [
            ("quantile", "NaN"),
            ("until", "0ns"),
            ("min_samples", "0"),
            ("window", "0ns"),
            ("max_hedges", "0"),
        ]
        .map(|(field, value)| (field, value.to_owned()))
    );
}

#[test]
fn defaults_are_the_documented_ones() {
    let hedge = every(SECOND).build().unwrap();
    assert_eq!(hedge.name(), "hedge");
    assert_eq!(hedge.config(), Config::new(SECOND));
    assert_eq!(hedge.config().delay, Delay::Fixed(SECOND));
    assert_eq!(hedge.config().max_hedges, 1);
    let p95 = Percentile::new(0.95, SECOND);
    assert_eq!((p95.min_samples, p95.window), (100, 60 * SECOND));
    let config = Config::new(p95);
    let hedge = every(SECOND).config(config).build().unwrap();
    assert_eq!(hedge.config(), config);
    assert_eq!(hedge.snapshot().delay, SECOND);
}

/// A call whose first attempts hang and whose `n`th answers.
async fn answered_after(hedge: &Hedge, n: u32) -> Duration {
    let begun = Instant::now();
    let call = hedge.call(|attempt| async move {
        if attempt.number() < n {
            pending::<()>().await;
        }
        Ok::<_, Infallible>(())
    });
    call.await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn other_settings_are_in_force_from_the_next_hedge_on() {
    let told = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&told);
    let builder = every(SECOND).on_event(move |event| {
        if matches!(event.kind, EventKind::Reconfigured { .. }) {
            *counts.lock().unwrap() += 1;
        }
    });
    let hedge = builder.build().unwrap();
    assert_eq!(answered_after(&hedge, 2).await, SECOND);
    let mut config = Config::new(2 * SECOND);
    config.max_hedges = 3;
    hedge.reconfigure(config).unwrap();
    assert_eq!((hedge.config(), *told.lock().unwrap()), (config, 1));
    assert_eq!(answered_after(&hedge, 4).await, 6 * SECOND);

    // What is refused changes nothing.
    let mut wrong = config;
    wrong.max_hedges = 0;
    assert_eq!(fields(hedge.reconfigure(wrong)), ["max_hedges"]);
    assert_eq!((hedge.config(), *told.lock().unwrap()), (config, 1));
    assert_eq!(answered_after(&hedge, 4).await, 6 * SECOND);
    let bare = every(SECOND).unbudgeted().build().unwrap();
    assert_eq!(
        fields(bare.reconfigure(Config::new(Duration::ZERO))),
        ["delay"]
    );
    hedge.reconfigure(Config::new(Duration::ZERO)).unwrap();
    assert_eq!(answered_after(&hedge, 2).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_go_by_the_new_settings_from_their_next_hedge_on() {
    let config = |delay, most| {
        let mut config = Config::new(delay);
        config.max_hedges = most;
        config
    };
    let hedge = every(SECOND).config(config(SECOND, 3)).build().unwrap();
    let start = |answers: u32| {
        let call = hedge.call(move |attempt| async move {
            if attempt.number() != answers {
                pending::<()>().await;
            }
            Ok::<_, Infallible>(attempt.number())
        });
        let mut call = spawn(call);
        assert_pending!(call.poll());
        call
    };
    let (mut fewer, mut longer) = (start(3), start(3));
    advance(SECOND).await;
    assert_pending!(fewer.poll());
    // The one that is on its way stays due when it was.
    hedge.reconfigure(config(5 * SECOND, 1)).unwrap();
    advance(SECOND).await;
    assert_pending!(fewer.poll());
    assert_eq!(
        hedge.snapshot().hedged,
        1,
        "fewer than before: none any more"
    );
    assert_pending!(longer.poll());
    assert_eq!(hedge.snapshot().hedged, 2);
    hedge.reconfigure(config(SECOND, 3)).unwrap();
    advance(60 * SECOND).await;
    assert_pending!(fewer.poll());
    // That was the last one by the settings of then.
    assert_pending!(longer.poll());

    hedge.reconfigure(config(SECOND, 2)).unwrap();
    let mut call = start(3);
    advance(SECOND).await;
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_eq!(assert_ready_ok!(call.poll()), 3);
}

#[test]
fn a_fork_has_the_settings_and_counts_of_its_own() {
    let hedge = every(SECOND).name("a").max_hedges(2).build().unwrap();
    let fork = hedge.fork("b");
    assert_eq!((fork.name(), fork.config()), ("b", hedge.config()));
    let other = Config::new(2 * SECOND);
    fork.reconfigure(other).unwrap();
    assert_eq!((fork.config(), hedge.config().max_hedges), (other, 2));
}
