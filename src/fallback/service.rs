//! The service and the future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::TryFuture;
use pin_project::pin_project;
use tower::Service;

use super::{
    account::Place,
    backup::Backup,
    handle::Fallback,
    mark::{Mark, Unmarked},
    shared::Shared,
};
use crate::{
    classify::{Classify, OnError},
    sys::Arc,
};

/// A service with a backup: what [`Fallback`] makes as a [`tower::Layer`].
///
/// Its readiness, and an error instead of it, are the inner service's own: there is no request yet to
/// be answered by a backup. The backup need not be ready. A clone shares the limit and owns no
/// readiness.
pub struct Covered<S, B, C = OnError, M = Unmarked> {
    inner: S,
    fallback: Fallback<B, C, M>,
}

impl<S, B, C, M> Covered<S, B, C, M> {
    pub(super) const fn new(inner: S, fallback: Fallback<B, C, M>) -> Self {
        Self { inner, fallback }
    }

    /// The fallback: the handle.
    pub const fn fallback(&self) -> &Fallback<B, C, M> {
        &self.fallback
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

impl<S: Clone, B, C, M> Clone for Covered<S, B, C, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            fallback: self.fallback.clone(),
        }
    }
}

impl<S: fmt::Debug, B, C, M> fmt::Debug for Covered<S, B, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Covered")
            .field("inner", &self.inner)
            .field("fallback", &self.fallback)
            .finish()
    }
}

impl<S, R, B, C, M> Service<R> for Covered<S, B, C, M>
where
    S: Service<R>,
    B: Backup<R, S::Response, S::Error>,
    C: Classify<S::Response, S::Error>,
    M: Mark<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, B, C, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let inner = &mut self.inner;
        self.fallback.run(request, |request| inner.call(request))
    }
}

/// The future of a call with a backup. Dropped at any point, it gives back all that it holds.
///
/// It is as big as the bigger one of the call's and the backup's future: box a backup that is much
/// bigger, in its closure.
#[must_use = "a call that is not awaited is abandoned"]
#[pin_project]
pub struct ResponseFuture<F, R, B, C, M>
where
    F: TryFuture,
    B: Backup<R, F::Ok, F::Error>,
{
    shared: Arc<Shared<B, C, M>>,
    #[pin]
    state: State<F, B::Kept, B::Future>,
}

#[pin_project(project = Progress)]
enum State<F, K, G> {
    /// The call itself runs, and what its backup would need is kept.
    First {
        #[pin]
        future: F,
        kept: Option<K>,
    },
    /// The call has failed and its backup runs. It is dropped before its place is given back.
    Second {
        #[pin]
        future: G,
        /// None once it has panicked.
        place: Option<Place>,
    },
    /// It has answered, or what was to answer has panicked.
    Over,
}

impl<F, R, B, C, M> ResponseFuture<F, R, B, C, M>
where
    F: TryFuture,
    B: Backup<R, F::Ok, F::Error>,
{
    #[inline]
    pub(super) fn begin(
        shared: &Arc<Shared<B, C, M>>,
        mut request: R,
        call: impl FnOnce(R) -> F,
    ) -> Self {
        let kept = shared.backup.keep(&mut request);
        let future = call(request);
        Self {
            shared: Arc::clone(shared),
            state: State::First { future, kept },
        }
    }
}

impl<F, R, T, E, B, C, M> Future for ResponseFuture<F, R, B, C, M>
where
    F: Future<Output = Result<T, E>>,
    B: Backup<R, T, E>,
    C: Classify<T, E>,
    M: Mark<T>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                Progress::First { future, kept } => {
                    let result = ready!(future.poll(cx));
                    let kept = kept.take();
                    // What the call holds is gone before it is judged, and before a backup starts.
                    this.state.set(State::Over);
                    if !this.shared.failed(result.as_ref()) {
                        return Poll::Ready(result);
                    }
                    match this.shared.back(kept, result) {
                        Ok((future, place)) => State::Second { future, place },
                        Err(failed) => return Poll::Ready(failed),
                    }
                }
                Progress::Second { future, place } => {
                    let mut result = ready!(Place::watch(place, || future.poll(cx)));
                    let place = place.take();
                    this.state.set(State::Over);
                    this.shared.answered(place, &mut result);
                    return Poll::Ready(result);
                }
                Progress::Over => panic!("polled after it answered"),
            };
            this.state.set(next);
        }
    }
}

impl<F, R, B, C, M> fmt::Debug for ResponseFuture<F, R, B, C, M>
where
    F: TryFuture,
    B: Backup<R, F::Ok, F::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::First { .. } => "first",
            State::Second { .. } => "backup",
            State::Over => "over",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
