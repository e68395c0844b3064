//! The service.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower::Service;

use super::{
    future::{ResponseFuture, Spare},
    handle::Hedge,
};
use crate::{
    classify::{Classify, OnError},
    deadline::{CarryDeadline, NoDeadline},
    error::{CarryRejected, Reason, Rejected},
    replay::{Cloned, Replay},
    sys::Now,
};

/// A service behind a hedge: what [`Hedge`] makes as a [`tower::Layer`].
///
/// Its error is the inner service's own; see [`CarryRejected`] for what that must be able to hold. The
/// first attempt goes to the instance that was polled ready, hedges go to a clone of it, which is made
/// ready first. A clone shares the hedge's state and owns no readiness.
pub struct Hedged<S, C = OnError, Y = Cloned, D = NoDeadline> {
    inner: S,
    hedge: Hedge<C, Y, D>,
}

impl<S, C, Y, D> Hedged<S, C, Y, D> {
    pub(super) const fn new(inner: S, hedge: Hedge<C, Y, D>) -> Self {
        Self { inner, hedge }
    }

    /// The hedge: the handle to the state.
    pub const fn hedge(&self) -> &Hedge<C, Y, D> {
        &self.hedge
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

impl<S: Clone, C, Y, D> Clone for Hedged<S, C, Y, D> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.hedge.clone())
    }
}

impl<S: fmt::Debug, C, Y, D> fmt::Debug for Hedged<S, C, Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedged")
            .field("inner", &self.inner)
            .field("hedge", &self.hedge)
            .finish()
    }
}

impl<S, R, C, Y, D> Service<R> for Hedged<S, C, Y, D>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    C: Classify<S::Response, S::Error>,
    Y: Replay<R>,
    D: CarryDeadline<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, Hedge<C, Y, D>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: R) -> Self::Future {
        let now = Now::lazy();
        let deadline = self.hedge.deadline().read(&request);
        if deadline.is_some_and(|deadline| deadline.is_over(now.get())) {
            let no = Rejected::new(self.hedge.name(), Reason::Expired);
            return ResponseFuture::refused(self.hedge.clone(), no);
        }
        let inner = &mut self.inner;
        ResponseFuture::new(self.hedge.clone(), &now, deadline, |hedge| {
            let spare = hedge.replay().keep(&mut request).map(|kept| Spare {
                // Not the one that is ready: that one is called, and stays the caller's.
                service: inner.clone(),
                kept,
            });
            (inner.call(request), spare)
        })
    }
}
