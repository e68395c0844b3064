//! The future of a hedged call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::{pin_project, pinned_drop};
use tokio::time::{Instant, Sleep};
use tower::Service;

use super::{hedging::Hedging, state::Race};
use crate::{
    classify::Classify, deadline::instant::Deadline, error::Rejected, replay::Attempt, sys::Now,
};

/// The future of a hedged call. Dropped at any point, it drops all attempts, and they give back what
/// they hold.
///
/// It needs a tokio timer as soon as the first attempt is pending, and panics without one.
#[must_use = "a hedged call that is not awaited is abandoned"]
#[pin_project(PinnedDrop, project = Progress)]
pub struct ResponseFuture<S: Service<R>, R, H: Hedging<R>> {
    pub(super) hedge: H,
    /// The first attempt, while it runs.
    #[pin]
    pub(super) first: Option<S::Future>,
    /// Hedges that run, in the order in which they were sent.
    pub(super) extras: Vec<Extra<S::Future>>,
    pub(super) stage: Stage,
    #[pin]
    pub(super) timer: Option<Sleep>,
    /// What it takes to send another; without, the request cannot be replayed.
    pub(super) spare: Option<Spare<S, H::Kept>>,
    /// The last attempt that was sent.
    pub(super) sent: Attempt,
    /// When the first was: known from the start if it is measured or has a deadline, else when it was
    /// first pending.
    pub(super) started: Option<Instant>,
    pub(super) measured: bool,
    pub(super) deadline: Option<Deadline>,
    /// Of those that are over, the last result that was not a refusal of ours; the last, if all were.
    pub(super) result: Option<Result<S::Response, S::Error>>,
}

/// What becomes of the next hedge.
#[derive(Debug)]
pub(super) enum Stage {
    /// The first attempt has not been pending yet: no timer was made.
    Fresh,
    /// The timer runs.
    Delayed,
    /// It is due, and the service that it goes to is not ready yet.
    Due,
    /// No more are sent; those that run are waited for.
    Still,
    /// Nothing was started.
    Refused(Option<Rejected>),
    /// It has answered.
    Done,
}

/// A service of its own and a kept request.
pub(crate) struct Spare<S, K> {
    pub(crate) service: S,
    pub(crate) kept: K,
}

/// A hedge that runs.
pub(super) struct Extra<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) attempt: Attempt,
    pub(super) sent: Instant,
}

impl<S: Service<R>, R, H: Hedging<R>> ResponseFuture<S, R, H> {
    /// Sends the first attempt.
    #[inline]
    pub(crate) fn new(
        hedge: H,
        now: &Now,
        deadline: Option<Deadline>,
        call: impl FnOnce(&H) -> (S::Future, Option<Spare<S, H::Kept>>),
    ) -> Self {
        let measured = hedge.state().arrive(now);
        let (first, spare) = call(&hedge);
        let started = (measured || deadline.is_some()).then(|| now.get());
        Self {
            hedge,
            first: Some(first),
            extras: Vec::new(),
            stage: Stage::Fresh,
            timer: None,
            spare,
            sent: Attempt::FIRST,
            started,
            measured,
            deadline,
            result: None,
        }
    }

    pub(super) fn refused(hedge: H, no: Rejected) -> Self {
        Self {
            hedge,
            first: None,
            extras: Vec::new(),
            stage: Stage::Refused(Some(no)),
            timer: None,
            spare: None,
            sent: Attempt::FIRST,
            started: None,
            measured: false,
            deadline: None,
            result: None,
        }
    }
}

impl<S: Service<Attempt>, H: Hedging<Attempt, Kept = ()>> ResponseFuture<S, Attempt, H> {
    /// Without tower: one service makes all attempts.
    #[inline]
    pub(super) fn direct(hedge: H, mut service: S) -> Self {
        Self::new(hedge, &Now::lazy(), None, |_| {
            let first = service.call(Attempt::FIRST);
            (first, Some(Spare { service, kept: () }))
        })
    }
}

impl<S, R, H> Future for ResponseFuture<S, R, H>
where
    S: Service<R>,
    S::Error: From<Rejected>,
    H: Hedging<R>,
    H::Judge: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.stage {
            Stage::Fresh => {
                if let Some(answer) = this.poll_first(cx) {
                    return Poll::Ready(answer);
                }
                ready!(this.poll_hedge(cx));
            }
            Stage::Refused(no) => {
                let no = no.take().expect("polled after it answered");
                return Poll::Ready(Err(no.into()));
            }
            _ => {}
        }
        loop {
            if let Some(answer) = this.poll_attempts(cx) {
                return Poll::Ready(answer);
            }
            // A hedge that was sent is polled along with the others.
            ready!(this.poll_hedge(cx));
        }
    }
}

#[pinned_drop]
impl<S: Service<R>, R, H: Hedging<R>> PinnedDrop for ResponseFuture<S, R, H> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if !matches!(this.stage, Stage::Done) {
            this.cut_short(&Now::lazy());
            if !this.sent.is_first() {
                this.hedge.state().ended(Race::Abandoned);
            }
        }
    }
}

impl<S: Service<R>, R, H: Hedging<R>> fmt::Debug for ResponseFuture<S, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("stage", &self.stage)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
