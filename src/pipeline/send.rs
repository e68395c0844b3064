//! How a call begins.

use std::{marker::PhantomData, time::Duration};

use tower::Service;

use super::{
    again::{Again, Hedges, Kept, Retries},
    core::Handle,
    envelope::{Envelope, InTime},
    future::{Hedging, ResponseFuture, State},
    terms::{NONE, Sender},
};
use crate::{
    classify::Classify,
    deadline::{CarryDeadline, instant::Deadline},
    error::CarryRejected,
    guard::{self, Admit, Ending, Guarded, Yes},
    hedge::{self, future::Spare},
    retry,
    sys::Now,
    timeout::future::Terms,
};

/// Who makes the first attempt, and how there is a service for later ones. `S` stands behind the guard `G`.
pub(super) trait Instance<S, G, M> {
    /// The only attempt, and what becomes of it.
    fn once<R, T>(self, envelope: R, then: impl FnOnce(Future<S, R, G, M>) -> T) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>;

    /// The first of several.
    fn first<R, T>(
        self,
        envelope: R,
        then: impl FnOnce(Future<S, R, G, M>, Guarded<S, G, M>) -> T,
    ) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>;
}

/// The future of one attempt.
type Future<S, R, G, M> = guard::ResponseFuture<S, R, G, M>;

/// One that was made ready, and stays with its owner.
impl<S: Clone, G: Clone, M: Clone> Instance<S, G, M> for &mut Guarded<S, G, M> {
    #[inline(always)]
    fn once<R, T>(self, envelope: R, then: impl FnOnce(Future<S, R, G, M>) -> T) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>,
    {
        self.start(envelope, then)
    }

    #[inline(always)]
    fn first<R, T>(
        self,
        envelope: R,
        then: impl FnOnce(Future<S, R, G, M>, Guarded<S, G, M>) -> T,
    ) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>,
    {
        let spare = self.clone();
        self.start(envelope, |first| then(first, spare))
    }
}

/// One that comes along with its call.
pub(super) struct Own<A>(pub(super) A);

impl<S: Clone, G: Clone, M: Clone> Instance<S, G, M> for Own<Guarded<S, G, M>> {
    #[inline(always)]
    fn once<R, T>(mut self, envelope: R, then: impl FnOnce(Future<S, R, G, M>) -> T) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>,
    {
        self.0.start(envelope, then)
    }

    #[inline(always)]
    fn first<R, T>(
        mut self,
        envelope: R,
        then: impl FnOnce(Future<S, R, G, M>, Guarded<S, G, M>) -> T,
    ) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>,
    {
        let first = self.0.start(envelope, |first| first);
        then(first, self.0)
    }
}

/// A call arrives.
#[inline(always)]
pub(super) fn send<S, B, R, A, C, Y, D, M>(
    handle: &Handle<C, Y, D>,
    carrier: &B,
    instance: impl Instance<InTime<S, B>, Handle<C, Y, D>, M>,
    mut request: R,
) -> ResponseFuture<S, B, R, A, C, Y, D, M>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    let core = handle.policy();
    let settings = core.terms.get();
    let theirs = carrier.read(&request);
    let now = Now::lazy();
    if theirs.is_some_and(|deadline| deadline.is_over(now.get())) {
        return ResponseFuture::expired(core.expired());
    }
    let mut deadline = theirs;
    if settings.deadline != NONE {
        let own = Deadline::after_from(now.get(), Duration::from_nanos(settings.deadline));
        if deadline.is_none_or(|deadline| own < deadline) {
            deadline = Some(own);
            carrier.write(&mut request, own);
        }
    }
    if let Some(theirs) = theirs.filter(|theirs| deadline == Some(*theirs)) {
        carrier.refresh(&mut request, theirs);
    }
    let terms = Terms {
        limit: settings.attempt,
        deadline,
    };
    let mut envelope = Envelope {
        request,
        terms,
        now: deadline.map(|_| now.get()),
    };
    match settings.sender {
        Sender::Retry => {
            let kept = keep::<A, _, _>(handle, &mut envelope);
            instance.first(envelope, |first, service| {
                let plan = Retries::new();
                ResponseFuture {
                    state: State::Retried(retry::ResponseFuture::running(
                        plan, service, kept, deadline, first,
                    )),
                }
            })
        }
        Sender::Nobody => {
            A::only(handle, &mut envelope.request);
            instance.once(envelope, |only| ResponseFuture {
                state: State::Once(only),
            })
        }
        Sender::Hedge => ResponseFuture {
            state: State::Hedged(hedged(handle, instance, envelope)),
        },
    }
}

/// What later attempts need.
#[inline(always)]
fn keep<A: Again<H, R>, H, R>(handle: &H, envelope: &mut Envelope<R>) -> Option<Kept<A::Kept>> {
    let request = A::keep(handle, &mut envelope.request)?;
    let terms = envelope.terms;
    Some(Kept { request, terms })
}

#[inline(never)]
fn hedged<S, B, R, A, C, Y, D, M>(
    handle: &Handle<C, Y, D>,
    instance: impl Instance<InTime<S, B>, Handle<C, Y, D>, M>,
    mut envelope: Envelope<R>,
) -> Hedging<S, B, R, A, C, Y, D, M>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    let hedges = Hedges {
        handle: handle.clone(),
        again: PhantomData,
    };
    let now = Now::lazy();
    if let Some(instant) = envelope.now {
        now.be(instant);
    }
    let deadline = envelope.terms.deadline;
    Box::pin(hedge::ResponseFuture::new(
        hedges,
        &now,
        deadline,
        |hedges| {
            let kept = keep::<A, _, _>(&hedges.handle, &mut envelope);
            instance.first(envelope, |first, service| {
                (first, kept.map(|kept| Spare { service, kept }))
            })
        },
    ))
}
