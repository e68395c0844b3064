//! What policies in shadow tell: their events, and their metrics.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/ledger.rs"]
mod ledger;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Bulkhead, CircuitBreaker, RateLimit, Reason,
    breaker::{Builder, State},
    rate_limit::Quota,
    telemetry::{Event, EventKind},
};
use ledger::{Ledger, REJECTED, recorded};
use metrics::Unit;
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);
const WOULD_HAVE: &str = "buttress_would_have_rejected_total";

/// Opens at the first failure, for a second; one probe.
fn touchy() -> Builder {
    let builder = CircuitBreaker::builder().name("shop").count_window(10);
    let builder = builder.min_calls(1).probes(1).open_for(SECOND);
    builder.open_jitter(0.0).failure_ratio(0.2)
}

fn one_a_second() -> buttress::rate_limit::Builder {
    RateLimit::builder(Quota::per_second(NonZeroU32::MIN)).name("shop")
}

/// A listener, and what it has heard.
fn ear() -> (
    impl Fn(&Event) + Send + Sync + 'static,
    Arc<Mutex<Vec<Event>>>,
) {
    let heard = Arc::<Mutex<Vec<Event>>>::default();
    let ear = Arc::clone(&heard);
    let listener = move |event: &Event| ear.lock().unwrap().push(event.clone());
    (listener, heard)
}

/// Those of calls that would have been refused.
fn observed(heard: &Mutex<Vec<Event>>) -> Vec<(Reason, Option<Duration>)> {
    let heard = heard.lock().unwrap();
    let told = heard.iter().filter_map(|event| match event.kind {
        EventKind::WouldHaveRejected {
            reason,
            retry_after,
            ..
        } => Some((reason, retry_after)),
        _ => None,
    });
    told.collect()
}

/// By reason, those that were counted.
fn counted(ledger: &mut Ledger<'_>) -> Vec<(String, f64)> {
    let family = |name: &str| name.starts_with(WOULD_HAVE);
    let all = ledger.all().iter().filter(|(name, _)| family(name));
    let reason = |name: &str| {
        let at = name.find("reason=").unwrap() + "reason=".len();
        name[at..].trim_end_matches('}').to_owned()
    };
    all.map(|(name, value)| (reason(name), *value)).collect()
}

fn expected<const N: usize>(counts: [(Reason, f64); N]) -> Vec<(String, f64)> {
    let mut all = counts.map(|(reason, count)| (reason.as_str().to_owned(), count));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into()
}

/// Once open, once half-open, twice recovering.
async fn a_day(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
    advance(SECOND / 4).await;
    drop(breaker.try_acquire().unwrap());
    advance(SECOND).await;
    let probe = breaker.try_acquire().unwrap();
    drop(breaker.try_acquire().unwrap());
    probe.success();
    (0..3).for_each(|_| breaker.try_acquire().unwrap().success());
}

