//! Two policies are a policy.
//!
//! More than two nest to the right: `(limiter, (breaker, bulkhead))`. Then the first of a pair is
//! always a single policy, and what it granted while the second makes the call wait is either kept (that
//! of a policy with a queue, a call counted against a rate), or a right that must not be
//! held in a queue (a probe, say), which goes back and is asked for again: [`Policy::KEEPS`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::time::Instant;

use super::policy::{Admission, Admit, Flag, Policy};
use crate::{classify::Outcome, error::Rejected, sys::Now};

/// A call that waits for one of two policies.
#[pin_project(project = Waiting)]
pub enum PairWait<A: Policy, B: Policy> {
    /// For the first.
    First(#[pin] A::Wait),
    /// For the second.
    Second {
        /// The first one's ticket, if that is one to keep.
        kept: Option<A::Ticket>,
        /// The second one's wait.
        #[pin]
        wait: B::Wait,
    },
    /// For neither: a wait has ended, and what follows may panic.
    Over,
}

impl<A: Policy, B: Policy> fmt::Debug for PairWait<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First(_) => "First",
            Self::Second { .. } => "Second",
            Self::Over => "Over",
        })
    }
}

impl<A: Policy, B: Policy> Policy for (A, B) {
    type Ticket = (A::Ticket, B::Ticket);
    type Wait = PairWait<A, B>;
    type Queues = <A::Queues as Flag>::Or<B::Queues>;
    type Settles = <A::Settles as Flag>::Or<B::Settles>;
    type Judges = <A::Judges as Flag>::Or<B::Judges>;

    const KEEPS: bool = <Self::Queues as Flag>::IS || (A::KEEPS && B::KEEPS);

    #[inline]
    fn check(&self, now: &Now) -> Option<Rejected> {
        let first = self.0.check(now).map(|no| no.said_by(false));
        first.or_else(|| self.1.check(now).map(|no| no.said_by(true)))
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        let (second, rejected) = rejected.by_whom();
        if second {
            self.1.refuse(rejected, now)
        } else {
            self.0.refuse(rejected, now)
        }
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        match wait.project() {
            Waiting::First(wait) => self.0.leave(wait),
            Waiting::Second { kept, wait } => {
                // Also when the second one panics.
                let _then = Then(Some(|| self.give_back(kept)));
                self.1.leave(wait);
            }
            Waiting::Over => {}
        }
    }

    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        match wait {
            PairWait::First(wait) => self.0.over_at(wait),
            PairWait::Second { wait, .. } => self.1.over_at(wait),
            PairWait::Over => None,
        }
    }

    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        match wait.project() {
            Waiting::First(wait) => self.0.expire(wait, now),
            Waiting::Second { kept, wait } => {
                // As above.
                let _then = Then(Some(|| self.give_back(kept)));
                self.1.expire(wait, now)
            }
            Waiting::Over => unreachable!("a wait that has ended is polled no more"),
        }
    }

    fn cancel(&self, (first, second): Self::Ticket) {
        // Also when the second one panics.
        let _then = Then(Some(|| self.0.cancel(first)));
        self.1.cancel(second);
    }

    fn answered(&self, (first, second): &Self::Ticket, now: &Now) {
        self.0.answered(first, now);
        self.1.answered(second, now);
    }

    #[inline(always)]
    fn settle(&self, (first, second): Self::Ticket, outcome: Outcome, now: &Now) {
        if !B::Settles::IS {
            self.0.settle(first, outcome, now);
            return;
        }
        // Also when the first one's recorder panics.
        let _then = Then(Some(|| self.1.settle(second, outcome, now)));
        if A::Settles::IS {
            self.0.settle(first, outcome, now);
        }
    }

    fn idle(&self, now: &Now) -> bool {
        self.0.idle(now) && self.1.idle(now)
    }
}

/// Runs at the end of its scope, whatever the end is.
struct Then<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Then<F> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

/// A ticket while another policy is asked: keys and costs are the user's code, and may panic.
struct Granted<'a, P: Policy> {
    policy: &'a P,
    ticket: Option<P::Ticket>,
}

impl<'a, P: Policy> Granted<'a, P> {
    const fn new(policy: &'a P, ticket: P::Ticket) -> Self {
        Self {
            policy,
            ticket: Some(ticket),
        }
    }

