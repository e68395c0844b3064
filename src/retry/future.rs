//! The future of a retried call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::{pin_project, pinned_drop};
use tokio::time::{Sleep, sleep_until};
use tower::Service;

use super::core::{Core, Ended, Standing, Wait};
use crate::{
    classify::{Advice, Classify},
    deadline::instant::Deadline,
    error::Rejected,
    replay::Attempt,
    sys::Now,
    telemetry::Stopped,
};

/// What a call needs of its retry: the state, the judge, and requests for further attempts. Given for
/// [`Retry`](crate::Retry); there is nothing to implement.
///
/// It may find all that in the service that makes the attempts, and so hold nothing.
pub trait Plan<S, R> {
    /// What judges the results.
    type Judge;
    /// What is kept of a request.
    type Kept;

    #[doc(hidden)]
    fn core<'a>(&'a self, service: &'a S) -> &'a Core;
    #[doc(hidden)]
    fn judge<'a>(&'a self, service: &'a S) -> &'a Self::Judge;
    #[doc(hidden)]
    fn again(&self, service: &S, kept: &Self::Kept, attempt: Attempt) -> Option<R>;
    #[doc(hidden)]
    fn last(&self, service: &S, kept: Self::Kept, attempt: Attempt) -> Option<R>;
}

/// The future of a retried call. Dropped at any point, it gives back all that it holds.
#[must_use = "a call that is not awaited is abandoned"]
#[pin_project(PinnedDrop)]
pub struct ResponseFuture<S: Service<R>, R, P: Plan<S, R>> {
    plan: P,
    /// For later attempts. The first one's instance was called where it had been made ready.
    service: S,
    /// Nothing when the request cannot be replayed.
    kept: Option<P::Kept>,
    deadline: Option<Deadline>,
    /// The one that runs, or ran last.
    attempt: Attempt,
    /// Made for the first wait: a call that succeeds at once does without.
    pause: Option<Pin<Box<Pause>>>,
    #[pin]
    state: State<S::Future, S::Response, S::Error>,
}

#[pin_project(project = Progress)]
#[repr(u64)]
enum State<F, T, E> {
    /// An attempt runs.
    Running(#[pin] F),
    /// It has ended, was dropped, and another one is to follow when the pause is over. Its result is
    /// the answer if there is none after all.
    Pausing(Option<Result<T, E>>),
    /// The pause is over; the service for the next attempt is made ready.
    Readying {
        result: Option<Result<T, E>>,
        /// The pause's timer has been set to the deadline.
        timed: bool,
    },
    /// The answer is there, or was taken.
    Answered(Option<Result<T, E>>),
}

/// Between two attempts.
#[pin_project]
struct Pause {
    /// None for no wait at all, which takes no timer.
    #[pin]
    sleep: Option<Sleep>,
    wait: Wait,
}

impl<S: Service<R>, R, P: Plan<S, R>> ResponseFuture<S, R, P> {
    /// The first attempt is under way.
    #[inline]
    pub(crate) const fn running(
        plan: P,
        service: S,
        kept: Option<P::Kept>,
        deadline: Option<Deadline>,
        first: S::Future,
    ) -> Self {
        Self {
            plan,
            service,
            kept,
            deadline,
            attempt: Attempt::FIRST,
            pause: None,
            state: State::Running(first),
        }
    }

    /// Nothing was started.
    #[cold]
    pub(crate) fn refused(plan: P, service: S, error: S::Error) -> Self {
        Self {
            plan,
            service,
            kept: None,
            deadline: None,
            attempt: Attempt::FIRST,
            pause: None,
            state: State::Answered(Some(Err(error))),
        }
    }

    /// The same, to be over by then: no attempt is begun that could not start before. For calls
    /// without a request to carry a deadline. One that a request carries stays if it is earlier.
    ///
    /// To be asked for before the call is first polled: a call whose deadline has passed is not
    /// started.
    pub fn until(mut self, deadline: Deadline) -> Self
    where
        S::Error: From<Rejected>,
    {
        if deadline.is_over(Now::lazy().get()) {
            let rejected = self.plan.core(&self.service).expired();
            self.state = State::Answered(Some(Err(rejected.into())));
        }
        let other = self.deadline.unwrap_or(deadline);
        self.deadline = Some(deadline.min(other));
        self
    }
}

impl<S, R, P> Future for ResponseFuture<S, R, P>
where
    S: Service<R>,
    P: Plan<S, R>,
    P::Judge: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = self.as_mut().project();
            let mut state = this.state;
            match state.as_mut().project() {
                Progress::Running(future) => {
                    let result = ready!(future.poll(cx));
                    match this.plan.judge(this.service).advise(result.as_ref()) {
                        Advice::Stop => {
                            // What the attempt holds is gone before its answer is told.
                            state.set(State::Answered(None));
                            this.plan.core(this.service).answered(*this.attempt);
                            return Poll::Ready(result);
                        }
                        advice => {
                            // Or before the next one is begun.
                            state.set(State::Pausing(Some(result)));
                            self.as_mut().consider(advice);
                        }
                    }
                }
                Progress::Answered(result) => {
                    let result = result.take().expect("polled after it answered");
                    return Poll::Ready(result);
                }
                _ => ready!(self.as_mut().poll_between(cx)),
            }
        }
    }
}