#[test]
fn a_breaker_counts_and_tells_what_it_would_have_refused_in_shadow_and_disabled() {
    for disabled in [false, true] {
        recorded(async |ledger| {
            let (listener, heard) = ear();
            let builder = touchy().ramp(SECOND * 1_000).shadow(!disabled);
            let breaker = builder.on_event(listener).build().unwrap();
            if disabled {
                breaker.disable();
            }
            breaker.try_acquire().unwrap().success();
            assert_eq!(counted(ledger), [], "not before the first");
            a_day(&breaker).await;
            assert_eq!(
                counted(ledger),
                expected([
                    (Reason::Open, 1.0),
                    (Reason::HalfOpen, 1.0),
                    (Reason::ForcedOpen, 0.0),
                    (Reason::Recovering, 2.0),
                ])
            );
            assert_eq!(
                observed(&heard),
                [
                    (Reason::Open, Some(SECOND * 3 / 4)),
                    (Reason::HalfOpen, None),
                    (Reason::Recovering, None),
                    (Reason::Recovering, None),
                ]
            );
            assert_eq!(breaker.snapshot().would_have_rejected, 4);
            let refused = ledger.value(REJECTED, "policy=shop,reason=open");
            assert_eq!(refused, 0.0);
            assert_eq!(ledger.units[WOULD_HAVE], (Some(Unit::Count), true));
            if !disabled {
                let open = ledger.states("shop");
                assert_eq!(open[State::Closed as usize], 1.0, "its own state is shown");
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_breakers_events_are_numbered_in_one_row_and_say_that_nothing_is_enforced() {
    let (listener, heard) = ear();
    let builder = touchy().shadow(true).on_event(listener);
    let breaker = builder.build().unwrap();
    let begun = Instant::now();
    a_day(&breaker).await;
    let mut config = breaker.config();
    config.shadow = false;
    breaker.reconfigure(config).unwrap();
    breaker.try_acquire().unwrap().failure();
    breaker.try_acquire().unwrap_err();
    let told: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|event| {
            let (what, enforced) = match event.kind {
                EventKind::Opened { enforced, .. } => ("opened", Some(enforced)),
                EventKind::HalfOpened { enforced, .. } => ("half-open", Some(enforced)),
                EventKind::Closed { enforced, .. } => ("closed", Some(enforced)),
                EventKind::Reconfigured { window_cleared, .. } => {
                    assert!(!window_cleared);
                    ("reconfigured", None)
                }
                EventKind::WouldHaveRejected { .. } => ("observed", None),
                ref other => panic!("{other:?}"),
            };
            let at = (event.at - begun).as_millis();
            (event.seq, event.generation, at, what, enforced)
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 1, 0, "opened", Some(false)),
            (2, 1, 250, "observed", None),
            (3, 2, 1_250, "half-open", Some(false)),
            (4, 2, 1_250, "observed", None),
            (5, 3, 1_250, "closed", Some(false)),
            (6, 3, 1_250, "reconfigured", None),
            (7, 4, 1_250, "opened", Some(true)),
        ]
    );
}

#[test]
fn a_bulkhead_counts_and_tells_each_call_without_a_place() {
    recorded(async |ledger| {
        let (listener, heard) = ear();
        let builder = Bulkhead::builder(1).name("shop").shadow(true);
        let bulkhead = builder.on_event(listener).build().unwrap();
        let calls = [(); 3].map(|()| bulkhead.try_acquire().unwrap());
        assert_eq!(
            counted(ledger),
            expected([(Reason::Full, 2.0), (Reason::Expired, 0.0)])
        );
        assert_eq!(observed(&heard), [(Reason::Full, None); 2]);
        assert_eq!(
            ledger.value("buttress_bulkhead_in_flight", "policy=shop"),
            1.0
        );
        drop(calls);
        assert_eq!(
            ledger.value("buttress_bulkhead_in_flight", "policy=shop"),
            0.0
        );
        assert!(!ledger.all().keys().any(|name| name.starts_with(REJECTED)));
    });
}

#[test]
fn a_limit_counts_and_tells_each_call_beyond_the_rate() {
    recorded(async |ledger| {
        let (listener, heard) = ear();
        let builder = one_a_second().shadow(true).max_wait(SECOND);
        let limit = builder.on_event(listener).build().unwrap();
        for cost in [1, 1, 1, 2] {
            limit.acquire_n(cost).await.unwrap();
        }
        limit.try_acquire_n(1).unwrap();
        assert_eq!(
            counted(ledger),
            expected([
                (Reason::RateLimited, 2.0),
                (Reason::CostAboveBurst, 1.0),
                (Reason::Expired, 0.0),
            ])
        );
        assert_eq!(
            observed(&heard),
            [
                (Reason::RateLimited, Some(SECOND)),
                (Reason::CostAboveBurst, None),
                (Reason::RateLimited, Some(2 * SECOND)),
            ]
        );
        assert_eq!(heard.lock().unwrap().len(), 3, "nobody has waited");
        assert!(!ledger.all().keys().any(|name| name.starts_with(REJECTED)));
    });
}

#[cfg(feature = "keyed")]
#[test]
fn policies_of_one_kind_register_their_counters_once() {
    recorded(async |ledger| {
        let bulkhead = Bulkhead::builder(1)
            .name("shop")
            .shadow(true)
            .build()
            .unwrap();
        let keys = bulkhead.per_key::<u32>().build().unwrap();
        for key in 0..10 {
            let key = keys.for_key(&key);
            let _calls = [(); 2].map(|()| key.try_acquire().unwrap());
        }
        assert_eq!(counted(ledger)[1], ("full".into(), 10.0));
        let before = ledger.clerk.registrations.get();
        let _calls = [(); 2].map(|()| keys.for_key(&11).try_acquire().unwrap());
        assert_eq!(ledger.clerk.registrations.get(), before);
    });
}
