//! A hedge's own budget is told of to the hedge's listeners, like that of a retry.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{Hedge, Retry, backoff::Backoff, telemetry::EventKind};

type Told = Arc<Mutex<Vec<&'static str>>>;

fn ear(told: &Told) -> impl Fn(&buttress::telemetry::Event) + Send + Sync + 'static {
    let told = told.clone();
    move |event| {
        if event.kind == EventKind::BudgetExhausted {
            told.lock().unwrap().push(event.policy);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_listeners_hear_that_its_own_budget_ran_dry() {
    let told = Told::default();
    let retry = Retry::builder().backoff(Backoff::none()).name("a retry");
    let retry = retry.on_event(ear(&told)).build().unwrap();
    let hedge = Hedge::builder(Duration::from_millis(1)).name("a hedge");
    let hedge = hedge.on_event(ear(&told)).build().unwrap();
    for _ in 0..40 {
        let _ = retry.call(|_| async { Err::<(), _>("down") }).await;
    }
    assert_eq!(*told.lock().unwrap(), ["a retry"]);
    for (hedge, name) in [(hedge.fork("a fork"), "a fork"), (hedge, "a hedge")] {
        for _ in 0..40 {
            let call = hedge.call(|_| pending::<Result<(), ()>>());
            let _ = tokio::time::timeout(Duration::from_millis(10), call).await;
        }
        assert_eq!(told.lock().unwrap().last(), Some(&name));
    }
}
