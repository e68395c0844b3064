//! The last attempt takes the kept request along. When more attempts are allowed while it runs, the
//! call is still out of attempts; its request could well be replayed.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::sync::{Arc, Mutex};

use buttress::{
    Retry,
    backoff::Backoff,
    telemetry::{EventKind, Stopped},
};

#[tokio::test(start_paused = true)]
async fn a_call_whose_last_attempt_was_sent_is_out_of_attempts() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    let retry = Retry::builder()
        .max_attempts(2)
        .backoff(Backoff::none())
        .on_event(move |event| ear.lock().unwrap().push(event.kind.clone()))
        .build()
        .unwrap();
    let answer = retry.call(|attempt| {
        let retry = retry.clone();
        async move {
            if attempt.number() == 2 {
                let mut config = retry.config();
                config.max_attempts = 5;
                retry.reconfigure(config).unwrap();
            }
            Err::<(), _>("down")
        }
    });
    answer.await.unwrap_err();
    let told = told.lock().unwrap();
    let stopped: Vec<_> = told
        .iter()
        .filter_map(|kind| match kind {
            EventKind::RetriesStopped {
                attempts, reason, ..
            } => Some((*attempts, *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(stopped, [(2, Stopped::Attempts)]);
    let seen = retry.snapshot();
    assert_eq!((seen.out_of_attempts, seen.not_replayable), (1, 0));
}
