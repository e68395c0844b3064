//! A call that has to wait leaves a clone of the service behind. When cloning panics, the call is over
//! before its future exists, and its turn must not stay in the queue for ever.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::{
    future::{Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use buttress::guard::Guard;
use policies::Queue;
use tower::{BoxError, Layer, Service};

/// Panics when it is cloned.
struct NoCopies;

impl Clone for NoCopies {
    fn clone(&self) -> Self {
        panic!("no copies");
    }
}

impl Service<()> for NoCopies {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_service_is_cloned_gives_the_turn_back() {
    let guard = Guard::new(Queue::new(1, 10));
    let mut service = guard.layer(NoCopies);
    let running = service.call(());
    assert!(catch_unwind(AssertUnwindSafe(|| service.call(()))).is_err());
    assert_eq!(guard.policy().free_and_waiting(), (0, 0), "nobody waits");
    drop(running);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}
