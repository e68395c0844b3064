//! A policy whose waits end with a deadline.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{
    policy::{Admission, Admit, Flag, Policy},
    service::Turn,
    until::{Alarm, Bounded, Patience},
};
use crate::{
    deadline::{CarryDeadline, instant::Deadline},
    error::Rejected,
    sys::Now,
};

/// A policy, and the strategy that says when its waits end: the answers of all guards.
pub(crate) struct Patient<'a, P, D> {
    policy: &'a P,
    until: &'a D,
}

impl<'a, P, D> Patient<'a, P, D> {
    #[inline]
    pub(super) const fn new(policy: &'a P, until: &'a D) -> Self {
        Self { policy, until }
    }
}

impl<P: Policy, D: Patience> Patient<'_, P, D> {
    pub(crate) fn leave(&self, wait: Pin<&mut Bounded<P::Wait, D::Ends>>) {
        let wait = wait.project();
        let alarm = wait.alarm.as_pin_mut().map(D::Ends::pin);
        // If it has rung, the policy panicked while it gave up the turn.
        if !alarm.is_some_and(|alarm| alarm.has_rung()) {
            self.policy.leave(wait.wait);
        }
    }

    pub(crate) fn over_at(&self, wait: &Bounded<P::Wait, D::Ends>) -> Option<Instant> {
        self.policy.over_at(&wait.wait)
    }

    pub(crate) fn expire(&self, wait: Pin<&mut Bounded<P::Wait, D::Ends>>, now: &Now) -> Rejected {
        let wait = wait.project();
        if let Some(alarm) = wait.alarm.as_pin_mut() {
            D::Ends::pin(alarm).ring();
        }
        self.policy.expire(wait.wait, now)
    }

    /// The answer of `G`, which is this policy to its callers.
    #[inline(always)]
    pub(crate) fn admit<R, G>(&self, now: &Now, request: &R) -> Admission<G>
    where
        R: ?Sized,
        P: Admit<R>,
        D: CarryDeadline<R>,
        G: Policy<Ticket = P::Ticket, Wait = Bounded<P::Wait, D::Ends>, Queues = P::Queues>,
    {
        match self.policy.admit(now, request) {
            Admission::Granted(ticket) => Admission::Granted(ticket),
            Admission::Refused(no) => Admission::Refused(no),
            Admission::Wait(wait) => {
                let turn = Turn::new(self.policy, wait);
                self.queue(turn, now, self.until.read(request))
            }
        }
    }

    /// The policy made the call queue for its turn: is there time for that?
    #[cold]
    fn queue<G>(&self, turn: Turn<'_, P>, now: &Now, until: Option<Deadline>) -> Admission<G>
    where
        G: Policy<Wait = Bounded<P::Wait, D::Ends>, Queues = P::Queues>,
    {
        let over_at = self.policy.over_at(P::Queues::by_ref(turn.wait()));
        let too_late = |until: Deadline| until.is_over(over_at.unwrap_or_else(|| now.get()));
        if until.is_some_and(too_late) {
            let wait = pin!(turn.keep());
            let wait = P::Queues::pin(wait);
            return Admission::Refused(self.policy.expire(wait, now));
        }
        let alarm = until.and_then(|until| D::Ends::put(|| Alarm::new(until)));
        let bound = |wait| Bounded { wait, alarm };
        Admission::Wait(P::Queues::map(turn.keep(), bound))
    }

    pub(crate) fn poll_wait<R>(
        &self,
        mut wait: Pin<&mut Bounded<P::Wait, D::Ends>>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<P::Ticket, Rejected>>
    where
        R: ?Sized,
        P: Admit<R>,
    {
        let bounded = wait.as_mut().project();
        let Some(alarm) = bounded.alarm.as_pin_mut() else {
            return self.policy.poll_wait(bounded.wait, request, now, cx);
        };
        let alarm = D::Ends::pin(alarm);
        // A turn that has come too late is passed on: the call would work for nobody.
        if !alarm.is_over(now) {
            let turn = self.policy.poll_wait(bounded.wait, request, now, cx);
            if turn.is_ready() || alarm.poll(cx).is_pending() {
                return turn;
            }
        }
        Poll::Ready(Err(self.expire(wait, now)))
    }
}
