//! The service that a pipeline makes as a layer.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower::{Layer, Service};

use super::{
    again::ByRequest,
    core::{Attempts, Handle},
    cover::{Cover, NoFallback},
    future::ResponseFuture,
    handle::Resilience,
    send::send,
};
use crate::{
    classify::{Classify, OnError},
    deadline::{CarryDeadline, NoDeadline},
    error::CarryRejected,
    guard::{AtResponse, EndWith, Ending},
    replay::{Cloned, Replay},
};

/// A service behind a whole pipeline: what [`Resilience`] makes as a [`tower::Layer`].
///
/// Its error is the inner service's own. A clone shares the state and owns no readiness. The first attempt
/// goes to the very instance that was polled ready; later ones, and one that had to wait for its turn, to a
/// clone of it that is made ready first.
///
/// ```
/// use buttress::{Resilience, pipeline::Resilient};
///
/// struct Client<S> {
///     members: Resilient<S>,
/// }
/// # let _ = |members: Resilient<tower::util::BoxCloneSyncService<(), (), tower::BoxError>>| Client { members }.members;
/// ```
pub struct Resilient<S, C = OnError, Y = Cloned, D = NoDeadline, F = NoFallback, M = AtResponse> {
    pub(super) attempts: Attempts<S, D, C, Y, D, M>,
    pub(super) resilience: Resilience<C, Y, D, F>,
}

impl<S, C, Y, D, F> Resilient<S, C, Y, D, F> {
    pub(super) fn new(inner: S, resilience: Resilience<C, Y, D, F>) -> Self
    where
        D: Clone,
    {
        let handle = resilience.handle();
        let core = handle.policy();
        let attempts = handle.layer(core.in_time(inner, core.deadline.clone()));
        Self {
            attempts,
            resilience,
        }
    }
}

impl<S, C, Y, D, F, M> Resilient<S, C, Y, D, F, M> {
    /// The pipeline: the handle.
    pub const fn resilience(&self) -> &Resilience<C, Y, D, F> {
        &self.resilience
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.attempts.get_ref().inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.attempts.get_mut().inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.attempts.into_inner().inner
    }
}

impl<S, C, Y, D, F, M, N> EndWith<N> for Resilient<S, C, Y, D, F, M> {
    type Ended = Resilient<S, C, Y, D, F, N>;

    fn end_with(self, ending: N) -> Self::Ended {
        Resilient {
            attempts: self.attempts.end_with(ending),
            resilience: self.resilience,
        }
    }
}

impl<S: Clone, C, Y, D: Clone, F: Clone, M: Clone> Clone for Resilient<S, C, Y, D, F, M> {
    fn clone(&self) -> Self {
        Self {
            attempts: self.attempts.clone(),
            resilience: self.resilience.clone(),
        }
    }
}

impl<S: fmt::Debug, C, Y, D, F, M> fmt::Debug for Resilient<S, C, Y, D, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilient")
            .field("inner", self.get_ref())
            .field("resilience", &self.resilience)
            .finish()
    }
}

impl<S, R, C, Y, D, F, M> Service<R> for Resilient<S, C, Y, D, F, M>
where
    S: Service<R> + Clone,
    S::Error: CarryRejected,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
    Y: Replay<R>,
    D: CarryDeadline<R> + Clone,
    F: Cover<R, M::Response, S::Error>,
{
    type Response = M::Response;
    type Error = S::Error;
    type Future = F::Future<ResponseFuture<S, D, R, ByRequest, C, Y, D, M>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.attempts.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let Self {
            attempts,
            resilience,
        } = self;
        let handle = resilience.handle();
        let carrier = &handle.policy().deadline;
        let fallback = resilience.cover();
        fallback.cover(request, |request| send(handle, carrier, attempts, request))
    }
}
