//! The running percentile: what counts, for how long, and when it is taken.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/mod.rs"]
mod support;

use std::{convert::Infallible, time::Duration};

use buttress::{
    Error, Hedge, Reason, Rejected,
    hedge::{Config, Delay, Percentile},
    telemetry::EventKind,
};
use support::{Dice, paused};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

const UNTIL: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_secs(40);
const SLOT: Duration = Duration::from_secs(10);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn median(min_samples: u32) -> Percentile {
    Percentile::new(0.5, UNTIL)
        .min_samples(min_samples)
        .window(WINDOW)
}

fn built(percentile: Percentile) -> Hedge {
    Hedge::builder(percentile).build().unwrap()
}

async fn takes(hedge: &Hedge, latency: Duration) {
    let call = hedge.call(|_| async move {
        sleep(latency).await;
        Ok::<_, Infallible>(())
    });
    call.await.unwrap();
}

/// Within the width of a bucket.
fn near(delay: Duration, expected: Duration) -> bool {
    let (delay, expected) = (delay.as_secs_f64(), expected.as_secs_f64());
    (delay / expected - 1.0).abs() <= 1.0 / 32.0
}

fn samples(hedge: &Hedge) -> (u64, u64) {
    let seen = hedge.snapshot();
    (seen.samples, seen.cut_short)
}

#[tokio::test(start_paused = true)]
async fn the_fixed_delay_is_used_until_there_are_samples_enough() {
    let hedge = built(median(10));
    for n in 0..10 {
        assert_eq!((hedge.snapshot().delay, samples(&hedge)), (UNTIL, (n, 0)));
        takes(&hedge, ms(20)).await;
    }
    let seen = hedge.snapshot();
    assert!(near(seen.delay, ms(20)), "{:?}", seen.delay);
}

