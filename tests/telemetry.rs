//! The metrics: their names, labels and units, when they appear, and what they say. Events stand in
//! `events.rs`, log lines in `logs.rs`.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/ledger.rs"]
mod ledger;

use std::{collections::BTreeMap, time::Duration};

use buttress::{
    CircuitBreaker, Fallback, Outcome,
    breaker::{Builder, State},
};
use ledger::{CALLS, REJECTED, STATE, STATES, TRANSITIONS, recorded};
use metrics::Unit;
use tokio::time::advance;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Opens at the first failure, for a second; one probe.
fn touchy(name: &str) -> Builder {
    CircuitBreaker::builder()
        .name(name)
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND)
        .open_jitter(0.0)
        .probes(1)
}

fn succeed(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().success();
}

fn fail(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
}

/// One in that state, none in any other.
fn one_hot(hot: State) -> [f64; 6] {
    STATES.map(|state| f64::from(u8::from(state == hot)))
}

#[test]
fn the_first_call_registers_all_but_the_transitions_under_the_documented_names() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        assert!(ledger.is_empty());
        let permit = breaker.try_acquire().unwrap();
        permit.success();
        let mut expected = BTreeMap::new();
        for outcome in ["success", "failure", "ignored", "abandoned"] {
            let value = f64::from(u8::from(outcome == "success"));
            expected.insert(format!("{CALLS}{{outcome={outcome},policy=shop}}"), value);
        }
        for reason in ["open", "half_open", "forced_open", "recovering"] {
            expected.insert(format!("{REJECTED}{{policy=shop,reason={reason}}}"), 0.0);
        }
        for state in STATES {
            let value = f64::from(u8::from(state == State::Closed));
            expected.insert(format!("{STATE}{{policy=shop,state={state}}}"), value);
        }
        assert_eq!(*ledger.all(), expected);

        fail(&breaker);
        let opened = format!("{TRANSITIONS}{{from=closed,policy=shop,to=open}}");
        assert_eq!(ledger.all().get(&opened), Some(&1.0));
        assert_eq!(ledger.all().len(), expected.len() + 1);
        let counted = (Some(Unit::Count), true);
        let names = [CALLS, REJECTED, STATE, TRANSITIONS];
        let documented = names.map(|name| (name.to_string(), counted));
        assert_eq!(ledger.units, documented.into());
        let table = include_str!("../src/telemetry/telemetry.md");
        assert!(names.iter().all(|name| table.contains(name)));
    });
}

#[test]
fn outcomes_are_counted_one_each() {
    recorded(async |ledger| {
        let breaker = touchy("shop").min_calls(10).build().unwrap();
        let outcomes = [
            Outcome::Success,
            Outcome::Failure,
            Outcome::Ignored,
            Outcome::Abandoned,
        ];
        for (n, outcome) in outcomes.into_iter().enumerate() {
            for _ in 0..=n {
                breaker.try_acquire().unwrap().settle(outcome);
            }
        }
        drop(breaker.try_acquire().unwrap());
        assert_eq!(
            outcomes.map(|outcome| ledger.calls("shop", outcome)),
            [1.0, 2.0, 3.0, 5.0]
        );
    });
}

