//! A budget that has run dry is told of once, until another attempt is granted. Those that were granted
//! before, and are sent while it is dry, are no other.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use buttress::{
    Budget, Retry,
    backoff::{Backoff, Jitter},
    telemetry::EventKind,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, task::spawn};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn sending_what_was_set_aside_does_not_end_the_dryness() {
    let told = Arc::new(AtomicU32::new(0));
    let ear = told.clone();
    let budget = Budget::builder().ratio(0.0).min_per_sec(0.0).reserve(2);
    let budget = budget.on_event(move |event| {
        let dry = event.kind == EventKind::BudgetExhausted;
        ear.fetch_add(u32::from(dry), Ordering::Relaxed);
    });
    let budget = budget.build().unwrap();
    let retry = Retry::builder()
        .max_attempts(2)
        .backoff(Backoff::constant(SECOND).jitter(Jitter::None))
        .budget(budget.clone())
        .build()
        .unwrap();
    let call = || spawn(retry.call(|_| async { Err::<(), _>("down") }));
    let mut waiting = [call(), call()];
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    assert_ready_err!(call().poll());
    assert_eq!(told.load(Ordering::Relaxed), 1);
    advance(SECOND + Duration::from_millis(1)).await;
    for waiting in &mut waiting {
        assert_ready_err!(waiting.poll());
        assert_ready_err!(call().poll());
    }
    assert_eq!(budget.snapshot().drawn, 2);
    assert_eq!(told.load(Ordering::Relaxed), 1, "nothing was granted since");
}
