//! What all calls of a pipeline share.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    change::Turn,
    config::Config,
    envelope::{Envelope, InTime, OfCall},
    switched::Switched,
    terms::Current,
};
use crate::{
    breaker::Breaker,
    budget::handle::Budget,
    bulkhead::Places,
    classify::Outcome,
    error::Rejected,
    guard::{Admission, Admit, AtResponse, Guard, Guarded, Now, Policy, Until, Yes},
    hedge,
    rate_limit::Limiter,
    retry,
    sys::{Live, Mutex},
    telemetry::{Expiry, Voice},
    timeout::{handle::Timeout, origin::Origin},
};

/// The handle of a pipeline is the guard of its admission: so a call counts one reference for all.
pub type Handle<C, Y, D> = Guard<Core<Y, D>, C, Until<OfCall>>;

/// A service behind all that stands around each of its attempts. `B` is where a request carries its
/// deadline, `M` says when it has ended.
pub type Attempts<S, B, C, Y, D, M = AtResponse> = Guarded<InTime<S, B>, Handle<C, Y, D>, M>;

/// The policies, outermost first.
pub(super) type Members = (Switched<Limiter<Yes>>, Settled);

/// Those that hear how a call ended.
type Settled = (Switched<Breaker>, Switched<Places<Yes>>);

/// The state behind a [`Resilience`](crate::Resilience): its policies, as one, and what else its calls
/// share.
pub struct Core<Y, D> {
    pub(super) members: Members,
    pub(super) terms: Current,
    pub(super) retry: retry::core::Core,
    pub(super) hedge: hedge::state::State,
    pub(super) budget: Budget,
    pub(super) attempt: Timeout,
    pub(super) replay: Y,
    /// Where requests keep their deadline.
    pub(super) deadline: D,
    pub(super) voice: Voice,
    /// Whose turn it is to change the settings.
    pub(super) turn: Mutex<Turn>,
    /// The settings that were taken last.
    pub(super) config: Live<Config>,
}

impl<Y, D> Core<Y, D> {
    pub(super) const fn limit(&self) -> &Switched<Limiter<Yes>> {
        &self.members.0
    }

    pub(super) const fn breaker(&self) -> &Switched<Breaker> {
        &self.members.1.0
    }

    pub(super) const fn places(&self) -> &Switched<Places<Yes>> {
        &self.members.1.1
    }

    /// A call whose deadline has passed is not started.
    #[cold]
    pub(super) fn expired(&self) -> Rejected {
        let mut origin = Origin::held(self.attempt.id());
        origin.ran_out(Expiry::Expired, Duration::ZERO)
    }

    /// This service, with the time that an attempt has.
    #[inline]
    pub(super) fn in_time<S, B>(&self, inner: S, deadline: B) -> InTime<S, B> {
        InTime {
            inner,
            deadline,
            timeout: self.attempt.id(),
        }
    }
}

/// The answers are its members'.
impl<Y, D> Policy for Core<Y, D> {
    /// Without the rate limit's: what it let in is on its way, and a token is of no use to the end of a call.
    type Ticket = <Settled as Policy>::Ticket;
    type Wait = <Members as Policy>::Wait;
    type Queues = Yes;
    type Settles = Yes;
    type Judges = Yes;

    #[inline]
    fn check(&self, now: &Now) -> Option<Rejected> {
        self.members.check(now)
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        self.members.refuse(rejected, now)
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        self.members.leave(wait);
    }

    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        self.members.over_at(wait)
    }

    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        self.members.expire(wait, now)
    }

    fn cancel(&self, ticket: Self::Ticket) {
        self.members.1.cancel(ticket);
    }

    fn answered(&self, ticket: &Self::Ticket, now: &Now) {
        self.members.1.answered(ticket, now);
    }

    #[inline]
    fn settle(&self, ticket: Self::Ticket, outcome: Outcome, now: &Now) {
        self.members.1.settle(ticket, outcome, now);
    }

    fn idle(&self, now: &Now) -> bool {
        self.members.idle(now)
    }
}

impl<R, Y, D> Admit<Envelope<R>> for Core<Y, D> {
    #[inline(always)]
    fn admit(&self, now: &Now, envelope: &Envelope<R>) -> Admission<Self> {
        if let Some(instant) = envelope.now {
            now.be(instant);
        }
        // None of them looks at the request.
        match self.members.admit(now, &()) {
            Admission::Granted((_, ticket)) => Admission::Granted(ticket),
            Admission::Refused(no) => Admission::Refused(no),
            Admission::Wait(wait) => Admission::Wait(wait),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        _: &Envelope<R>,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>> {
        let turn = self.members.poll_wait(wait, &(), now, cx);
        turn.map_ok(|(_, ticket)| ticket)
    }
}

impl<Y, D> fmt::Debug for Core<Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("name", &self.voice.policy())
            .finish_non_exhaustive()
    }
}
