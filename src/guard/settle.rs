//! How a call's end reaches its policies, whatever the end is.

use std::{fmt, mem};

use super::policy::{Admission, Admit, Flag, No, Policy, Yes};
use crate::{
    classify::{Advice, Classify, Outcome},
    error::Rejected,
    sys::Now,
};

/// A ticket and the way back to its policies, if any of them asks for it.
type Held<G> = <<G as Policy>::Settles as Flag>::If<(G, <G as Policy>::Ticket)>;

/// A call that has started and must end: holds the ticket and the way back to its policies.
///
/// Dropped, it reports [`Outcome::Abandoned`]. It can move out of the guarded future into the
/// response, so that the call ends with a body: see [`Ending`].
#[must_use = "a settlement that is dropped counts as an abandoned call"]
pub struct Settlement<G: Policy> {
    held: Option<Held<G>>,
}

impl<G: Policy> Settlement<G> {
    #[inline]
    pub(super) fn new(guard: &G, ticket: G::Ticket) -> Self
    where
        G: Clone,
    {
        Self {
            held: G::Settles::put(|| (guard.clone(), ticket)),
        }
    }

    /// The dependency has answered, and the call goes on: for an [`Ending`] that settles later. A circuit breaker's
    /// probe does not hang then, however long its response goes on.
    pub fn answered(&self) {
        if let Some(held) = &self.held {
            let (guard, ticket) = G::Settles::by_ref(held);
            guard.answered(ticket, &Now::lazy());
        }
    }

    /// The call ended so.
    #[inline]
    pub fn settle(mut self, outcome: Outcome) {
        if let Some(held) = self.held.take() {
            Self::release(held, outcome);
        }
        // Nothing is held any more, and the compiler need not look again.
        mem::forget(self);
    }

    /// The call ended with this result; the guard's classifier judges it, unless no policy asks.
    #[inline]
    pub fn judge<T, E>(self, result: Result<&T, &E>)
    where
        G::Judges: Judge<G, T, E>,
    {
        // Should the classifier panic, `self` goes down with it and the call counts as abandoned.
        let outcome = match &self.held {
            Some(held) => G::Judges::judge(&G::Settles::by_ref(held).0, result),
            None => return,
        };
        self.settle(outcome);
    }

    /// What the guard's classifier says of this result: for an [`Ending`] that settles later.
    /// [`Outcome::Ignored`] where no policy asks.
    #[inline]
    pub fn outcome<T, E>(&self, result: Result<&T, &E>) -> Outcome
    where
        G::Judges: Judge<G, T, E>,
    {
        match &self.held {
            Some(held) => G::Judges::judge(&G::Settles::by_ref(held).0, result),
            None => Outcome::Ignored,
        }
    }

    /// Whether another attempt may follow this result, in the eyes of the guard's classifier.
    /// [`Advice::Stop`] where no policy asks.
    #[inline]
    pub fn advice<T, E>(&self, result: Result<&T, &E>) -> Advice
    where
        G::Judges: Judge<G, T, E>,
    {
        match &self.held {
            Some(held) => G::Judges::advise(&G::Settles::by_ref(held).0, result),
            None => Advice::Stop,
        }
    }

    /// Runs a piece of the call. A panic in it is a failure, and travels on.
    #[inline]
    pub fn watch<T>(&mut self, piece: impl FnOnce() -> T) -> T {
        struct OnPanic<'a, G: Policy>(&'a mut Settlement<G>);

        impl<G: Policy> Drop for OnPanic<'_, G> {
            fn drop(&mut self) {
                self.0.abort(Outcome::Failure);
            }
        }

        let on_panic = OnPanic(self);
        let value = piece();
        mem::forget(on_panic);
        value
    }

    /// Moves it out of a future that is about to answer.
    #[inline]
    pub(super) fn take(&mut self) -> Self {
        Self {
            held: self.held.take(),
        }
    }

    #[inline]
    fn release(held: Held<G>, outcome: Outcome) {
        let (guard, ticket) = G::Settles::get(held);
        guard.settle(ticket, outcome, &Now::lazy());
    }

    #[cold]
    fn abort(&mut self, outcome: Outcome) {
        if let Some(held) = self.held.take() {
            Self::release(held, outcome);
        }
    }
}

