//! A request on its way through a pipeline: in an envelope that says what its call goes by.

use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::Service;

use super::terms::NONE;
use crate::{
    deadline::{CarryDeadline, instant::Deadline},
    error::Rejected,
    sys::Now,
    timeout::{self, future::Terms, origin::Origin},
};

/// A request, and what all attempts of its call go by: settings of one time, whatever becomes of the
/// pipeline's meanwhile.
pub struct Envelope<R> {
    pub(super) request: R,
    /// The call's deadline, and how long an attempt may take.
    pub(super) terms: Terms,
    /// The present moment, for an attempt that begins as its call arrives.
    pub(super) now: Option<Instant>,
}

impl<R> fmt::Debug for Envelope<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").finish_non_exhaustive()
    }
}

/// Reads the deadline of a call from its envelope.
#[derive(Debug, Clone, Copy)]
pub struct OfCall;

impl<R> CarryDeadline<Envelope<R>> for OfCall {
    #[inline]
    fn read(&self, envelope: &Envelope<R>) -> Option<Deadline> {
        envelope.terms.deadline
    }
}

/// A service whose calls have the time that their envelopes say: the timeout of an attempt. `D` is where a
/// request carries its deadline.
#[derive(Debug, Clone)]
pub struct InTime<S, D> {
    pub(super) inner: S,
    pub(super) deadline: D,
    /// The number of the timeout. The guard around it holds the pipeline while a call runs.
    pub(super) timeout: u64,
}

impl<S, R, D> Service<Envelope<R>> for InTime<S, D>
where
    S: Service<R, Error: From<Rejected>>,
    D: CarryDeadline<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = timeout::ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, envelope: Envelope<R>) -> Self::Future {
        let Envelope {
            mut request,
            terms,
            now,
        } = envelope;
        let origin = Origin::held(self.timeout);
        let here = Now::lazy();
        if D::WRITES && now.is_none_or(|then| has_waited(then, &here)) {
            again(&self.deadline, &mut request, terms.deadline);
        }
        // No limit is nothing to write.
        if terms.limit != NONE {
            terms.tell(&self.deadline, &mut request, &here);
        }
        timeout::ResponseFuture::started(self.inner.call(request), terms, origin)
    }
}

/// Whether an attempt that was to begin then had to wait for its turn.
fn has_waited(then: Instant, here: &Now) -> bool {
    here.get().saturating_duration_since(then) >= Duration::from_millis(1)
}

/// Writes the call's deadline into the request of an attempt that does not begin as its call arrives: what
/// was written then is lost where requests are made anew, and out of date where what is written is how much
/// time is left.
#[cold]
fn again<R, D: CarryDeadline<R>>(strategy: &D, request: &mut R, deadline: Option<Deadline>) {
    if let Some(deadline) = deadline {
        match strategy.read(request) {
            Some(own) if own <= deadline => strategy.refresh(request, own),
            _ => strategy.write(request, deadline),
        }
    }
}
