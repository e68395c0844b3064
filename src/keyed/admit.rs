//! One policy per key is a policy.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::time::Instant;

use super::{entry::Hold, key::KeyOf, policy::Keyed};
use crate::{
    classify::Outcome,
    error::Rejected,
    guard::{Admission, Admit, Flag, Now, Policy, Template},
};

/// The right to run one call, from the policy of a key, which is not evicted while this lives.
pub struct Ticket<P: Policy, K> {
    // In this order, so that the ticket is gone before the policy may be.
    ticket: P::Ticket,
    hold: Hold<P, K>,
}

/// A call that waits for the policy of its key, which is not evicted while this lives.
#[pin_project]
pub struct Wait<P: Policy, K> {
    #[pin]
    wait: P::Wait,
    /// None when the wait has ended, and the hold has gone on with the ticket.
    hold: Option<Hold<P, K>>,
}

impl<P: Policy, K> fmt::Debug for Ticket<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

impl<P: Policy, K> fmt::Debug for Wait<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

const OVER: &str = "a wait that has ended is asked no more";

impl<P: Template, K, F> Policy for Keyed<P, K, F> {
    type Ticket = Ticket<P, K>;
    type Wait = Wait<P, K>;
    type Queues = P::Queues;
    type Settles = P::Settles;
    type Judges = P::Judges;

    const KEEPS: bool = P::KEEPS;

    /// Nobody knows before the request comes whose it is: never certain.
    #[inline]
    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        let wait = wait.project();
        if let Some(hold) = wait.hold {
            hold.policy().leave(wait.wait);
        }
    }

    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        wait.hold.as_ref()?.policy().over_at(&wait.wait)
    }

    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        let wait = wait.project();
        let hold = wait.hold.as_ref().expect(OVER);
        hold.policy().expire(wait.wait, now)
    }

    fn cancel(&self, Ticket { ticket, hold }: Self::Ticket) {
        hold.policy().cancel(ticket);
    }

    fn answered(&self, Ticket { ticket, hold }: &Self::Ticket, now: &Now) {
        hold.policy().answered(ticket, now);
    }

    #[inline]
    fn settle(&self, Ticket { ticket, hold }: Self::Ticket, outcome: Outcome, now: &Now) {
        hold.policy().settle(ticket, outcome, now);
    }

    fn idle(&self, now: &Now) -> bool {
        self.all_idle(now)
    }
}

impl<R, P, K, F> Admit<R> for Keyed<P, K, F>
where
    R: ?Sized,
    P: Template + Admit<R>,
    K: Eq,
    F: KeyOf<R, K>,
{
    #[inline]
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        let found = self.by.find(request);
        let hash = self.keys.hashes().hash(&found);
        let known = self.keys.find(hash, |key| F::is(&found, key));
        let hold = match known {
            Some(hold) => {
                // The user's: it may panic, and nothing is taken yet.
                drop(found);
                hold
            }
            None => match self.enter_new(now, hash, F::keep(found)) {
                Ok(hold) => hold,
                Err(no) => return Admission::Refused(no),
            },
        };
        match hold.policy().admit(now, request) {
            Admission::Granted(ticket) => Admission::Granted(Ticket { ticket, hold }),
            Admission::Refused(no) => Admission::Refused(no),
            Admission::Wait(wait) => Admission::Wait(P::Queues::map(wait, |wait| Wait {
                wait,
                hold: Some(hold),
            })),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>> {
        let wait = wait.project();
        let policy = wait.hold.as_ref().expect(OVER).policy();
        let ticket = ready!(policy.poll_wait(wait.wait, request, now, cx))?;
        let hold = wait.hold.take().expect(OVER);
        Poll::Ready(Ok(Ticket { ticket, hold }))
    }
}
