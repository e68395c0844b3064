//! The settings of one policy per key, its template's, and those of single keys.
#![cfg(feature = "keyed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/watched.rs"]
mod watched;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use buttress::OnError;
use buttress::deadline::NoDeadline;
use buttress::{
    CircuitBreaker, Outcome, Reason,
    guard::{Guard, Template},
    keyed::{Builder, ByCaller, Config, Keyed, Overflow},
    telemetry::EventKind,
};
use watched::Watched;

type PerNumber = Guard<Keyed<Watched, u64, ByCaller>>;

fn watched(most: u32) -> Builder<Watched, u64, ByCaller, OnError, NoDeadline> {
    Guard::new(Watched::new(most)).per_key()
}

fn call(keys: &PerNumber, key: u64, outcome: Outcome) -> Option<Reason> {
    match keys.for_key(&key).try_acquire() {
        Ok(permit) => {
            permit.settle(outcome);
            None
        }
        Err(no) => Some(no.reason()),
    }
}

fn settings(keys: &PerNumber) -> Vec<(u64, u32)> {
    let keys = keys.snapshot().keys.into_iter();
    keys.map(|(key, (most, ..))| (key, most)).collect()
}

#[test]
fn every_violation_is_listed() {
    let builder = watched(1).max_keys(0).idle_for(Duration::ZERO);
    assert_eq!(
        builder.build().unwrap_err().to_string(),
        "watched: max_keys = 0: must be 1 or more; idle_for = 0ns: must not be zero",
    );
    let keys = watched(1).name("mine").max_keys(3).build().unwrap();
    assert_eq!(keys.name(), "mine");
    let mut config = keys.config();
    config.max_keys = 0;
    let error = keys.reconfigure(config).unwrap_err();
    assert_eq!(error.to_string(), "mine: max_keys = 0: must be 1 or more");
    assert_eq!(keys.config().max_keys, 3);
}

#[test]
fn a_config_is_taken_whole() {
    let mut config = Config::default();
    config.max_keys = 5;
    config.overflow = Overflow::Reject;
    let keys = watched(1).max_keys(9).config(config).build().unwrap();
    assert_eq!(keys.config(), config);
    assert!(keys.is_empty());
}

#[test]
fn a_lower_bound_evicts_the_idle_and_waits_for_the_others() {
    let keys = watched(1).max_keys(100).build().unwrap();
    for key in 0..90 {
        let failed = key % 2 == 0;
        let outcome = if failed {
            Outcome::Failure
        } else {
            Outcome::Success
        };
        assert_eq!(call(&keys, key, outcome), None);
    }
    let mut config = keys.config();
    config.max_keys = 10;
    config.overflow = Overflow::Reject;
    keys.reconfigure(config).unwrap();
    assert_eq!(keys.len(), 45, "those that failed");
    assert_eq!(call(&keys, 1, Outcome::Success), Some(Reason::TooManyKeys));
    for key in (0..90).step_by(2) {
        assert_eq!(call(&keys, key, Outcome::Success), None);
    }
    // Each new key evicts one, and has no place itself until there are few enough.
    let refused = (100..200).take_while(|key| call(&keys, *key, Outcome::Success).is_some());
    assert_eq!(refused.count(), 35);
    assert_eq!(keys.len(), 10);
    // Those of another answer are told at once how many there may be.
    config.max_keys = 4;
    config.overflow = Overflow::EvictOldest;
    for key in settings(&keys) {
        call(&keys, key.0, Outcome::Failure);
    }
    keys.reconfigure(config).unwrap();
    assert_eq!(keys.len(), 10);
    assert_eq!(call(&keys, 300, Outcome::Success), None);
    assert_eq!(keys.len(), 4);
}

#[test]
fn new_keys_have_the_templates_settings_of_that_moment() {
    let template = Guard::new(Watched::new(1));
    let keys = template.clone().per_key::<u64>().build().unwrap();
    call(&keys, 1, Outcome::Success);
    template.policy().reconfigure(2).unwrap();
    assert_eq!(keys.template().config(), 2);
    call(&keys, 2, Outcome::Success);
    assert_eq!(settings(&keys), [(1, 1), (2, 2)]);
    keys.reconfigure_all(3).unwrap();
    call(&keys, 3, Outcome::Success);
    assert_eq!(settings(&keys), [(1, 3), (2, 3), (3, 3)]);
    let error = keys.reconfigure_all(101).unwrap_err();
    assert_eq!(error.policy(), "watched");
    assert_eq!(settings(&keys), [(1, 3), (2, 3), (3, 3)]);
    assert_eq!(template.policy().config(), 3);
}

