//! Another service as the backup.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower::Service;

use super::backup::Backup;
use crate::replay::{Attempt, Replay};

/// Another service. Made by [`Fallback::service`](crate::Fallback::service).
///
/// For each failed call it is cloned, and the clone is made ready and called, with the request as its
/// [first attempt](Attempt::FIRST). While all is well it is not even polled.
#[derive(Clone, Copy)]
pub struct Standby<S, Y> {
    pub(super) service: S,
    pub(super) replay: Y,
}

impl<R, T, E, S, Y> Backup<R, T, E> for Standby<S, Y>
where
    S: Service<R, Response = T> + Clone,
    S::Error: Into<E>,
    Y: Replay<R>,
{
    type Kept = Y::Kept;
    type Future = Sending<S, R, E>;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<Y::Kept> {
        self.replay.keep(request)
    }

    fn answer(&self, kept: Y::Kept, failed: Result<T, E>) -> Result<Self::Future, Result<T, E>> {
        match self.replay.last(kept, Attempt::FIRST) {
            Some(request) => Ok(Sending {
                state: State::Readying {
                    service: self.service.clone(),
                    request: Some(request),
                },
                error: PhantomData,
            }),
            None => Err(failed),
        }
    }
}

impl<S, Y> fmt::Debug for Standby<S, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standby").finish_non_exhaustive()
    }
}

/// The backup service's answer.
#[pin_project]
pub struct Sending<S: Service<R>, R, E> {
    #[pin]
    state: State<S, S::Future, R>,
    error: PhantomData<fn() -> E>,
}

#[pin_project(project = Progress)]
enum State<S, F, R> {
    /// The clone is not ready yet.
    Readying { service: S, request: Option<R> },
    /// It was called.
    Sent(#[pin] F),
}

impl<S, R, E> Future for Sending<S, R, E>
where
    S: Service<R>,
    S::Error: Into<E>,
{
    type Output = Result<S::Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                Progress::Readying { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return Poll::Ready(Err(error.into()));
                    }
                    let request = request.take().expect("polled after it answered");
                    State::Sent(service.call(request))
                }
                Progress::Sent(future) => return future.poll(cx).map_err(Into::into),
            };
            state.set(next);
        }
    }
}

impl<S: Service<R>, R, E> fmt::Debug for Sending<S, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Readying { .. } => "readying",
            State::Sent(_) => "sent",
        };
        f.debug_tuple("Sending").field(&state).finish()
    }
}
