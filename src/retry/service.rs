//! The service of a retry.

use std::task::{Context, Poll};

use tower::Service;

use super::{future::ResponseFuture, handle::Retry};
use crate::{
    classify::Classify, deadline::CarryDeadline, error::CarryRejected, replay::Replay, sys::Now,
};

/// A service whose failed calls are repeated: what [`Retry`] makes as a [`tower::Layer`].
///
/// Its error is the inner service's own. A clone owns no readiness. The first attempt is made by the
/// very instance that was polled ready; the inner service is `Clone`, since a clone of it makes the
/// later ones, after it has been made ready.
#[derive(Debug)]
pub struct Retried<S, P = Retry> {
    inner: S,
    retry: P,
}

impl<S, P> Retried<S, P> {
    pub(super) const fn new(inner: S, retry: P) -> Self {
        Self { inner, retry }
    }

    /// The retry: the handle.
    pub const fn retry(&self) -> &P {
        &self.retry
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, P: Clone> Clone for Retried<S, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.retry.clone())
    }
}

impl<S, R, C, Y, D> Service<R> for Retried<S, Retry<C, Y, D>>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    C: Classify<S::Response, S::Error>,
    Y: Replay<R>,
    D: CarryDeadline<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, Retry<C, Y, D>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: R) -> Self::Future {
        let plan = self.retry.clone();
        let spare = self.inner.clone();
        let deadline = plan.carrier().read(&request);
        if deadline.is_some_and(|deadline| deadline.is_over(Now::lazy().get())) {
            let rejected = plan.expired();
            return ResponseFuture::refused(plan, spare, rejected.into());
        }
        let kept = plan.replay().keep(&mut request);
        let first = self.inner.call(request);
        ResponseFuture::running(plan, spare, kept, deadline, first)
    }
}
