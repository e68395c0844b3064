//! The future of a timed call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::future::MapErr;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{config::nanos, origin::Origin};
use crate::{
    deadline::{CarryDeadline, instant::Deadline},
    error::{Error, Rejected},
    sys::Now,
    telemetry::Expiry,
};

/// The future of [`Timeout::call`](crate::Timeout::call).
pub type Call<Fut, E> = ResponseFuture<MapErr<Fut, fn(E) -> Error<E>>>;

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// In nanoseconds, from its first wait. The largest number is none.
    pub(crate) limit: u64,
    pub(crate) deadline: Option<Deadline>,
}

/// The future of a timed call.
///
/// The inner call is always asked first: an answer that is there when the time runs out is the answer.
/// When there is none, the inner call is dropped, with all that it holds, before this answers.
#[must_use = "a timed call that is not awaited is not made"]
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
    origin: Origin,
}

#[pin_project(project = Progress)]
#[repr(u64)]
enum State<F> {
    /// The inner call runs.
    Running {
        #[pin]
        future: F,
        #[pin]
        timer: Timer,
        terms: Terms,
    },
    /// Nothing was started; or it is over, and there is nothing left.
    Refused(Option<Rejected>),
}

/// The tag is a word of its own: in place of one, an `Option` uses half a word amid the timer, and what is
/// not there is moved along in pieces.
#[pin_project(project = TimerAt)]
#[repr(u64)]
enum Timer {
    /// The inner call has not waited.
    Unset,
    Set(#[pin] Sleep),
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn started(future: F, terms: Terms, origin: Origin) -> Self {
        Self {
            state: State::Running {
                future,
                timer: Timer::Unset,
                terms,
            },
            origin,
        }
    }

    #[inline]
    pub(super) const fn refused(no: Rejected, origin: Origin) -> Self {
        Self {
            state: State::Refused(Some(no)),
            origin,
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<Rejected>,
{
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Progress::Running { future, .. } = self.as_mut().project().state.project() {
            if let Poll::Ready(result) = future.poll(cx) {
                return Poll::Ready(result);
            }
        }
        self.poll_unanswered(cx).map(|no| Err(no.into()))
    }
}

impl<F> ResponseFuture<F> {
    /// There is no answer: because the inner call waits, or because there never will be one. Kept out of
    /// the way of a call that is answered at once.
    #[inline(never)]
    fn poll_unanswered(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Rejected> {
        let mut this = self.project();
        let (kind, given) = match this.state.as_mut().project() {
            Progress::Running { timer, terms, .. } => {
                ready!(terms.poll_out(timer, cx));
                terms.broken()
            }
            Progress::Refused(no) => {
                return Poll::Ready(no.take().expect("polled after it answered"));
            }
        };
        // What the call holds is gone before anybody hears that its time is up.
        this.state.set(State::Refused(None));
        Poll::Ready(this.origin.ran_out(kind, given))
    }
}

impl Terms {
    /// Writes into the request when its time will be over, with a strategy that does.
    #[inline]
    pub(crate) fn tell<R, D: CarryDeadline<R>>(&self, strategy: &D, request: &mut R, now: &Now) {
        if D::WRITES {
            let own = Deadline::after_from(now.get(), Duration::from_nanos(self.limit));
            match self.deadline {
                Some(deadline) if deadline <= own => strategy.refresh(request, deadline),
                _ => strategy.write(request, own),
            }
        }
    }

    /// The inner call waits: has its time run out?
    #[inline]
    fn poll_out(&mut self, mut timer: Pin<&mut Timer>, cx: &mut Context<'_>) -> Poll<()> {
        if let TimerAt::Set(mut sleep) = timer.as_mut().project() {
            if sleep.as_mut().poll(cx).is_ready() || sleep.is_elapsed() {
                return Poll::Ready(());
            }
            // An inner call that uses up, in each poll, all that a task may do in one go leaves nothing
            // for the timer, which then is not even started by being polled. By this it is; one that
            // runs takes no notice.
            let end = sleep.deadline();
            sleep.reset(end);
            return Poll::Pending;
        }
        if self.limit == 0 {
            // Its own: no deadline is earlier.
            self.deadline = None;
            return Poll::Ready(());
        }
        match self.deadline {
            // Longer than any clock runs: there is no limit.
            None if self.limit == u64::MAX => return Poll::Pending,
            // It reads the clock by itself.
            None => timer.set(Timer::Set(tokio::time::sleep(Duration::from_nanos(
                self.limit,
            )))),
            Some(deadline) => match self.clamp(deadline) {
                Some(end) => timer.set(Timer::Set(sleep_until(end))),
                None => return Poll::Ready(()),
            },
        }
        match timer.project() {
            TimerAt::Set(sleep) => sleep.poll(cx),
            TimerAt::Unset => unreachable!("it was set a line above"),
        }
    }

    /// The time runs: when will it be over, if not yet? From here on it is either the limit or the
    /// deadline that counts; where it is the deadline, the limit is what that leaves.
    #[inline(never)]
    fn clamp(&mut self, deadline: Deadline) -> Option<Instant> {
        let now = Now::lazy().get();
        let mut end = Deadline::after_from(now, Duration::from_nanos(self.limit));
        if deadline < end {
            end = deadline;
            self.limit = nanos(deadline.remaining_from(now));
        } else {
            self.deadline = None;
        }
        (!end.is_over(now)).then(|| end.instant())
    }

    /// What has run out, and how long that was.
    const fn broken(&self) -> (Expiry, Duration) {
        let kind = match self.deadline {
            Some(_) => Expiry::Deadline,
            None => Expiry::Limit,
        };
        (kind, Duration::from_nanos(self.limit))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running {
                timer: Timer::Unset,
                ..
            } => "running",
            State::Running { .. } => "waiting",
            State::Refused(_) => "refused",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
