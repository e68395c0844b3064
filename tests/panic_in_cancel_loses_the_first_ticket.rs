//! A pair takes back both tickets of a call that never started. When the second policy panics over its
//! own, the first gets the other all the same.
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
};

use buttress::{
    Outcome, Reason, Rejected,
    guard::{Admission, Admit, Guard, Never, No, Now, Policy, Yes},
};
use policies::Queue;

/// Lets in all or nobody, and takes nothing back.
struct Door {
    open: bool,
}

impl Policy for Door {
    type Ticket = ();
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }
    fn cancel(&self, (): ()) {
        panic!("no way back");
    }
    fn settle(&self, (): (), _: Outcome, _: &Now) {}
    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Door {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        match self.open {
            true => Admission::Granted(()),
            false => Admission::Refused(Rejected::new("door", Reason::Full)),
        }
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
async fn a_panic_of_the_second_gives_back_the_first() {
    let (open, shut) = (Door { open: true }, Door { open: false });
    let guard = Guard::new(((Queue::new(1, 10), open), shut));
    let call = || drop(guard.call(|| async { Ok::<_, ()>(()) }));
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(guard.policy().0.0.free_and_waiting(), (1, 0));
}
