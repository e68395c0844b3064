//! What one policy per key tells: a gauge and counters of its own, and one set of handles for all keys.
#![cfg(all(feature = "keyed", feature = "metrics"))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/ledger.rs"]
mod ledger;

use std::{num::NonZeroU32, time::Duration};

use buttress::{
    Bulkhead, CircuitBreaker, Outcome, RateLimit, breaker::Order, guard::Guard, keyed::Overflow,
    rate_limit::Quota,
};
use ledger::{Ledger, recorded};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

fn evicted(ledger: &mut Ledger<'_>) -> [f64; 3] {
    ["unused", "room", "oldest"].map(|reason| {
        let labels = format!("policy=hosts,reason={reason}");
        ledger.value("buttress_keys_evicted_total", &labels)
    })
}

fn overflowed(ledger: &mut Ledger<'_>) -> [f64; 3] {
    ["shared", "rejected", "evicted"].map(|answer| {
        let labels = format!("answer={answer},policy=hosts");
        ledger.value("buttress_keys_overflow_total", &labels)
    })
}

fn keys(ledger: &mut Ledger<'_>) -> f64 {
    ledger.value("buttress_keys", "policy=hosts")
}

#[test]
fn keys_evictions_and_overflows_are_counted() {
    recorded(async |ledger| {
        let breaker = CircuitBreaker::builder().name("hosts").build().unwrap();
        let per_host = breaker.clone().per_key::<u64>().max_keys(2);
        let per_host = per_host.idle_for(SECOND).build().unwrap();
        assert!(ledger.is_empty());
        let end = |key: u64, outcome| {
            let permit = per_host.for_key(&key).try_acquire();
            permit.map(|permit| permit.settle(outcome)).is_ok()
        };
        assert!(end(1, Outcome::Success));
        assert!(end(2, Outcome::Failure));
        assert_eq!(keys(ledger), 2.0);
        assert!(end(3, Outcome::Failure));
        assert_eq!((keys(ledger), evicted(ledger)), (2.0, [0.0, 1.0, 0.0]));
        assert!(end(4, Outcome::Success));
        assert_eq!(overflowed(ledger), [1.0, 0.0, 0.0]);
        let mut config = per_host.config();
        config.overflow = Overflow::Reject;
        per_host.reconfigure(config).unwrap();
        assert!(!end(4, Outcome::Success));
        assert_eq!(overflowed(ledger), [1.0, 1.0, 0.0]);
        let rejected = "policy=hosts,reason=too_many_keys";
        assert_eq!(ledger.value("buttress_rejected_total", rejected), 1.0);
        config.overflow = Overflow::EvictOldest;
        per_host.reconfigure(config).unwrap();
        assert!(end(5, Outcome::Success));
        assert_eq!(overflowed(ledger), [1.0, 1.0, 1.0]);
        assert_eq!((keys(ledger), evicted(ledger)), (2.0, [0.0, 1.0, 1.0]));
        config.max_keys = 10;
        per_host.reconfigure(config).unwrap();
        for key in 6..8 {
            assert!(end(key, Outcome::Success));
        }
        advance(SECOND).await;
        for key in 8..10 {
            assert!(end(key, Outcome::Success));
        }
        assert_eq!(evicted(ledger), [3.0, 1.0, 1.0]);
        assert_eq!(keys(ledger), 3.0);
        // Another of the name adds up, and one that is gone leaves.
        let other = breaker.per_key::<u64>().build().unwrap();
        drop(other.for_key(&1));
        assert_eq!(keys(ledger), 4.0);
        drop(per_host);
        assert_eq!(keys(ledger), 1.0);
        drop(other);
        assert_eq!(keys(ledger), 0.0);
        assert!(ledger.units.values().all(|(_, described)| *described));
    });
}

#[test]
fn the_handles_of_all_keys_are_registered_once() {
    recorded(async |ledger| {
        let breaker = CircuitBreaker::builder().name("hosts").build().unwrap();
        let quota = Quota::per_second(NonZeroU32::MIN);
        let limit = RateLimit::builder(quota).name("rate").build().unwrap();
        let bulkhead = Bulkhead::builder(2).name("places").build().unwrap();
        let all = Guard::all((limit, breaker, bulkhead));
        let per_host = all.per_key::<u64>().name("hosts").build().unwrap();
        let call = |key: u64| {
            let place = per_host.for_key(&key);
            place.try_acquire().unwrap().success();
            assert!(place.try_acquire().is_err(), "the rate is used up");
        };
        call(0);
        let registered = ledger.clerk.registrations.get();
        let described = ledger.clerk.descriptions.get();
        for key in 1..500 {
            call(key);
        }
        assert_eq!(ledger.clerk.registrations.get(), registered);
        assert_eq!(ledger.clerk.descriptions.get(), described);
        assert_eq!(ledger.calls("hosts", Outcome::Success), 500.0);
        assert_eq!(
            ledger.states("hosts")[0],
            500.0,
            "each in a state of its own"
        );
        assert_eq!(
            ledger.value("buttress_bulkhead_limit", "policy=places"),
            1_000.0
        );
        let limited = "policy=rate,reason=rate_limited";
        assert_eq!(ledger.value("buttress_rejected_total", limited), 500.0);
        drop(per_host);
        assert_eq!(ledger.states("hosts"), [0.0; 6]);
        assert_eq!(
            ledger.value("buttress_bulkhead_limit", "policy=places"),
            0.0
        );
    });
}

#[test]
fn a_key_in_another_state_moves_the_gauge_of_all() {
    recorded(async |ledger| {
        let breaker = CircuitBreaker::builder().name("hosts").build().unwrap();
        let per_host = breaker.per_key::<u64>().build().unwrap();
        for key in 0..3 {
            per_host.for_key(&key).try_acquire().unwrap().success();
        }
        per_host.with(&1, |breaker| breaker.order(Order::ForceOpen(None)));
        assert_eq!(ledger.states("hosts"), [2.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    });
}