    #[inline(always)]
    fn keep(mut self) -> P::Ticket {
        self.ticket.take().expect("only a drop takes it as well")
    }
}

impl<P: Policy> Drop for Granted<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.policy.cancel(ticket);
        }
    }
}

/// Where the admission to a pair stands: like [`Admission`], before the flags are joined.
#[repr(u64)]
enum Step<A: Policy, B: Policy> {
    Granted(A::Ticket, B::Ticket),
    Refused(Rejected),
    Wait(<B::Queues as Flag>::If<PairWait<A, B>>),
}

/// What a pair does for its own questions.
trait Both<A: Policy, B: Policy> {
    fn give_back(&self, kept: &mut Option<A::Ticket>);

    fn admit_second<R: ?Sized>(&self, first: A::Ticket, now: &Now, request: &R) -> Step<A, B>
    where
        B: Admit<R>;
}

impl<A: Policy, B: Policy> Both<A, B> for (A, B) {
    fn give_back(&self, kept: &mut Option<A::Ticket>) {
        if let Some(ticket) = kept.take() {
            self.0.cancel(ticket);
        }
    }

    #[inline(always)]
    fn admit_second<R: ?Sized>(&self, first: A::Ticket, now: &Now, request: &R) -> Step<A, B>
    where
        B: Admit<R>,
    {
        let first = Granted::new(&self.0, first);
        match self.1.admit(now, request) {
            Admission::Granted(second) => Step::Granted(first.keep(), second),
            Admission::Refused(no) => Step::Refused(no),
            Admission::Wait(wait) => {
                // One that is not kept is dropped, and so cancelled.
                let kept = A::KEEPS.then(move || first.keep());
                Step::Wait(B::Queues::map(wait, |wait| PairWait::Second { kept, wait }))
            }
        }
    }
}

impl<R: ?Sized, A: Admit<R>, B: Admit<R>> Admit<R> for (A, B) {
    #[inline(always)]
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        // All are checked before any is asked: an open breaker answers before any queue.
        if let Some(no) = self.check(now) {
            return Admission::Refused(self.refuse(no, now));
        }
        let first = match self.0.admit(now, request) {
            Admission::Granted(first) => first,
            Admission::Refused(no) => return Admission::Refused(no),
            Admission::Wait(wait) => {
                let wait = A::Queues::map(wait, PairWait::First);
                return Admission::Wait(A::Queues::first::<_, B::Queues>(wait));
            }
        };
        match self.admit_second(first, now, request) {
            Step::Granted(first, second) => Admission::Granted((first, second)),
            Step::Refused(no) => Admission::Refused(no),
            Step::Wait(wait) => Admission::Wait(A::Queues::second::<_, B::Queues>(wait)),
        }
    }

    fn poll_wait(
        &self,
        mut wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>> {
        loop {
            let next = match wait.as_mut().project() {
                Waiting::First(first) => {
                    let first = ready!(self.0.poll_wait(first, request, now, cx))?;
                    wait.set(PairWait::Over);
                    match self.admit_second(first, now, request) {
                        Step::Granted(first, second) => return Poll::Ready(Ok((first, second))),
                        Step::Refused(no) => return Poll::Ready(Err(no)),
                        Step::Wait(second) => B::Queues::get(second),
                    }
                }
                Waiting::Second { kept, wait: second } => {
                    let second = match ready!(self.1.poll_wait(second, request, now, cx)) {
                        Ok(second) => second,
                        Err(no) => {
                            self.give_back(kept);
                            return Poll::Ready(Err(no));
                        }
                    };
                    let second = Granted::new(&self.1, second);
                    let kept = kept.take();
                    wait.set(PairWait::Over);
                    let first = match kept {
                        Some(first) => Admission::Granted(first),
                        None => self.0.admit(now, request),
                    };
                    match first {
                        Admission::Granted(first) => {
                            return Poll::Ready(Ok((first, second.keep())));
                        }
                        Admission::Refused(no) => return Poll::Ready(Err(no)),
                        // Only if it queues and keeps no ticket.
                        Admission::Wait(first) => PairWait::First(A::Queues::get(first)),
                    }
                }
                Waiting::Over => unreachable!("polled after it answered"),
            };
            wait.set(next);
        }
    }
}
