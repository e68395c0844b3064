//! Settings that were overtaken by others, before anybody had come to them, were dropped while the lock was
//! held that puts changes in a row. They may own functions of the user's, whose drop may do anything.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use buttress::{Resilience, backoff::Backoff, pipeline::Config, retry};

/// Changes the pipeline when it goes.
struct Last(Resilience);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.reconfigure(with_budget(4)).unwrap();
    }
}

fn with_budget(reserve: u32) -> Config {
    let mut config = Config::default();
    config.budget.reserve = reserve;
    config
}

#[test]
fn settings_that_nobody_had_come_to_are_dropped_outside_the_lock() {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let pipeline = Resilience::builder()
            .config(with_budget(1))
            .build()
            .unwrap();
        let inner = pipeline.clone();
        let told = Arc::new(AtomicU32::new(0));
        let _subscription = pipeline.subscribe(move |_| {
            if told.fetch_add(1, SeqCst) > 0 {
                return;
            }
            // Whoever told us is at it: both have to wait, and the second overtakes the first.
            let last = Last(inner.clone());
            let mut overtaken = with_budget(3);
            let mut retry = retry::Config::default();
            retry.backoff = Backoff::custom(move |_| {
                let _ = &last;
                Duration::ZERO
            });
            overtaken.retry = Some(retry);
            inner.reconfigure(overtaken).unwrap();
            inner.reconfigure(with_budget(5)).unwrap();
        });
        pipeline.reconfigure(with_budget(2)).unwrap();
        done.send(pipeline.config()).unwrap();
    });
    let last = is_done.recv_timeout(Duration::from_secs(10));
    assert_eq!(last.expect("it hangs"), with_budget(4));
}
