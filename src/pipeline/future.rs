//! The future of a call through a pipeline.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tower::Service;

use super::{
    again::{Again, Hedges, Retries},
    core::{Attempts, Handle},
    envelope::Envelope,
};
use crate::{
    classify::Classify,
    deadline::CarryDeadline,
    error::Rejected,
    guard::{AtResponse, Ending},
    hedge, retry,
};

/// What sends the attempts, if a retry does.
type Retrying<S, B, R, A, C, Y, D, M> =
    retry::ResponseFuture<Attempts<S, B, C, Y, D, M>, Envelope<R>, Retries<A>>;

/// What sends the attempts, if a hedge does. In a box: with its timer it is twice as large as all the others,
/// and they are what most calls are.
pub(super) type Hedging<S, B, R, A, C, Y, D, M> = Pin<
    Box<hedge::ResponseFuture<Attempts<S, B, C, Y, D, M>, Envelope<R>, Hedges<A, Handle<C, Y, D>>>>,
>;

/// The only attempt.
type Only<S, B, R, C, Y, D, M> = <Attempts<S, B, C, Y, D, M> as Service<Envelope<R>>>::Future;

/// The future of a call through a pipeline, without its fallback. Dropped at any point, it gives back all
/// that it holds.
#[must_use = "a call that is not awaited is abandoned"]
#[pin_project]
pub struct ResponseFuture<S, B, R, A, C, Y, D, M = AtResponse>
where
    S: Service<R> + Clone,
    S::Error: From<Rejected>,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    #[pin]
    pub(super) state: State<S, B, R, A, C, Y, D, M>,
}

#[pin_project(project = Progress)]
pub(super) enum State<S, B, R, A, C, Y, D, M>
where
    S: Service<R> + Clone,
    S::Error: From<Rejected>,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    /// It has one attempt.
    Once(#[pin] Only<S, B, R, C, Y, D, M>),
    Retried(#[pin] Retrying<S, B, R, A, C, Y, D, M>),
    Hedged(Hedging<S, B, R, A, C, Y, D, M>),
    /// Its deadline had passed when it arrived.
    Expired(Option<Rejected>),
}

impl<S, B, R, A, C, Y, D, M> ResponseFuture<S, B, R, A, C, Y, D, M>
where
    S: Service<R> + Clone,
    S::Error: From<Rejected>,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    #[cold]
    pub(super) const fn expired(no: Rejected) -> Self {
        Self {
            state: State::Expired(Some(no)),
        }
    }
}

impl<S, B, R, A, C, Y, D, M> Future for ResponseFuture<S, B, R, A, C, Y, D, M>
where
    S: Service<R> + Clone,
    S::Error: From<Rejected>,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    type Output = Result<M::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Progress::Retried(future) => future.poll(cx),
            Progress::Once(future) => future.poll(cx),
            Progress::Hedged(future) => future.as_mut().poll(cx),
            Progress::Expired(no) => {
                let no = no.take().expect("polled after it answered");
                Poll::Ready(Err(no.into()))
            }
        }
    }
}

impl<S, B, R, A, C, Y, D, M> fmt::Debug for ResponseFuture<S, B, R, A, C, Y, D, M>
where
    S: Service<R> + Clone,
    S::Error: From<Rejected>,
    B: CarryDeadline<R> + Clone,
    A: Again<Handle<C, Y, D>, R>,
    M: Ending<Handle<C, Y, D>, S::Response, S::Error> + Clone,
    C: Classify<M::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Once(_) => "once",
            State::Retried(_) => "retried",
            State::Hedged(_) => "hedged",
            State::Expired(_) => "expired",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
