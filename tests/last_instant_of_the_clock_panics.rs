//! A deadline may be any instant, up to the last that the clock knows. A timer rounds up, and must not
//! go beyond.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::time::Duration;

use buttress::{
    Deadline, Retry, Timeout,
    backoff::{Backoff, Jitter},
    guard::Guard,
};
use policies::Queue;
use strict::{Ask, Strict, send};
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

/// The longest time from now, and what it leads to.
fn last() -> (Duration, Deadline) {
    let now = Instant::now();
    let (mut fits, mut too_long) = (Duration::ZERO, Duration::MAX);
    while too_long - fits > Duration::from_nanos(1) {
        let middle = fits + (too_long - fits) / 2;
        match now.checked_add(middle) {
            Some(_) => fits = middle,
            None => too_long = middle,
        }
    }
    (fits, Deadline::at(now + fits))
}

#[tokio::test(start_paused = true)]
async fn as_the_deadline_of_a_timeout() {
    let (_, end) = last();
    let timeout = Timeout::builder(Duration::MAX).deadline(move |_: &()| Some(end));
    let slow = service_fn(|()| async {
        sleep(Duration::from_millis(5)).await;
        Ok::<_, BoxError>(())
    });
    timeout.build().unwrap().layer(slow).call(()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_the_deadline_and_the_pause_of_a_retry() {
    let (longest, end) = last();
    for pause in [Duration::ZERO, longest] {
        let retry = Retry::builder()
            .backoff(Backoff::constant(pause).jitter(Jitter::None))
            .replay(|_: &Ask| Some(Ask::answer()))
            .deadline(move |_: &Ask| pause.is_zero().then_some(end));
        let (strict, watch) = Strict::<BoxError>::new();
        let mut service = retry.build().unwrap().layer(strict);
        let mut call = spawn(send(&mut service, Ask::fail()));
        watch.hold_back();
        assert_pending!(call.poll());
        watch.let_go();
        if pause.is_zero() {
            assert_ready_ok!(call.poll());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn as_the_deadline_of_a_wait() {
    let (_, end) = last();
    let guard = Guard::new(Queue::new(1, 10)).deadline(move |_: &()| Some(end));
    let call = || spawn(guard.call(|| async { Ok::<_, ()>(()) }));
    let (mut running, mut waiting) = (call(), call());
    assert_pending!(waiting.poll());
    assert_ready_ok!(running.poll());
    drop(running);
    assert_ready_ok!(waiting.poll());
}