impl<G: Policy> Drop for Settlement<G> {
    #[inline]
    fn drop(&mut self) {
        if self.held.is_some() {
            self.abort(Outcome::Abandoned);
        }
    }
}

impl<G: Policy> fmt::Debug for Settlement<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement")
            .field("held", &self.held.is_some())
            .finish()
    }
}

/// When a guarded call has ended, and what becomes of its result.
///
/// The default, [`AtResponse`], judges the result and passes it on. Another ending may carry the
/// [`Settlement`] into the response and settle it when a body has been read.
pub trait Ending<G: Policy, T, E> {
    /// What the guarded service answers with.
    type Response;

    /// The inner service answered.
    fn end(&self, result: Result<T, E>, settlement: Settlement<G>) -> Result<Self::Response, E>;
}

/// The call ends with its response: the guard's classifier judges it, and it is passed on as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct AtResponse;

impl<G, T, E> Ending<G, T, E> for AtResponse
where
    G: Policy,
    G::Judges: Judge<G, T, E>,
{
    type Response = T;

    #[inline]
    fn end(&self, result: Result<T, E>, settlement: Settlement<G>) -> Result<T, E> {
        settlement.judge(result.as_ref());
        result
    }
}

/// The call has not ended: its right to run is the response. See [`acquire`](super::Guard::acquire).
#[derive(Debug, Clone, Copy, Default)]
pub struct AsPermit;

impl<G: Policy, T, E> Ending<G, T, E> for AsPermit {
    type Response = Permit<G>;

    fn end(&self, result: Result<T, E>, settlement: Settlement<G>) -> Result<Permit<G>, E> {
        result.map(|_| Permit(settlement))
    }
}

/// How the result of a guarded call is judged: only a guard with a policy that [asks](Policy::Judges) has
/// to be able to.
pub trait Judge<G, T, E>: Flag {
    /// Judges it.
    fn judge(guard: &G, result: Result<&T, &E>) -> Outcome;

    /// Says whether another attempt may follow.
    fn advise(guard: &G, result: Result<&T, &E>) -> Advice;
}

impl<G: Classify<T, E>, T, E> Judge<G, T, E> for Yes {
    #[inline]
    fn judge(guard: &G, result: Result<&T, &E>) -> Outcome {
        guard.classify(result)
    }

    #[inline]
    fn advise(guard: &G, result: Result<&T, &E>) -> Advice {
        guard.advise(result)
    }
}

impl<G, T, E> Judge<G, T, E> for No {
    #[inline]
    fn judge(_: &G, _: Result<&T, &E>) -> Outcome {
        Outcome::Ignored
    }

    #[inline]
    fn advise(_: &G, _: Result<&T, &E>) -> Advice {
        Advice::Stop
    }
}

/// The right to run one call, for code that does not look like a call. See
/// [`try_acquire`](super::Guard::try_acquire).
///
/// Say how it ended; a permit that is dropped counts as [`Outcome::Abandoned`].
#[must_use = "a permit is the right to run a call: keep it while the call runs"]
pub struct Permit<G: Policy>(pub(super) Settlement<G>);

impl<G: Policy> Permit<G> {
    /// Asks the policy of this guard, that answers at once.
    pub(crate) fn ask<P>(guard: &G, policy: &P) -> Result<Self, Rejected>
    where
        G: Clone,
        P: Admit<(), Queues = No, Ticket = G::Ticket>,
    {
        match policy.admit(&Now::lazy(), &()) {
            Admission::Granted(ticket) => Ok(Self(Settlement::new(guard, ticket))),
            Admission::Refused(no) => Err(no),
            Admission::Wait(never) => match never {},
        }
    }

    /// The dependency did its work.
    pub fn success(self) {
        self.settle(Outcome::Success);
    }

    /// The dependency failed.
    pub fn failure(self) {
        self.settle(Outcome::Failure);
    }

    /// It ended so.
    pub fn settle(self, outcome: Outcome) {
        self.0.settle(outcome);
    }
}

/// For a call whose right to run was asked for beforehand, and whose end is not its response: give it to an
/// [`Ending`] when the response is there.
impl<G: Policy> From<Permit<G>> for Settlement<G> {
    fn from(Permit(settlement): Permit<G>) -> Self {
        settlement
    }
}

impl<G: Policy> fmt::Debug for Permit<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
