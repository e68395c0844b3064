//! How a call begins.

use std::{marker::PhantomData, time::Duration};

use tower::Service;

use super::{
    again::{Again, Hedges, Kept, Retries},
    core::Handle,
    envelope::{Envelope, InTime},
    future::{Boxed, Hedging, ResponseFuture, State},
    terms::{NONE, Sender},
};
use crate::{
    classify::Classify,
    deadline::{CarryDeadline, instant::Deadline},
    error::CarryRejected,
    guard::{self, Admit, AtResponse, Guarded, Yes},
    hedge::{self, future::Spare},
    retry,
    sys::Now,
    timeout::future::Terms,
};

/// Who makes the first attempt, and how there is a service for later ones. `S` stands behind the guard `G`.
pub(super) trait Instance<S, G> {
    /// The only attempt, and what becomes of it.
    fn once<R, T>(self, envelope: R, then: impl FnOnce(Future<S, R, G>) -> T) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>;

    /// The first of several.
    fn first<R, T>(self, envelope: R, then: impl FnOnce(Future<S, R, G>, Guarded<S, G>) -> T) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>;
}

/// The future of one attempt.
type Future<S, R, G> = guard::ResponseFuture<S, R, G, AtResponse>;

/// One that was made ready, and stays with its owner.
impl<S: Clone, G: Clone> Instance<S, G> for &mut Guarded<S, G> {
    #[inline(always)]
    fn once<R, T>(self, envelope: R, then: impl FnOnce(Future<S, R, G>) -> T) -> T
    where
        S: Service<R>,
        G: Admit<R, Queues = Yes>,
    {
        self.start(envelope, then)
    }

    #[inline(always)]
    fn first<R, T>(self, envelope: R, then: impl FnOnce(Future<S, R, G>, Guarded<S, G>) -> T) -> T
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

impl<S: Clone, G: Clone> Instance<S, G> for Own<Guarded<S, G>> {
    #[inline(always)]
    fn once<R, T>(mut self, envelope: R, then: impl FnOnce(Future<S, R, G>) -> T) -> T
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
        then: impl FnOnce(Future<S, R, G>, Guarded<S, G>) -> T,
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
pub(super) fn send<S, B, R, A, C, Y, D>(
    handle: &Handle<C, Y, D>,
    carrier: &B,
    instance: impl Instance<InTime<S, B>, Handle<C, Y, D>>,
    mut request: R,
) -> ResponseFuture<S, B, R, A, C, Y, D>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    C: Classify<S::Response, S::Error>,
{
    let core = handle.policy();
    let settings = core.terms.get();
    let mut deadline = carrier.read(&request);
    let now = Now::lazy();
    if deadline.is_some_and(|deadline| deadline.is_over(now.get())) {
        return ResponseFuture::expired(core.expired());
    }
    if settings.deadline != NONE {
        let own = Deadline::after_from(now.get(), Duration::from_nanos(settings.deadline));
        if deadline.is_none_or(|deadline| own < deadline) {
            deadline = Some(own);
            carrier.write(&mut request, own);
        }
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
fn hedged<S, B, R, A, C, Y, D>(
    handle: &Handle<C, Y, D>,
    instance: impl Instance<InTime<S, B>, Handle<C, Y, D>>,
    mut envelope: Envelope<R>,
) -> Boxed<Hedging<S, B, R, A, C, Y, D>>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    C: Classify<S::Response, S::Error>,
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