#[test]
fn refusals_are_counted_by_their_reason() {
    recorded(async |ledger| {
        let breaker = touchy("shop").ramp(SECOND * 100).build().unwrap();
        let refused = |times| {
            for _ in 0..times {
                breaker.try_acquire().unwrap_err();
            }
        };
        fail(&breaker);
        refused(1);
        advance(SECOND).await;
        let probe = breaker.try_acquire().unwrap();
        refused(2);
        probe.success();
        // The first call of the ramp passes; of the next ten the tenth, at the earliest.
        succeed(&breaker);
        refused(3);
        breaker.force_open();
        refused(4);
        let reasons = ["open", "half_open", "recovering", "forced_open"];
        let counts =
            reasons.map(|reason| ledger.value(REJECTED, &format!("policy=shop,reason={reason}")));
        assert_eq!(counts, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(breaker.snapshot().rejected, 10);
    });
}

#[test]
fn the_gauge_is_one_hot_through_every_transition() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        succeed(&breaker);
        assert_eq!(ledger.states("shop"), one_hot(State::Closed));
        let mut expected = BTreeMap::<_, f64>::new();
        let mut last = State::Closed;
        let mut now = |state: State| {
            assert_eq!(breaker.snapshot().state, state);
            assert_eq!(ledger.states("shop"), one_hot(state));
            if state != last {
                let labels = format!("from={last},policy=shop,to={state}");
                *expected.entry(labels.clone()).or_default() += 1.0;
                assert_eq!(ledger.value(TRANSITIONS, &labels), expected[&labels]);
            }
            last = state;
        };
        fail(&breaker);
        now(State::Open);
        for reopens in [true, false] {
            advance(SECOND).await;
            let probe = breaker.try_acquire().unwrap();
            now(State::HalfOpen);
            if reopens {
                probe.failure();
                now(State::Open);
            } else {
                probe.success();
                now(State::Closed);
            }
        }
        // From each of the states by each of the orders.
        type Order = (fn(&CircuitBreaker), State);
        let orders: [Order; 5] = [
            (CircuitBreaker::force_open, State::ForcedOpen),
            (CircuitBreaker::force_closed, State::ForcedClosed),
            (CircuitBreaker::disable, State::Disabled),
            (|breaker| breaker.force_open_for(SECOND), State::Open),
            (CircuitBreaker::reset, State::Closed),
        ];
        for (first, between) in orders {
            for (then, after) in orders {
                first(&breaker);
                now(between);
                then(&breaker);
                now(after);
            }
        }
        // Beneath an order the machine moves and the metrics do not.
        breaker.disable();
        now(State::Disabled);
        fail(&breaker);
        now(State::Disabled);
        let (all, total) = (ledger.all().clone(), expected.values().sum::<f64>());
        let counted = all.iter().filter(|(key, _)| key.starts_with(TRANSITIONS));
        assert_eq!(counted.map(|(_, value)| value).sum::<f64>(), total);
    });
}

#[test]
fn hung_probes_are_noticed_and_counted_by_whoever_looks() {
    recorded(async |ledger| {
        let breaker = touchy("shop").probe_timeout(SECOND).build().unwrap();
        fail(&breaker);
        advance(SECOND).await;
        let hung = breaker.try_acquire().unwrap();
        advance(SECOND).await;
        assert_eq!(breaker.snapshot().state, State::Open);
        assert_eq!(ledger.states("shop"), one_hot(State::Open));
        drop(hung);
        assert_eq!(ledger.calls("shop", Outcome::Abandoned), 1.0);
    });
}

