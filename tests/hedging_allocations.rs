//! Before its delay a hedged call allocates nothing.
//!
//! (Beyond what the replay's own clone takes; and the first call may register metrics.)
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    convert::Infallible,
    future::{poll_fn, ready},
    task::Poll,
    time::Duration,
};

use allocator::{assert_none, count, now_or_never};
use buttress::{
    Deadline, Error, Hedge,
    hedge::{Builder, Percentile},
};
use support::paused;
use tokio::time::sleep;
use tower::{Layer, Service, service_fn};

type Flat = Error<()>;

fn builders() -> [Builder; 2] {
    const SECOND: Duration = Duration::from_secs(1);
    [
        Hedge::builder(SECOND),
        // So short a window that the percentile is taken, and slots are emptied, all the time.
        Hedge::builder(Percentile::new(0.9, SECOND).window(SECOND / 10)),
    ]
}

#[test]
fn an_attempt_that_answers_at_once() {
    for builder in builders() {
        let hedge = builder.build().unwrap();
        let answer = |ok: bool| ready(if ok { Ok(1) } else { Err(Flat::Inner(())) });
        let mut service = hedge.layer(service_fn(answer));
        assert_none(|| assert!(now_or_never(service.call(true)).is_ok()));
        assert_none(|| assert!(now_or_never(service.call(false)).is_err()));
        assert_none(|| assert!(now_or_never(hedge.call(|_| ready(Ok::<_, ()>(())))).is_ok()));
        let flat = || hedge.call_flat(|_| ready(Ok::<_, Flat>(())));
        assert_none(|| assert!(now_or_never(flat()).is_ok()));
        assert_none(|| drop(service.call(true)));
    }
}

#[test]
fn one_with_a_deadline() {
    for builder in builders() {
        let until = |after: &Duration| Some(Deadline::after(*after));
        let hedge = builder.deadline(until).build().unwrap();
        let mut service = hedge.layer(service_fn(|_| ready(Ok::<_, Flat>(()))));
        assert_none(|| assert!(now_or_never(service.call(Duration::MAX)).is_ok()));
        assert_none(|| assert!(now_or_never(service.call(Duration::ZERO)).is_err()));
    }
}

#[test]
fn an_attempt_that_answers_before_the_delay() {
    paused(async {
        for builder in builders() {
            let hedge = builder.build().unwrap();
            // What the attempt's own sleep takes is none, either.
            let call = async || {
                let attempt = |_| async {
                    sleep(Duration::from_millis(1)).await;
                    Ok::<_, Infallible>(())
                };
                hedge.call(attempt).await.unwrap();
            };
            call().await;
            let before = count();
            for _ in 0..100 {
                call().await;
            }
            assert_eq!(count() - before, 0);
        }
    });
}

#[test]
fn the_counter_counts_a_hedge() {
    paused(async {
        let hedge = Hedge::builder(Duration::from_millis(1)).build().unwrap();
        let call = async || {
            let attempt = |attempt: buttress::replay::Attempt| {
                poll_fn(move |_| match attempt.is_first() {
                    true => Poll::Pending,
                    false => Poll::Ready(Ok::<_, Infallible>(())),
                })
            };
            hedge.call(attempt).await.unwrap();
        };
        call().await;
        let before = count();
        call().await;
        // A list of hedges, and the hedge.
        assert_eq!(count() - before, 2);
    });
}
