//! What a hedge tells: events and metrics.
#![cfg(feature = "metrics")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/ledger.rs"]
mod ledger;

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Budget, Hedge,
    hedge::Config,
    telemetry::{Event, EventKind},
};
use ledger::{Ledger, recorded};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, task::spawn};

const DELAY: Duration = Duration::from_millis(10);
const WINNERS: [&str; 4] = ["primary", "hedge", "none", "abandoned"];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A call whose attempts take so many milliseconds and succeed, or fail.
async fn call(hedge: &Hedge, attempts: &[(u64, bool)]) {
    let call = hedge.call(|attempt| {
        let (after, succeeds) = attempts[attempt.number() as usize - 1];
        async move {
            sleep(ms(after)).await;
            if succeeds { Ok(()) } else { Err(()) }
        }
    });
    let _ = call.await;
}

fn winners(ledger: &mut Ledger<'_>, policy: &str) -> [f64; 4] {
    WINNERS.map(|winner| {
        let labels = format!("policy={policy},winner={winner}");
        ledger.value("buttress_hedge_total", &labels)
    })
}

#[test]
fn hedged_calls_are_counted_by_winner() {
    recorded(async |ledger| {
        let hedge = Hedge::builder(DELAY).name("h").build().unwrap();
        call(&hedge, &[(5, true)]).await;
        call(&hedge, &[(5, false)]).await;
        assert!(
            ledger.is_empty(),
            "calls that are not hedged are not counted"
        );
        call(&hedge, &[(15, true), (50, true)]).await;
        assert_eq!(winners(ledger, "h"), [1.0, 0.0, 0.0, 0.0]);
        for _ in 0..2 {
            call(&hedge, &[(500, true), (5, true)]).await;
        }
        assert_eq!(winners(ledger, "h"), [1.0, 2.0, 0.0, 0.0]);
        for _ in 0..3 {
            call(&hedge, &[(15, false), (20, false)]).await;
        }
        assert_eq!(winners(ledger, "h"), [1.0, 2.0, 3.0, 0.0]);
        for sent in [false, true] {
            let mut dropped = spawn(call(&hedge, &[(500, true), (500, true)]));
            assert_pending!(dropped.poll());
            if sent {
                advance(DELAY).await;
                assert_pending!(dropped.poll());
            }
            drop(dropped);
        }
        assert_eq!(winners(ledger, "h"), [1.0, 2.0, 3.0, 1.0]);
        let seen = hedge.snapshot();
        assert_eq!((seen.hedged, seen.won), (7, 2));
        assert!(ledger.units["buttress_hedge_total"].1);
    });
}

#[test]
fn withheld_hedges_are_counted_by_reason() {
    recorded(async |ledger| {
        let budget = Budget::builder().ratio(0.0).min_per_sec(0.0).reserve(1);
        let budget = budget.build().unwrap();
        let hedge = Hedge::builder(DELAY)
            .budget(budget.clone())
            .build()
            .unwrap();
        assert!(budget.withdraw());
        call(&hedge, &[(50, true)]).await;
        let withheld = ["budget", "deadline", "not_replayable"].map(|reason| {
            let labels = format!("policy=hedge,reason={reason}");
            ledger.value("buttress_hedge_withheld_total", &labels)
        });
        assert_eq!(withheld, [1.0, 0.0, 0.0]);
        assert_eq!(hedge.snapshot().withheld.budget, 1);
    });
}

/// The events but for their sequence and time.
#[derive(Debug, Clone, Default)]
struct Ear(Arc<Mutex<Vec<Event>>>);

impl Ear {
    fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let ear = self.clone();
        move |event| ear.0.lock().unwrap().push(event.clone())
    }

    fn heard(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn told(&self) -> Vec<(&'static str, u32, Duration)> {
        let told = self.heard().into_iter().map(|event| match event.kind {
            EventKind::Hedged { attempt, after, .. } => ("hedged", attempt, after),
            EventKind::HedgeWon { attempt, after, .. } => ("won", attempt, after),
            other => panic!("{other:?}"),
        });
        told.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn events_tell_which_attempt_and_how_long_after_the_first() {
    let ear = Ear::default();
    let builder = Hedge::builder(DELAY).name("h").max_hedges(2);
    let hedge = builder.on_event(ear.listener()).build().unwrap();
    call(&hedge, &[(5, true)]).await;
    assert_eq!(ear.told(), []);
    call(&hedge, &[(500, true), (500, true), (7, true)]).await;
    let (first, second) = (("hedged", 2, DELAY), ("hedged", 3, 2 * DELAY));
    assert_eq!(ear.told(), [first, second, ("won", 3, ms(27))]);
    call(&hedge, &[(15, true), (500, true)]).await;
    assert_eq!(ear.told(), [first]);
    call(&hedge, &[(15, false), (6, false)]).await;
    assert_eq!(ear.told(), [first]);

    hedge.reconfigure(Config::new(ms(3))).unwrap();
    let events = ear.heard();
    assert_eq!(events.len(), 1);
    let Event {
        policy,
        generation,
        seq,
        at,
        ..
    } = events[0];
    assert_eq!((policy, generation, seq), ("h", 0, 6));
    assert_eq!(at, Instant::now());

    // A fork tells those who were there from the start, under its own name.
    let fork = hedge.fork("f");
    call(&fork, &[(500, true), (1, true)]).await;
    assert!(ear.heard().iter().all(|event| event.policy == "f"));
}

#[tokio::test(start_paused = true)]
async fn its_own_budget_tells_the_same_listeners() {
    let ear = Ear::default();
    let builder = Hedge::builder(DELAY).name("h").max_hedges(10);
    let hedge = builder.on_event(ear.listener()).build().unwrap();
    let mut late: Vec<_> = (0..4)
        .map(|_| spawn(hedge.call(|_| pending::<Result<(), Infallible>>())))
        .collect();
    for _ in 0..9 {
        late.iter_mut()
            .for_each(|call| assert_pending!(call.poll()));
        advance(DELAY).await;
    }
    let dry = ear.heard();
    let dry = dry
        .iter()
        .find(|event| event.kind == EventKind::BudgetExhausted);
    assert_eq!(dry.expect("30 and no more").policy, "h");
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_call_back_and_sees_the_losers_gone() {
    let running = Arc::new(());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hedge = Hedge::builder(DELAY).build().unwrap();
    let _ear = hedge.subscribe({
        let (hedge, seen, running) = (hedge.clone(), Arc::clone(&seen), Arc::clone(&running));
        move |event| {
            let counts = hedge.snapshot();
            if let EventKind::HedgeWon { .. } = event.kind {
                let others = Arc::strong_count(&running);
                seen.lock()
                    .unwrap()
                    .push((counts.hedged, counts.won, others));
            }
        }
    });
    let before = Arc::strong_count(&running);
    let call = hedge.call(|attempt| {
        let held = Arc::clone(&running);
        async move {
            let _held = held;
            if attempt.is_first() {
                pending::<()>().await;
            }
            Ok::<_, Infallible>(())
        }
    });
    call.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 1, before)]);
}
