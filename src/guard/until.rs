//! Where a request's deadline ends the wait for a turn.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::policy::{Flag, No, Yes};
use crate::{
    deadline::{CarryDeadline, NoDeadline, instant::Deadline},
    sys::Now,
};

/// Whether waits end with a deadline: not with [`NoDeadline`], and with [`Until`] they do. Where they
/// do not, a waiting call carries no timer.
pub trait Patience: sealed::Sealed {
    /// Whether they do.
    type Ends: Flag;
}

impl Patience for NoDeadline {
    type Ends = No;
}

/// Waits end with the deadline that this strategy reads from the request. See
/// [`Guard::deadline`](crate::guard::Guard::deadline).
#[derive(Debug, Clone, Copy)]
pub struct Until<D>(pub(super) D);

impl<D> Patience for Until<D> {
    type Ends = Yes;
}

impl<R: ?Sized, D: CarryDeadline<R>> CarryDeadline<R> for Until<D> {
    #[inline]
    fn read(&self, request: &R) -> Option<Deadline> {
        self.0.read(request)
    }
}

/// A call that waits, and when its wait has to end. Just the wait where no deadline is read.
#[pin_project]
pub struct Bounded<W, E: Flag> {
    #[pin]
    pub(super) wait: W,
    #[pin]
    pub(super) alarm: Option<E::If<Alarm>>,
}

impl<W, E: Flag> fmt::Debug for Bounded<W, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").finish_non_exhaustive()
    }
}

/// The end of a wait.
#[pin_project]
pub(crate) struct Alarm {
    at: Deadline,
    /// None until the call really waits.
    #[pin]
    sleep: Option<Sleep>,
    /// It rang, and the turn is given up.
    rang: bool,
}

impl Alarm {
    pub(crate) const fn new(at: Deadline) -> Self {
        Self {
            at,
            sleep: None,
            rang: false,
        }
    }

    pub(super) const fn has_rung(&self) -> bool {
        self.rang
    }

    /// Asked of the clock, since a timer is a little late, and is not heard at all by a task that uses
    /// up in each poll all that it may do in one go.
    pub(crate) fn is_over(&self, now: &Now) -> bool {
        self.at.is_over(now.get())
    }

    /// The policy has no turn yet: wakes the call when it need not wait any longer.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(this.at.alarm())));
        }
        let sleep = this.sleep.as_pin_mut();
        sleep.expect("it was set above").poll(cx)
    }

    pub(super) fn ring(self: Pin<&mut Self>) {
        *self.project().rang = true;
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::deadline::NoDeadline {}
    impl<D> Sealed for super::Until<D> {}
}
