//! A policy that can be absent.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;

use crate::{
    classify::Outcome,
    error::Rejected,
    guard::{Admission, Admit, Flag, Now, Policy},
    sys::{AtomicU64, Ordering},
};

/// A policy that is asked only while it is switched on.
///
/// What it has given out it takes back at the end, whatever has become of the switch: a ticket says by
/// itself whether there is one.
pub struct Switched<P> {
    pub(super) policy: P,
    /// 0 or 1. It stands alone: a call reads no other memory on the strength of it.
    on: AtomicU64,
}

/// A ticket, if the policy was asked for one. Its tag is a word, as all else in it: a byte among words is
/// copied in halves, and the processor waits for them.
#[repr(u64)]
pub enum Given<T> {
    /// The policy was switched off.
    Nothing,
    /// The policy's own.
    Ticket(T),
}

impl<T> fmt::Debug for Given<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Ticket(_) => "Ticket",
        })
    }
}

impl<P> Switched<P> {
    pub(super) fn new(policy: P, on: bool) -> Self {
        Self {
            policy,
            on: AtomicU64::new(on.into()),
        }
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed) != 0
    }

    pub(super) fn switch(&self, on: bool) {
        self.on.store(on.into(), Ordering::Relaxed);
    }
}

impl<P: Policy> Policy for Switched<P> {
    type Ticket = Given<P::Ticket>;
    /// In a box: every call of a pipeline has room for it in its future, and most do not wait.
    type Wait = Pin<Box<P::Wait>>;
    type Queues = P::Queues;
    type Settles = P::Settles;
    type Judges = P::Judges;

    const KEEPS: bool = P::KEEPS;

    #[inline]
    fn check(&self, now: &Now) -> Option<Rejected> {
        if self.is_on() {
            self.policy.check(now)
        } else {
            None
        }
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        self.policy.refuse(rejected, now)
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        self.policy.leave(wait.get_mut().as_mut());
    }

    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        self.policy.over_at(wait)
    }

    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        self.policy.expire(wait.get_mut().as_mut(), now)
    }

    fn cancel(&self, ticket: Self::Ticket) {
        if let Given::Ticket(ticket) = ticket {
            self.policy.cancel(ticket);
        }
    }

    fn answered(&self, ticket: &Self::Ticket, now: &Now) {
        if let Given::Ticket(ticket) = ticket {
            self.policy.answered(ticket, now);
        }
    }

    #[inline]
    fn settle(&self, ticket: Self::Ticket, outcome: Outcome, now: &Now) {
        if let Given::Ticket(ticket) = ticket {
            self.policy.settle(ticket, outcome, now);
        }
    }

    fn idle(&self, now: &Now) -> bool {
        self.policy.idle(now)
    }
}

impl<R: ?Sized, P: Admit<R>> Admit<R> for Switched<P> {
    #[inline]
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        if !self.is_on() {
            return Admission::Granted(Given::Nothing);
        }
        match self.policy.admit(now, request) {
            Admission::Granted(ticket) => Admission::Granted(Given::Ticket(ticket)),
            Admission::Refused(no) => Admission::Refused(no),
            Admission::Wait(wait) => Admission::Wait(P::Queues::map(wait, Box::pin)),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>> {
        let turn = self
            .policy
            .poll_wait(wait.get_mut().as_mut(), request, now, cx);
        turn.map_ok(Given::Ticket)
    }
}

impl<P: fmt::Debug> fmt::Debug for Switched<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switched")
            .field("policy", &self.policy)
            .field("on", &self.is_on())
            .finish()
    }
}
