//! A disabled breaker counts the calls that ran only because it is disabled. In a pair it may be asked
//! more than once for one call, or for a call that another policy refuses.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::{convert::Infallible, sync::atomic::Ordering::SeqCst};

use buttress::{CircuitBreaker, guard::Guard};
use policies::{Log, Queue, Spy};

/// Disabled, and open beneath.
fn observing() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(10).min_calls(1);
    let breaker = builder.build().unwrap();
    breaker.disable();
    breaker.try_acquire().unwrap().failure();
    breaker
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_and_ran_is_counted_once() {
    let breaker = observing();
    let guard = Guard::new((breaker.clone(), Queue::new(1, 10)));
    let running = guard.call(|| async { Ok::<_, Infallible>(()) });
    let waiting = guard.call(|| async { Ok::<_, Infallible>(()) });
    running.await.unwrap();
    waiting.await.unwrap();
    assert_eq!(breaker.snapshot().would_have_rejected, 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_another_policy_refused_is_not_counted() {
    let breaker = observing();
    let guard = Guard::new((breaker.clone(), Spy::new("b", &Log::default())));
    guard.policy().1.sullen.store(true, SeqCst);
    guard.try_acquire().unwrap_err();
    assert_eq!(breaker.snapshot().would_have_rejected, 0);
}
