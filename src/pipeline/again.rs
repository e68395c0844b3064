//! How a call's later attempts come by their requests, whoever sends them.

use std::{fmt, marker::PhantomData};

use super::{
    core::{Attempts, Handle},
    envelope::Envelope,
};
use crate::{
    hedge::{hedging::Hedging, state::State},
    replay::{Attempt, Replay},
    retry::{self, core::Core as Retrying},
    timeout::future::Terms,
};

/// Makes a request again. `H` is the handle of a pipeline. Given for [`ByRequest`] and [`ByNumber`]; there is
/// nothing to implement.
pub trait Again<H, R> {
    /// What is kept of a request.
    type Kept;

    #[doc(hidden)]
    fn keep(handle: &H, request: &mut R) -> Option<Self::Kept>;
    #[doc(hidden)]
    fn only(handle: &H, request: &mut R);
    #[doc(hidden)]
    fn again(handle: &H, kept: &Self::Kept, attempt: Attempt) -> Option<R>;
    #[doc(hidden)]
    fn last(handle: &H, kept: Self::Kept, attempt: Attempt) -> Option<R>;
}

/// With the pipeline's replay strategy.
#[derive(Debug, Clone, Copy)]
pub enum ByRequest {}

impl<C, Y: Replay<R>, D, R> Again<Handle<C, Y, D>, R> for ByRequest {
    type Kept = Y::Kept;

    #[inline]
    fn keep(handle: &Handle<C, Y, D>, request: &mut R) -> Option<Y::Kept> {
        handle.policy().replay.keep(request)
    }

    #[inline]
    fn only(handle: &Handle<C, Y, D>, request: &mut R) {
        handle.policy().replay.only(request);
    }

    fn again(handle: &Handle<C, Y, D>, kept: &Y::Kept, attempt: Attempt) -> Option<R> {
        handle.policy().replay.again(kept, attempt)
    }

    fn last(handle: &Handle<C, Y, D>, kept: Y::Kept, attempt: Attempt) -> Option<R> {
        handle.policy().replay.last(kept, attempt)
    }
}

/// The request is the number of the attempt.
#[derive(Debug, Clone, Copy)]
pub enum ByNumber {}

impl<H> Again<H, Attempt> for ByNumber {
    type Kept = ();

    #[inline]
    fn keep(_: &H, _: &mut Attempt) -> Option<()> {
        Some(())
    }

    #[inline]
    fn only(_: &H, _: &mut Attempt) {}

    fn again(_: &H, (): &(), attempt: Attempt) -> Option<Attempt> {
        Some(attempt)
    }

    fn last(_: &H, (): (), attempt: Attempt) -> Option<Attempt> {
        Some(attempt)
    }
}

/// What is kept of an envelope.
pub struct Kept<K> {
    pub(super) request: K,
    pub(super) terms: Terms,
}

impl<K> fmt::Debug for Kept<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl<K> Kept<K> {
    /// The envelope of a later attempt, when others may follow.
    fn again<A, H, R>(&self, handle: &H, attempt: Attempt) -> Option<Envelope<R>>
    where
        A: Again<H, R, Kept = K>,
    {
        let request = A::again(handle, &self.request, attempt)?;
        Some(later(request, self.terms))
    }

    /// That of the last one.
    fn last<A, H, R>(self, handle: &H, attempt: Attempt) -> Option<Envelope<R>>
    where
        A: Again<H, R, Kept = K>,
    {
        let request = A::last(handle, self.request, attempt)?;
        Some(later(request, self.terms))
    }
}

const fn later<R>(request: R, terms: Terms) -> Envelope<R> {
    Envelope {
        request,
        terms,
        now: None,
    }
}

/// A retry that finds all that it needs in the service that makes the attempts.
pub struct Retries<A>(PhantomData<fn() -> A>);

impl<A> Retries<A> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<A> fmt::Debug for Retries<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Retries")
    }
}

impl<A, S, R, C, Y, D, B, M> retry::Plan<Attempts<S, B, C, Y, D, M>, Envelope<R>> for Retries<A>
where
    A: Again<Handle<C, Y, D>, R>,
{
    type Judge = C;
    type Kept = Kept<A::Kept>;

    #[inline]
    fn core<'a>(&'a self, service: &'a Attempts<S, B, C, Y, D, M>) -> &'a Retrying {
        &service.guard().policy().retry
    }

    #[inline]
    fn judge<'a>(&'a self, service: &'a Attempts<S, B, C, Y, D, M>) -> &'a C {
        service.guard().classifier()
    }

    fn again(
        &self,
        service: &Attempts<S, B, C, Y, D, M>,
        kept: &Self::Kept,
        attempt: Attempt,
    ) -> Option<Envelope<R>> {
        kept.again::<A, _, _>(service.guard(), attempt)
    }

    fn last(
        &self,
        service: &Attempts<S, B, C, Y, D, M>,
        kept: Self::Kept,
        attempt: Attempt,
    ) -> Option<Envelope<R>> {
        kept.last::<A, _, _>(service.guard(), attempt)
    }
}

/// A hedge, which holds a handle of its own: once it has sent all that it may, it has no service left.
pub struct Hedges<A, H> {
    pub(super) handle: H,
    pub(super) again: PhantomData<fn() -> A>,
}

impl<A, H> fmt::Debug for Hedges<A, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hedges")
    }
}

impl<A, R, C, Y, D> Hedging<Envelope<R>> for Hedges<A, Handle<C, Y, D>>
where
    A: Again<Handle<C, Y, D>, R>,
{
    type Kept = Kept<A::Kept>;
    type Judge = C;

    fn state(&self) -> &State {
        &self.handle.policy().hedge
    }

    fn judge(&self) -> &C {
        self.handle.classifier()
    }

    fn again(&self, kept: &Self::Kept, attempt: Attempt) -> Option<Envelope<R>> {
        kept.again::<A, _, _>(&self.handle, attempt)
    }

    fn last(&self, kept: Self::Kept, attempt: Attempt) -> Option<Envelope<R>> {
        kept.last::<A, _, _>(&self.handle, attempt)
    }
}
