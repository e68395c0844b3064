//! Only a guard with a policy that asks how calls ended has to be able to judge.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use buttress::{Outcome, Rejected, guard::Guard};
use policies::{Log, Queue, Spy};
use tower::{Layer, ServiceExt, service_fn};

/// Holds a refusal and cannot show it.
#[derive(Debug)]
struct Opaque;

impl From<Rejected> for Opaque {
    fn from(_: Rejected) -> Self {
        Self
    }
}

async fn answer(n: u32) -> Result<u32, Opaque> {
    Ok(n)
}

#[tokio::test]
async fn nobody_judges_for_a_policy_that_does_not_ask() {
    let guard = Guard::new(Queue::new(1, 1));
    let service = guard.layer(service_fn(answer));
    assert_eq!(service.oneshot(7).await.unwrap(), 7);
    let flat = guard.call_flat(|| answer(8)).await;
    assert_eq!(flat.unwrap(), 8);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test]
async fn a_classifier_is_not_asked_where_nobody_wants_to_know() {
    let never = |_: Result<&u32, &Opaque>| -> Outcome { unreachable!("nobody asked") };
    let guard = Guard::judged(Queue::new(1, 1), never);
    let service = guard.layer(service_fn(answer));
    assert_eq!(service.oneshot(7).await.unwrap(), 7);
}

#[tokio::test]
async fn one_that_asks_is_enough() {
    let log = Log::default();
    let fails = |_: Result<&u32, &Opaque>| Outcome::Failure;
    let guard = Guard::judged((Queue::new(1, 1), Spy::new("b", &log)), fails);
    let service = guard.layer(service_fn(answer));
    assert_eq!(service.oneshot(7).await.unwrap(), 7);
    assert_eq!(log.take_effects(), ["b admit", "b failure"]);
}
