//! While a breaker lets in a growing share of the calls, a call that it let in may still be refused by
//! another policy of the same guard. Were each of them saved up, a herd would follow.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use buttress::{CircuitBreaker, guard::Guard};
use policies::{Log, Spy};
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn calls_that_another_policy_refused_do_not_add_up_to_a_herd() {
    let second = Duration::from_secs(1);
    let breaker = CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(second)
        .open_jitter(0.0)
        .probes(1)
        .ramp(second * 100)
        .build()
        .unwrap();
    breaker.try_acquire().unwrap().failure();
    advance(second).await;
    breaker.try_acquire().unwrap().success();
    assert!(breaker.snapshot().recovering);

    let guard = Guard::new((breaker, Spy::new("b", &Log::default())));
    let sullen = &guard.policy().1.sullen;
    sullen.store(true, SeqCst);
    for _ in 0..1000 {
        guard.try_acquire().unwrap_err();
    }
    sullen.store(false, SeqCst);
    let let_in = (0..20).filter(|_| guard.try_acquire().is_ok()).count();
    // A tenth, the first call at once, and the one that was let in and never started.
    assert!(let_in <= 4, "{let_in} of 20, where a tenth may pass");
}