#[tokio::test(start_paused = true)]
async fn failures_and_refusals_are_no_samples() {
    let hedge = built(median(1));
    for _ in 0..3 {
        let _ = hedge.call(|_| async { Err::<(), _>("down") }).await;
        let refused = || Rejected::new("inner", Reason::Full).into();
        let call = hedge.call_flat(|_| async move { Err::<(), Error<()>>(refused()) });
        call.await.unwrap_err();
    }
    assert_eq!(samples(&hedge), (0, 6));
    assert_eq!(hedge.snapshot().delay, UNTIL);
    // Cut short at once, they say nothing of those that take longer.
    takes(&hedge, ms(20)).await;
    assert_eq!(samples(&hedge), (1, 6));
    assert!(near(hedge.snapshot().delay, ms(20)));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_call_counts_as_one_that_takes_longer() {
    let hedge = built(median(1));
    for _ in 0..4 {
        takes(&hedge, ms(20)).await;
    }
    assert!(near(hedge.snapshot().delay, ms(20)));
    for (n, age) in [10, 30, 100, 100, 100].into_iter().enumerate() {
        let mut call = spawn(hedge.call(|_| std::future::pending::<Result<(), ()>>()));
        if n % 2 == 0 {
            assert_pending!(call.poll());
        }
        advance(ms(age)).await;
        drop(call);
        assert_eq!(samples(&hedge), (4, n as u64 + 1));
    }
    // One was too short to tell; of the eight others four took longer.
    assert!(near(hedge.snapshot().delay, ms(20)));
    let mut call = spawn(hedge.call(|_| std::future::pending::<Result<(), ()>>()));
    assert_pending!(call.poll());
    advance(ms(400)).await;
    drop(call);
    // Now it is five of nine: the median is at least as long as the longest was seen.
    let delay = hedge.snapshot().delay;
    assert!(near(delay, ms(400)), "{delay:?}");
}

/// Hedged at its own percentile it stays where it belongs, and does not eat its way down.
#[test]
fn what_hedges_cut_short_does_not_bias_it() {
    paused(async {
        let p90 = Percentile::new(0.9, ms(2)).window(Duration::from_secs(86_400));
        let hedge = Hedge::builder(p90).unbudgeted().build().unwrap();
        let mut dice = Dice(1);
        for _ in 0..20_000 {
            // Evenly from 1 to 100 ms.
            let mut draw = || dice.between(1, 100);
            let call = hedge.call(|_| {
                let latency = ms(draw());
                async move {
                    sleep(latency).await;
                    Ok::<_, Infallible>(())
                }
            });
            call.await.unwrap();
        }
        let seen = hedge.snapshot();
        assert!(seen.cut_short > 1_500, "{seen:?}");
        let delay = seen.delay.as_secs_f64() * 1e3;
        assert!((88.0..94.0).contains(&delay), "{delay}");
    });
}

#[tokio::test(start_paused = true)]
async fn it_forgets_after_a_window() {
    let hedge = built(median(1));
    // At the end of the first slot: it counts for three quarters of a window, and a bit.
    advance(SLOT - ms(25)).await;
    takes(&hedge, ms(20)).await;
    advance(3 * SLOT + ms(4)).await;
    assert_eq!(samples(&hedge), (1, 0));
    advance(ms(1)).await;
    assert_eq!(samples(&hedge), (0, 0));
    assert_eq!(hedge.snapshot().delay, UNTIL);
    // At the start of one, for all of it, and no longer.
    takes(&hedge, ms(0)).await;
    advance(4 * SLOT - ms(2)).await;
    assert_eq!(samples(&hedge), (1, 0));
    advance(ms(2)).await;
    assert_eq!(samples(&hedge), (0, 0));
    // Slot by slot.
    for n in 1..=8 {
        takes(&hedge, ms(1)).await;
        assert_eq!(samples(&hedge), (n.min(4), 0));
        advance(SLOT).await;
    }
    // After a long silence everything is gone.
    takes(&hedge, ms(1)).await;
    advance(100 * WINDOW).await;
    assert_eq!(samples(&hedge), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_anew_by_the_first_call_after_a_64th_of_the_window() {
    let hedge = built(median(1).min_samples(2));
    // When the second attempt of a call that hangs would be sent.
    let hedged_after = async |hedge: &Hedge| {
        let begun = tokio::time::Instant::now();
        let call = hedge.call(|attempt| async move {
            if attempt.is_first() {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(())
        });
        call.await.unwrap();
        begun.elapsed()
    };
    for _ in 0..20 {
        takes(&hedge, ms(20)).await;
    }
    // Nobody has looked: it is 400 ms old of 625.
    assert_eq!(hedged_after(&hedge).await, UNTIL);
    let delay = hedged_after(&hedge).await;
    assert!(delay >= ms(19) && delay <= ms(22), "{delay:?}");
    // After a silence the next call finds that nothing is known any more.
    advance(2 * WINDOW).await;
    assert_eq!(hedged_after(&hedge).await, UNTIL);
}

#[tokio::test(start_paused = true)]
async fn other_settings_keep_what_was_measured_unless_the_window_is_another() {
    let hedge = built(median(1));
    let (told, hears) = std::sync::mpsc::channel();
    let _ear = hedge.subscribe(move |event| {
        let EventKind::Reconfigured { window_cleared, .. } = event.kind else {
            return;
        };
        told.send(window_cleared).unwrap();
    });
    let cleared = || hears.try_recv().unwrap();
    let change = |delay: Delay| hedge.reconfigure(Config::new(delay)).unwrap();
    for _ in 0..10 {
        takes(&hedge, ms(20)).await;
        takes(&hedge, ms(80)).await;
    }
    // In force at once.
    let p90 = Percentile::new(0.9, UNTIL).window(WINDOW).min_samples(1);
    change(p90.into());
    assert!(!cleared());
    assert_eq!(samples(&hedge).0, 20);
    assert!(near(hedge.snapshot().delay, ms(80)));
    change(p90.min_samples(21).into());
    assert!(!cleared());
    assert_eq!(hedge.snapshot().delay, UNTIL);
    // A fixed delay measures nothing, and forgets nothing either.
    change(ms(7).into());
    assert!(!cleared());
    assert_eq!((hedge.snapshot().delay, samples(&hedge)), (ms(7), (0, 0)));
    takes(&hedge, ms(1)).await;
    change(p90.into());
    assert!(!cleared());
    assert_eq!(samples(&hedge).0, 20);
    change(p90.window(2 * WINDOW).into());
    assert!(cleared());
    assert_eq!(samples(&hedge), (0, 0));
    // And it works.
    takes(&hedge, ms(20)).await;
    assert_eq!(samples(&hedge), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_measured_nothing() {
    let hedge = built(median(1));
    takes(&hedge, ms(20)).await;
    let fork = hedge.fork("other");
    assert_eq!((samples(&hedge), samples(&fork)), ((1, 0), (0, 0)));
    assert_eq!(fork.config(), hedge.config());
}

#[tokio::test(start_paused = true)]
async fn attempts_through_tower_are_measured_alike() {
    let hedge = built(median(1));
    let mut service = hedge.layer(service_fn(|latency: u64| async move {
        sleep(ms(latency)).await;
        Ok::<_, BoxError>(())
    }));
    for _ in 0..3 {
        service.call(40).await.unwrap();
    }
    assert_eq!(samples(&hedge), (3, 0));
    assert!(near(hedge.snapshot().delay, ms(40)));
}
