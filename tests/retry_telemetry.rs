//! What a retry and its budget tell: events in order, metrics under the documented names.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/ledger.rs"]
mod ledger;

use std::{
    collections::BTreeMap,
    future::{pending, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Budget, Error, Reason, Rejected, Retry,
    backoff::{Backoff, Jitter},
    retry::Builder,
    telemetry::{Event, EventKind},
};
use ledger::recorded;
use tokio_test::{assert_pending, task::spawn};

const PAUSE: Duration = Duration::from_millis(100);

fn exact() -> Builder {
    let backoff = Backoff::exponential(PAUSE).jitter(Jitter::None);
    Retry::builder().name("shop").backoff(backoff)
}

#[test]
fn attempts_are_counted_by_their_result_and_calls_by_why_they_stopped() {
    recorded(async |ledger| {
        let budget = Budget::builder()
            .name("purse")
            .ratio(0.0)
            .min_per_sec(0.0)
            .reserve(4);
        let budget = budget.build().unwrap();
        let retry = exact().budget(budget.clone()).build().unwrap();
        assert!(ledger.is_empty());
        // One answered, at once; one after two failed attempts; one never.
        for answered in [1, 3, 9] {
            let end = |n| if n < answered { Err("down") } else { Ok(()) };
            let _ = retry.call(|attempt| ready(end(attempt.number()))).await;
        }
        // One for want of budget; one refused further in; one abandoned.
        let _ = retry.call(|_| ready(Err::<(), _>("down"))).await;
        let no = Rejected::new("inner", Reason::Open);
        let refused = retry.call_flat(|_| ready(Err::<(), Error<()>>(no.clone().into())));
        refused.await.unwrap_err();
        let mut call = spawn(retry.call(|_| pending::<Result<(), ()>>()));
        assert_pending!(call.poll());
        drop(call);

        let mut expected = BTreeMap::new();
        for (result, count) in [
            ("answered", 2),
            ("failed", 6),
            ("refused", 1),
            ("abandoned", 1),
        ] {
            let key = format!("buttress_retry_attempts_total{{policy=shop,result={result}}}");
            expected.insert(key, f64::from(count));
        }
        for (reason, count) in [
            ("attempts", 1),
            ("budget", 1),
            ("deadline", 0),
            ("hint", 0),
            ("not_replayable", 0),
        ] {
            let key = format!("buttress_retry_stopped_total{{policy=shop,reason={reason}}}");
            expected.insert(key, f64::from(count));
        }
        expected.insert("buttress_retry_budget_balance{policy=purse}".into(), 0.0);
        assert_eq!(*ledger.all(), expected);
        assert!(ledger.units.values().all(|(_, described)| *described));
    });
}

#[test]
fn events_are_told_in_order_and_name_the_attempt_and_its_wait() {
    recorded(async |_| {
        let heard = Arc::<Mutex<Vec<Event>>>::default();
        let ear = Arc::clone(&heard);
        let retry = exact()
            .on_event(move |event| ear.lock().unwrap().push(event.clone()))
            .build()
            .unwrap();
        let begun = tokio::time::Instant::now();
        let _ = retry.call(|_| ready(Err::<(), _>("down"))).await;
        retry.reconfigure(retry.config()).unwrap();
        let told: Vec<_> = heard
            .lock()
            .unwrap()
            .iter()
            .map(|event| {
                assert_eq!((event.policy, event.generation), ("shop", 0));
                let what = match event.kind {
                    EventKind::Retried {
                        attempt,
                        delay,
                        hinted,
                        ..
                    } => format!("attempt {attempt} after {delay:?}, hinted {hinted}"),
                    EventKind::RetriesStopped {
                        attempts, reason, ..
                    } => format!("stopped after {attempts}: {}", reason.as_str()),
                    EventKind::Reconfigured { .. } => "reconfigured".into(),
                    ref other => panic!("{other:?}"),
                };
                (event.seq, (event.at - begun).as_millis(), what)
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, 100, "attempt 2 after 100ms, hinted false".into()),
                (2, 300, "attempt 3 after 200ms, hinted false".into()),
                (3, 300, "stopped after 3: attempts".into()),
                (4, 300, "reconfigured".into()),
            ]
        );
    });
}

#[test]
fn its_own_budget_is_named_like_it_and_heard_with_it() {
    recorded(async |ledger| {
        let heard = Arc::<Mutex<Vec<&'static str>>>::default();
        let ear = Arc::clone(&heard);
        let retry = exact()
            .backoff(Backoff::none())
            .on_event(move |event| {
                if event.kind == EventKind::BudgetExhausted {
                    ear.lock().unwrap().push(event.policy);
                }
            })
            .build()
            .unwrap();
        // Two extra attempts a call; 30 in reserve, and a fifth for each call.
        for _ in 0..18 {
            let _ = retry.call(|_| ready(Err::<(), _>("down"))).await;
        }
        let balance = ledger.value("buttress_retry_budget_balance", "policy=shop");
        assert!((0.0..1.0).contains(&balance), "{balance}");
        drop(retry);
        let balance = ledger.value("buttress_retry_budget_balance", "policy=shop");
        assert!(balance.abs() < 1e-6, "{balance}");
        // Dry at once when the reserve is gone, and then again each time after one was allowed.
        assert_eq!(*heard.lock().unwrap(), ["shop"; 1]);
    });
}
