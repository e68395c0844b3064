//! While the second policy of a pair makes a call wait, the pair keeps what the first one granted. When
//! the second panics while it gives up the turn, the first gets its own back all the same.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    Deadline, Outcome, Rejected,
    guard::{Admission, Admit, Guard, Now, Policy, Yes},
};
use policies::Queue;
use tokio::time::advance;
use tokio_test::{assert_pending, task::spawn};

const SECOND: Duration = Duration::from_secs(1);

/// Makes every call wait, and panics when one gives up.
struct Shop;

impl Policy for Shop {
    type Ticket = ();
    type Wait = ();
    type Queues = Yes;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }
    fn leave(&self, _: Pin<&mut ()>) {
        panic!("nobody leaves the shop");
    }
    fn cancel(&self, (): ()) {}
    fn settle(&self, (): (), _: Outcome, _: &Now) {}
    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Shop {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        Admission::Wait(())
    }
    fn poll_wait(
        &self,
        _: Pin<&mut ()>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_deadline_ends_the_wait() {
    let by = |_: &()| Some(Deadline::after(SECOND));
    let guard = Guard::new((Queue::new(1, 10), Shop)).deadline(by);
    let mut call = spawn(guard.call(|| async { Ok::<_, ()>(()) }));
    assert_pending!(call.poll());
    assert_eq!(guard.policy().0.free_and_waiting(), (0, 0));
    advance(SECOND).await;
    assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
    drop(call);
    assert_eq!(guard.policy().0.free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn when_the_caller_goes_away() {
    let guard = Guard::new((Queue::new(1, 10), Shop));
    let mut call = spawn(guard.call(|| async { Ok::<_, ()>(()) }));
    assert_pending!(call.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(call))).is_err());
    assert_eq!(guard.policy().0.free_and_waiting(), (1, 0));
}