#[test]
fn a_key_can_have_settings_of_its_own_and_faulty_ones_are_not_taken() {
    let keys = watched(1).max_keys(3);
    let keys = keys.configure(|key, most| if *key == 7 { most * 60 } else { most });
    let keys = keys.build().unwrap();
    for key in [1, 7] {
        call(&keys, key, Outcome::Failure);
    }
    assert_eq!(settings(&keys), [(1, 1), (7, 60)]);
    keys.reconfigure_all(2).unwrap();
    assert_eq!(settings(&keys), [(1, 2), (7, 2)], "120 break a rule");
    let seen = keys.snapshot();
    assert_eq!(seen.faulty_settings, 1);
    assert_eq!(seen.first_fault.unwrap().violations()[0].field, "probes");
    keys.reconfigure_all(1).unwrap();
    assert_eq!(settings(&keys), [(1, 1), (7, 60)]);
    // The policy that is shared has nobody's own.
    call(&keys, 8, Outcome::Failure);
    call(&keys, 9, Outcome::Failure);
    assert_eq!(keys.snapshot().shared, Some((1, 0, true)));
    keys.reconfigure_all(2).unwrap();
    assert_eq!(keys.snapshot().shared, Some((2, 0, true)));
}

#[test]
fn a_new_key_of_faulty_settings_has_the_templates() {
    let keys = watched(5).configure(|_, most| most + 96).build().unwrap();
    assert_eq!(call(&keys, 1, Outcome::Success), None);
    assert_eq!(settings(&keys), [(1, 5)]);
    assert_eq!(keys.snapshot().faulty_settings, 1);
    keys.reconfigure_all(4).unwrap();
    assert_eq!(settings(&keys), [(1, 100)]);
    assert_eq!(keys.snapshot().faulty_settings, 1);
}

/// New settings reach the keys that are made while they come.
#[test]
fn settings_reach_keys_that_are_made_meanwhile() {
    let keys = Arc::new(watched(1).build().unwrap());
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    call(&keys, next.fetch_add(1, SeqCst), Outcome::Success);
                }
            });
        }
        for most in 2..60 {
            keys.reconfigure_all(most).unwrap();
            let stale = settings(&keys).into_iter().filter(|(_, own)| *own > most);
            assert_eq!(stale.count(), 0);
        }
    });
    assert_eq!(keys.len(), 4_000);
    assert!(settings(&keys).iter().all(|(_, most)| *most == 59));
}

#[test]
fn a_listener_hears_of_settings_and_once_of_each_exhaustion() {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let ear = Arc::clone(&heard);
    let keys = watched(1).max_keys(1).on_event(move |event| {
        assert_eq!(event.policy, "watched");
        ear.lock().unwrap().push(match event.kind {
            EventKind::KeysExhausted { keys, .. } => format!("exhausted at {keys}"),
            EventKind::Reconfigured { .. } => "reconfigured".into(),
            ref other => panic!("{other:?}"),
        });
    });
    let keys = keys.build().unwrap();
    let also = Arc::new(AtomicU64::new(0));
    let other = Arc::clone(&also);
    let subscription = keys.subscribe(move |_| {
        other.fetch_add(1, SeqCst);
    });
    call(&keys, 1, Outcome::Failure);
    for key in 2..5 {
        call(&keys, key, Outcome::Success);
    }
    call(&keys, 1, Outcome::Success);
    call(&keys, 2, Outcome::Failure);
    call(&keys, 3, Outcome::Success);
    drop(subscription);
    keys.reconfigure(keys.config()).unwrap();
    keys.reconfigure_all(1).unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "exhausted at 1",
            "exhausted at 1",
            "reconfigured",
            "reconfigured"
        ],
    );
    assert_eq!(also.load(SeqCst), 2);
}

#[test]
fn what_the_keys_policies_tell_is_told_to_the_templates_listeners() {
    let heard = Arc::new(AtomicU64::new(0));
    let [ear, other] = [(); 2].map(|()| Arc::clone(&heard));
    let breaker = CircuitBreaker::builder()
        .name("hosts")
        .on_event(move |event| {
            assert_eq!(event.policy, "hosts");
            ear.fetch_add(1, SeqCst);
        });
    let breaker = breaker.build().unwrap();
    let _subscription = breaker.subscribe(move |_| {
        other.fetch_add(1, SeqCst);
    });
    let keys = breaker.per_key::<u64>().build().unwrap();
    keys.for_key(&1).try_acquire().unwrap().success();
    keys.with(&1, |breaker| {
        breaker.order(buttress::breaker::Order::ForceClosed)
    });
    assert_eq!(heard.load(SeqCst), 2);
}
