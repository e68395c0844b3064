//! A short overload, and what is left of it when it is over.
//!
//! A server bears a thousand requests a second and gets 800. For ten seconds it gets 2,000: its queue
//! is full then, so long that all who wait in it give up and try again. With naive retries that is
//! how it stays, though the load is back to 800 calls a second.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

#[path = "support/naive.rs"]
mod naive;
#[path = "support/storm.rs"]
mod storm;

use std::time::Duration;

use buttress::{Retry, Timeout};
use naive::Naive;
use storm::{Phase, Report, Server, drive};
use support::paused;
use tower::{BoxError, Layer, Service};

const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);
/// The capacity.
const C: f64 = 1_000.0;
/// The seconds before the overload, and of it.
const BEFORE: u64 = 5;
const TRIGGER: u64 = 10;
/// Storms for each client that is to survive them: how long it takes is partly chance.
const SEEDS: u64 = 8;
/// When it is over.
const OVER: u64 = BEFORE + TRIGGER;

/// What becomes of the calls of clients with such a layer, up to so many seconds after the overload;
/// and how many attempts they made.
fn storm<L>(client: &L, after: u64, seed: u64) -> (Report, u64)
where
    L: Layer<Server>,
    L::Service: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
    <L::Service as Service<()>>::Future: Send,
{
    paused(async {
        let server = Server::idle();
        let phases = [
            Phase(0.8 * C, BEFORE),
            Phase(2.0 * C, TRIGGER),
            Phase(0.8 * C, after),
        ];
        let report = drive(&client.layer(server.clone()), &phases, seed, || ()).await;
        (report, server.arrivals())
    })
}

/// All is well before the overload, and is again from the fifth second after it on, to the end.
/// Clients are made anew for each of several storms.
fn assert_recovers<L>(client: impl Fn() -> L)
where
    L: Layer<Server>,
    L::Service: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
    <L::Service as Service<()>>::Future: Send,
{
    for seed in 0..SEEDS {
        let (report, attempts) = storm(&client(), 20, seed);
        let calls = report.calls.len();
        let after = report.goodputs(OVER..OVER + 20);
        let bad = after.iter().rposition(|goodput| *goodput < 0.99);
        println!("seed {seed}: {attempts} attempts for {calls} calls; goodput after: {after:.2?}");
        assert!(
            report
                .goodputs(0..BEFORE)
                .iter()
                .all(|goodput| *goodput >= 0.99)
        );
        assert!(bad < Some(4), "still ill: {after:.3?}");
        assert!(
            attempts as f64 <= 1.21 * calls as f64,
            "{attempts} for {calls}"
        );
    }
}

/// All is well before the overload, and nothing is for more than a minute after it.
fn assert_stays_down(client: &Naive) {
    let (report, attempts) = storm(client, 66, 0);
    assert!(
        report
            .goodputs(0..BEFORE)
            .iter()
            .all(|goodput| *goodput >= 0.99)
    );
    // The last calls retry when there is no load any more.
    let after = report.goodputs(OVER..OVER + 64);
    assert!(after.iter().all(|goodput| *goodput < 0.05), "{after:.3?}");
    // Nearly all calls make all their attempts.
    let calls = report.calls.len();
    assert!(
        attempts as f64 > 2.8 * calls as f64,
        "{attempts} for {calls}"
    );
    println!(
        "{attempts} attempts for {calls} calls; goodput after: {:.3?}",
        &after[..5]
    );
}

/// A retry with its defaults, and a timeout for each attempt.
fn ours() -> (Retry, Timeout) {
    let retry = Retry::builder().seed(1).build().unwrap();
    (retry, Timeout::builder(ATTEMPT_TIMEOUT).build().unwrap())
}

#[test]
fn naive_retries_keep_a_server_down_that_could_bear_the_load_and_ours_do_not() {
    assert_stays_down(&Naive::new().attempt_timeout(ATTEMPT_TIMEOUT));
    assert_recovers(ours);
}