#[test]
fn breakers_of_one_name_are_counted_and_one_that_is_gone_leaves() {
    recorded(async |ledger| {
        let mut breakers: Vec<_> = (0..4).map(|_| touchy("shop").build().unwrap()).collect();
        breakers.push(touchy("other").build().unwrap().fork("shop"));
        breakers.iter().for_each(succeed);
        assert_eq!(ledger.states("shop"), [5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(ledger.calls("shop", Outcome::Success), 5.0);
        fail(&breakers[0]);
        breakers[1].force_open();
        breakers[2].disable();
        assert_eq!(ledger.states("shop"), [2.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        // A clone is no other breaker, and a call in flight keeps its breaker.
        drop(breakers[0].clone());
        let running = breakers[3].try_acquire().unwrap();
        drop(breakers);
        assert_eq!(ledger.states("shop"), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        drop(running);
        assert_eq!(ledger.states("shop"), [0.0; 6]);
        assert!(ledger.all().keys().all(|key| !key.contains("other")));
    });
}

#[test]
fn handles_are_asked_for_once() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        breaker.force_closed();
        succeed(&breaker);
        let registered = ledger.clerk.registrations.get();
        assert_eq!(registered, 4 + 4 + 6);
        assert_eq!(ledger.clerk.descriptions.get(), 4, "each of them described");
        for _ in 0..100 {
            succeed(&breaker);
            fail(&breaker);
            drop(breaker.try_acquire());
        }
        breaker.force_open();
        for _ in 0..100 {
            breaker.try_acquire().unwrap_err();
        }
        // The one transition is as rare as can be and is looked up.
        assert_eq!(ledger.clerk.registrations.get(), registered + 1);
        assert_eq!(ledger.clerk.descriptions.get(), 4);
    });
}

#[test]
fn a_fallback_counts_what_became_of_each_failure_and_nothing_else() {
    recorded(async |ledger| {
        let fallback = Fallback::function_of(
            |request: &u32| *request,
            |kept, failed: Result<u32, BoxError>| if kept == 0 { Ok(7) } else { failed },
        )
        .name("spare")
        .build()
        .unwrap();
        let service = fallback.layer(service_fn(|up: u32| async move {
            (up > 1).then_some(up).ok_or_else(|| BoxError::from("down"))
        }));
        service.clone().oneshot(2).await.unwrap();
        assert!(ledger.is_empty(), "a success registers nothing");
        for (request, times) in [(0, 2), (1, 3)] {
            for _ in 0..times {
                let _ = service.clone().oneshot(request).await;
            }
        }
        let results = [
            ("answered", 2.0),
            ("failed", 3.0),
            ("full", 0.0),
            ("declined", 0.0),
            ("abandoned", 0.0),
        ];
        let name = "buttress_fallback_total";
        let expected = results.map(|(result, count)| {
            let labels = format!("{name}{{policy=spare,result={result}}}");
            (labels, count)
        });
        assert_eq!(*ledger.all(), BTreeMap::from(expected));
        let units = BTreeMap::from([(name.to_string(), (Some(Unit::Count), true))]);
        assert_eq!(ledger.units, units);
    });
}

#[test]
fn orders_and_looks_before_the_first_call_register_nothing() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        breaker.force_open();
        breaker.reset();
        breaker.reconfigure(breaker.config()).unwrap();
        breaker.disable();
        breaker.force_closed();
        let _ = (breaker.snapshot(), breaker.clone());
        assert!(ledger.is_empty());
        succeed(&breaker);
        assert_eq!(ledger.states("shop"), one_hot(State::ForcedClosed));
        drop(touchy("shop").build().unwrap());
        assert_eq!(ledger.states("shop"), one_hot(State::ForcedClosed));
    });
}

#[test]
fn a_first_call_that_is_refused_registers_too() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        breaker.force_open();
        breaker.try_acquire().unwrap_err();
        assert_eq!(ledger.states("shop"), one_hot(State::ForcedOpen));
        assert_eq!(
            ledger.value(REJECTED, "policy=shop,reason=forced_open"),
            1.0
        );
    });
}

#[test]
fn a_first_call_that_opens_the_breaker_is_a_transition() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        fail(&breaker);
        assert_eq!(ledger.states("shop"), one_hot(State::Open));
        let labels = "from=closed,policy=shop,to=open";
        assert_eq!(ledger.value(TRANSITIONS, labels), 1.0);
    });
}

#[test]
fn a_first_call_that_half_opens_the_breaker_leaves_the_gauge_right() {
    recorded(async |ledger| {
        let breaker = touchy("shop").build().unwrap();
        breaker.force_open_for(SECOND);
        advance(SECOND).await;
        let probe = breaker.try_acquire().unwrap();
        breaker.try_acquire().unwrap_err();
        assert_eq!(ledger.states("shop"), one_hot(State::HalfOpen));
        probe.success();
        assert_eq!(ledger.states("shop"), one_hot(State::Closed));
    });
}

#[test]
fn handles_taken_without_a_recorder_stay_silent() {
    let breaker = touchy("shop").build().unwrap();
    succeed(&breaker);
    recorded(async |ledger| {
        fail(&breaker);
        breaker.try_acquire().unwrap_err();
        assert!(ledger.all().keys().all(|key| key.starts_with(TRANSITIONS)));
    });
}
