//! One key's place, for code without tower.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{entry::Hold, handle::PerKey};
use crate::{
    classify::{Advice, Classify, Outcome},
    deadline::{CarryDeadline, NoDeadline},
    error::{CarryRejected, Error, Rejected},
    guard::{
        Acquire, Admission, Admit, Bounded, Call, FlatCall, Judge, No, Now, Patience, Permit,
        Policy, ResponseFuture, Template,
    },
};

/// The place of one key: what its calls go through. From [`Guard::for_key`](crate::guard::Guard::for_key).
///
/// The key's policy is not evicted for being idle while this lives, so make one for a call and let it
/// go, or keep it for a key that is always there. When there was no place for the key, its calls here
/// share the policy that such keys share, or are refused; that is decided, and counted, once. Under
/// [`EvictOldest`](super::Overflow::EvictOldest) the key's policy may be forgotten nevertheless: calls here
/// then stay with it, and others of the key have a new one.
///
/// It is a policy, too: `Guard::all((per_host.for_key("files"), places))`.
pub struct ForKey<P: Template, K, F, C, D = NoDeadline> {
    keyed: PerKey<P, K, F, C, D>,
    place: Result<Hold<P, K>, Rejected>,
}

impl<P: Template, K, F, C, D> ForKey<P, K, F, C, D> {
    pub(super) const fn new(
        keyed: PerKey<P, K, F, C, D>,
        place: Result<Hold<P, K>, Rejected>,
    ) -> Self {
        Self { keyed, place }
    }

    /// The policy: the key's own, or the one that is shared by keys that found no place. None if
    /// there was no place for this one either.
    #[must_use]
    pub fn policy(&self) -> Option<&P> {
        self.place.as_ref().ok().map(Hold::policy)
    }

    fn held(&self) -> &P {
        self.policy()
            .expect("only a policy gives tickets and turns")
    }
}

impl<P: Template, K, F, C, D: Patience + Clone> ForKey<P, K, F, C, D> {
    /// Runs one call under the key's policy. See [`Guard::call`](crate::guard::Guard::call).
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when the key's policy refused or there was no place for the key,
    /// [`Error::Inner`] with the call's own error.
    pub fn call<G, Fut, T, E>(&self, call: G) -> Call<G, Self>
    where
        G: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        P: Admit<()>,
        P::Judges: Judge<Self, T, Error<E>>,
        D: CarryDeadline<()>,
    {
        ResponseFuture::once(self, call)
    }

    /// The same for a call whose error can hold a refusal already. See [`Guard::call_flat`](crate::guard::Guard::call_flat).
    ///
    /// # Errors
    ///
    /// The call's own, or the refusal in it.
    pub fn call_flat<G, Fut, T, E>(&self, call: G) -> FlatCall<G, Self>
    where
        G: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: CarryRejected,
        P: Admit<()>,
        P::Judges: Judge<Self, T, E>,
        D: CarryDeadline<()>,
    {
        ResponseFuture::once_flat(self, call)
    }

    /// Asks for the right to run one call. See [`Guard::try_acquire`](crate::guard::Guard::try_acquire).
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn try_acquire(&self) -> Result<Permit<Self>, Rejected>
    where
        P: Admit<(), Queues = No>,
    {
        match &self.place {
            Ok(hold) => Permit::ask(self, hold.policy()),
            Err(no) => Err(no.clone()),
        }
    }

    /// Asks for the right to run one call, and waits for it if the policy makes it wait. See
    /// [`Guard::acquire`](crate::guard::Guard::acquire).
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn acquire(&self) -> Acquire<Self>
    where
        P: Admit<()>,
        D: CarryDeadline<()>,
    {
        ResponseFuture::acquire(self)
    }
}

impl<P: Template, K, F, C, D: Clone> Clone for ForKey<P, K, F, C, D> {
    fn clone(&self) -> Self {
        Self {
            keyed: self.keyed.clone(),
            place: self.place.clone(),
        }
    }
}

impl<P: Template, K, F, C, D> fmt::Debug for ForKey<P, K, F, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForKey").finish_non_exhaustive()
    }
}

impl<T, E, P: Template, K, F, C: Classify<T, E>, D> Classify<T, E> for ForKey<P, K, F, C, D> {
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self.keyed.classify(result)
    }

    fn advise(&self, result: Result<&T, &E>) -> Advice {
        self.keyed.advise(result)
    }
}

impl<P: Template, K, F, C, D: Patience> Policy for ForKey<P, K, F, C, D> {
    type Ticket = P::Ticket;
    type Wait = Bounded<P::Wait, D::Ends>;
    type Queues = P::Queues;
    type Settles = P::Settles;
    type Judges = P::Judges;

    const KEEPS: bool = P::KEEPS;

    fn check(&self, now: &Now) -> Option<Rejected> {
        match &self.place {
            Ok(hold) => hold.policy().check(now),
            Err(no) => Some(no.clone()),
        }
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        match &self.place {
            Ok(hold) => hold.policy().refuse(rejected, now),
            Err(_) => rejected,
        }
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        self.keyed.patient(self.held()).leave(wait);
    }

    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        self.keyed.patient(self.held()).over_at(wait)
    }

    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        self.keyed.patient(self.held()).expire(wait, now)
    }

    fn cancel(&self, ticket: P::Ticket) {
        self.held().cancel(ticket);
    }

    fn answered(&self, ticket: &P::Ticket, now: &Now) {
        self.held().answered(ticket, now);
    }

    fn settle(&self, ticket: P::Ticket, outcome: Outcome, now: &Now) {
        self.held().settle(ticket, outcome, now);
    }

    fn idle(&self, now: &Now) -> bool {
        self.policy().is_none_or(|policy| policy.idle(now))
    }
}

impl<R, P, K, F, C, D> Admit<R> for ForKey<P, K, F, C, D>
where
    R: ?Sized,
    P: Template + Admit<R>,
    D: Patience + CarryDeadline<R>,
{
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        match &self.place {
            Ok(hold) => self.keyed.patient(hold.policy()).admit(now, request),
            Err(no) => Admission::Refused(no.clone()),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<P::Ticket, Rejected>> {
        let patient = self.keyed.patient(self.held());
        patient.poll_wait(wait, request, now, cx)
    }
}