impl<S, R, P> ResponseFuture<S, R, P>
where
    S: Service<R>,
    P: Plan<S, R>,
{
    /// An attempt failed, and is gone.
    #[cold]
    fn consider(self: Pin<&mut Self>, advice: Advice) {
        let mut this = self.project();
        let standing = Standing {
            attempt: *this.attempt,
            replayable: this.kept.is_some(),
            deadline: *this.deadline,
            last_delay: this
                .pause
                .as_ref()
                .map_or(Duration::ZERO, |it| it.wait.delay),
        };
        let wait = this.plan.core(this.service).consider(advice, standing);
        let Some(wait) = wait else {
            this.state.answer();
            return;
        };
        match this.pause {
            Some(pause) => pause.as_mut().start(wait),
            None => {
                let mut pause = Box::pin(Pause { sleep: None, wait });
                pause.as_mut().time();
                *this.pause = Some(pause);
            }
        }
    }

    /// Waits for the next attempt, and begins it.
    #[cold]
    fn poll_between(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let pause = this.pause.as_mut().expect("a pause was made");
        if let Progress::Pausing(result) = this.state.as_mut().project() {
            ready!(pause.as_mut().poll(cx));
            let result = result.take();
            let timed = false;
            this.state.set(State::Readying { result, timed });
        }
        let Progress::Readying { timed, .. } = this.state.as_mut().project() else {
            return Poll::Ready(());
        };
        // An attempt whose time is over is not sent. While the service is not ready, a timer tells.
        let late = match (this.service.poll_ready(cx), *this.deadline) {
            (Poll::Ready(Err(error)), _) => {
                pause.as_mut().release();
                this.state.set(State::Answered(Some(Err(error))));
                return Poll::Ready(());
            }
            (Poll::Ready(Ok(())), None) => false,
            (Poll::Ready(Ok(())), Some(deadline)) => deadline.is_over(Now::lazy().get()),
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Pending, Some(deadline)) => {
                if !*timed {
                    pause.as_mut().sleep_until(deadline);
                    *timed = true;
                }
                ready!(pause.as_mut().poll(cx));
                true
            }
        };
        let next = this.attempt.next();
        let core = this.plan.core(this.service);
        let request = if late {
            Err(Stopped::Deadline)
        } else if core.is_last(next) {
            let kept = this.kept.take().expect("it can be replayed");
            this.plan
                .last(this.service, kept, next)
                .ok_or(Stopped::NotReplayable)
        } else {
            let kept = this.kept.as_ref().expect("it can be replayed");
            this.plan
                .again(this.service, kept, next)
                .ok_or(Stopped::NotReplayable)
        };
        // Drawn last of all, right before it is sent.
        let request = request.and_then(|request| match pause.as_mut().redeem() {
            true => Ok(request),
            false => Err(Stopped::Budget),
        });
        match request {
            Ok(request) => {
                *this.attempt = next;
                // The last result has been overtaken. A response may hold what the next attempt needs.
                this.state.set(State::Answered(None));
                let future = this.service.call(request);
                this.state.set(State::Running(future));
                this.plan.core(this.service).retried(next, &pause.wait);
            }
            Err(reason) => {
                pause.as_mut().release();
                core.stopped(*this.attempt, reason);
                this.state.answer();
            }
        }
        Poll::Ready(())
    }
}

impl<F, T, E> State<F, T, E> {
    /// There is no other attempt: the last result is the answer.
    fn answer(self: &mut Pin<&mut Self>) {
        let result = match self.as_mut().project() {
            Progress::Pausing(result) | Progress::Readying { result, .. } => result.take(),
            Progress::Running(_) | Progress::Answered(_) => None,
        };
        self.set(Self::Answered(result));
    }
}

impl Pause {
    fn start(mut self: Pin<&mut Self>, wait: Wait) {
        *self.as_mut().project().wait = wait;
        self.time();
    }

    /// Its time begins.
    fn time(self: Pin<&mut Self>) {
        if self.wait.delay.is_zero() {
            self.project().sleep.set(None);
        } else {
            let end = Deadline::after(self.wait.delay);
            self.sleep_until(end);
        }
    }

    /// Takes what was set aside in the budget, right before the attempt is sent.
    fn redeem(self: Pin<&mut Self>) -> bool {
        let reserved = self.project().wait.reserved.take();
        reserved.is_none_or(|reserved| reserved.redeem(&Now::lazy()))
    }

    /// No attempt is sent: what was set aside goes back, whoever holds on to the future.
    fn release(self: Pin<&mut Self>) {
        self.project().wait.reserved = None;
    }

    fn sleep_until(self: Pin<&mut Self>, end: Deadline) {
        let mut sleep = self.project().sleep;
        match sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.reset(end.alarm()),
            None => sleep.set(Some(sleep_until(end.alarm()))),
        }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project().sleep.as_pin_mut() {
            Some(sleep) => sleep.poll(cx),
            None => Poll::Ready(()),
        }
    }
}

#[pinned_drop]
impl<S: Service<R>, R, P: Plan<S, R>> PinnedDrop for ResponseFuture<S, R, P> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if let State::Running(_) = &*this.state {
            this.plan.core(this.service).ended(Ended::Abandoned);
        }
    }
}

impl<S: Service<R>, R, P: Plan<S, R>> fmt::Debug for ResponseFuture<S, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Pausing(_) => "pausing",
            State::Readying { .. } => "readying",
            State::Answered(_) => "answered",
        };
        f.debug_struct("ResponseFuture")
            .field("attempt", &self.attempt.number())
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
