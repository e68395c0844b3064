//! The service that a timeout makes as a layer.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower::Service;

use super::{
    future::ResponseFuture,
    handle::Timeout,
    limit::{Fixed, Limit},
};
use crate::{
    deadline::{CarryDeadline, NoDeadline},
    error::CarryRejected,
};

/// A service whose calls have a limit: what [`Timeout`] makes as a [`tower::Layer`].
///
/// Its error is the inner service's own; see [`CarryRejected`] for what that must be able to hold.
/// Its readiness is the inner service's, and not covered: time runs from `call` on.
pub struct Timed<S, D = NoDeadline, L = Fixed> {
    inner: S,
    timeout: Timeout<D, L>,
}

impl<S, D, L> Timed<S, D, L> {
    pub(super) const fn new(inner: S, timeout: Timeout<D, L>) -> Self {
        Self { inner, timeout }
    }

    /// The timeout: the handle.
    pub const fn timeout(&self) -> &Timeout<D, L> {
        &self.timeout
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

impl<S: Clone, D, L> Clone for Timed<S, D, L> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.timeout.clone())
    }
}

impl<S: fmt::Debug, D, L> fmt::Debug for Timed<S, D, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed")
            .field("inner", &self.inner)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl<S, R, D, L> Service<R> for Timed<S, D, L>
where
    S: Service<R>,
    S::Error: CarryRejected,
    D: CarryDeadline<R>,
    L: Limit<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: R) -> Self::Future {
        let Self { inner, timeout } = self;
        timeout.run(request, |request| inner.call(request))
    }
}
