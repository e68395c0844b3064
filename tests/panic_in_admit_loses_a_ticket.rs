//! In a guard of several, a policy may look at the request by code of the user's, and that may panic.
//! What the policies before it granted must go back, or a place is gone for ever.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    CircuitBreaker, Outcome, Rejected,
    guard::{Admission, Admit, Guard, Never, No, Now, Policy},
};
use tokio::time::advance;

/// Panics when asked.
struct Clumsy;

impl Policy for Clumsy {
    type Ticket = ();
    type Wait = Never;
    type Queues = No;
    type Settles = No;
    type Judges = No;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }
    fn cancel(&self, (): ()) {}
    fn settle(&self, (): (), _: Outcome, _: &Now) {}
    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Clumsy {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        // Like any panic, but for the message.
        resume_unwind(Box::new("the key function"))
    }
    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        match *wait {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_second_policy_gives_the_first_ones_ticket_back() {
    let second = Duration::from_secs(1);
    let breaker = CircuitBreaker::builder()
        .count_window(10)
        .min_calls(1)
        .open_for(second)
        .open_jitter(0.0)
        .probes(1)
        .build()
        .unwrap();
    breaker.try_acquire().unwrap().failure();
    advance(second).await;

    let guard = Guard::new((breaker.clone(), Clumsy));
    assert!(catch_unwind(AssertUnwindSafe(|| guard.try_acquire())).is_err());
    let probe = breaker.try_acquire();
    probe.expect("the probe is free again").success();
}
