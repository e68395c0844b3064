//! A call that waits for the instant that it has reserved.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::gcra::Ticket;
use crate::sys::Now;

/// What a waiting call keeps: the instant at which it may start. Nobody can take that away.
#[pin_project]
pub struct Turn {
    ticket: Ticket,
    arrived: Instant,
    at: Instant,
    /// None until the call really waits.
    #[pin]
    sleep: Option<Sleep>,
}

impl Turn {
    pub(super) fn new(ticket: Ticket, arrived: Instant, wait: u64) -> Self {
        Self {
            ticket,
            arrived,
            at: arrived + Duration::from_nanos(wait),
            sleep: None,
        }
    }

    /// When the call may start.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    pub(super) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// How long the call has waited, once its instant has come. The clock is asked first, since a timer
    /// is a little late, and is not heard at all by a task that uses up in each poll all that it may do
    /// in one go.
    pub(super) fn poll(self: Pin<&mut Self>, now: &Now, cx: &mut Context<'_>) -> Poll<Duration> {
        let mut this = self.project();
        let (arrived, at) = (*this.arrived, *this.at);
        if now.get() < at {
            if this.sleep.is_none() {
                this.sleep.set(Some(sleep_until(at)));
            }
            let sleep = this.sleep.as_pin_mut().expect("it was set above");
            if sleep.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(now.get().max(at).saturating_duration_since(arrived))
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
