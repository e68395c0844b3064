//! What the value offers as a handle.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::{pin_project, pinned_drop};

use super::{
    builder::Builder, config::Config, cost::One, gcra::Ticket, policy::Limiter, snapshot::Snapshot,
    turn::Turn,
};
use crate::{
    classify::OnError,
    deadline::NoDeadline,
    error::{InvalidConfig, Rejected},
    guard::{Flag, Guard, No, Now, Yes},
    sys::Arc,
    telemetry::{Event, Subscription},
};

/// A rate limit: the value you build, the layer you apply, the handle you turn.
///
/// It is a [`Guard`] around a [`Limiter`]: a cheap clone, a [`tower::Layer`] whose service is
/// [`Guarded<S, RateLimit>`](crate::guard::Guarded), and `call` and `try_acquire` for code without
/// tower. All clones and all guarded services share one state. See [`rate_limit`](crate::rate_limit).
///
/// `Q` is whether calls may be made to wait, `N` what they cost, `D` where a request says how long it
/// may wait.
pub type RateLimit<Q = No, N = One, D = NoDeadline> = Guard<Limiter<Q, N>, OnError, D>;

impl RateLimit {
    /// Starts with a [`Quota`](crate::rate_limit::Quota), or with all settings.
    #[must_use]
    pub fn builder(quota: impl Into<Config>) -> Builder {
        Builder::new(quota.into())
    }
}

impl<Q: Flag, N, C, D> Guard<Limiter<Q, N>, C, D> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.policy().name()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.policy().settings()
    }

    /// Takes other settings while it runs.
    ///
    /// What was taken and is not paid off yet stays, in calls: who has spent 5 of 10 has 5 of 10 spent
    /// under the new quota, too, and pays them off at its pace. Calls that wait keep the instants that
    /// they have reserved, and count among what was taken; the new quota is the law for all that come
    /// after. A change of `max_wait` or [shadow](crate::rate_limit#shadow) alone changes nothing else.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.policy().change(config)
    }

    /// What is left, and counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.policy().look()
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.policy().voice().subscribe(Arc::new(listener))
    }

    /// Takes `n` at once, or nothing: for work that does not look like a call. It never waits, also where
    /// calls do. The strategy for costs is not asked; 0 is always granted.
    ///
    /// # Errors
    ///
    /// The refusal, when the rate is used up, or when `n` is above the burst; none in
    /// [shadow](crate::rate_limit#shadow).
    ///
    /// ```
    /// use buttress::{RateLimit, rate_limit::Quota};
    /// use std::num::NonZeroU32;
    ///
    /// let lines = RateLimit::builder(Quota::per_second(NonZeroU32::new(1_000).unwrap())).build()?;
    /// lines.try_acquire_n(600)?;
    /// assert!(lines.try_acquire_n(600).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire_n(&self, n: u32) -> Result<(), Rejected> {
        self.policy().take(n, &Now::lazy(), false).map(drop)
    }

    /// A limit of another name with a state of its own, and the settings, costs, deadline strategy and
    /// the builder's listeners of this one.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        N: Clone,
        C: Clone,
        D: Clone,
    {
        self.around(self.policy().fork(name.as_ref()))
    }
}

impl<N, C, D> Guard<Limiter<Yes, N>, C, D> {
    /// Takes `n`, and waits for its turn if need be. When that is, is decided here and now. The strategy
    /// for costs is not asked; 0 is always granted.
    ///
    /// # Errors
    ///
    /// The refusal, when the wait would be longer than `max_wait`, or `n` is above the burst; none in
    /// [shadow](crate::rate_limit#shadow).
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point. What it has reserved goes back if it is still the last.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::{RateLimit, rate_limit::Quota};
    /// use std::{num::NonZeroU32, time::Duration};
    ///
    /// let quota = Quota::per_second(NonZeroU32::new(1_000).unwrap());
    /// let lines = RateLimit::builder(quota).max_wait(Duration::from_secs(1)).build()?;
    /// lines.acquire_n(600).await?;
    /// // Of these, 200 have to wait: for 200 ms.
    /// lines.acquire_n(600).await?;
    /// assert_eq!(lines.snapshot().waits, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_n(&self, n: u32) -> AcquireN<'_, N> {
        let limiter = self.policy();
        let now = Now::lazy();
        let state = match limiter.take(n, &now, true) {
            Ok((ticket, 0)) => Reserved::Granted(ticket),
            Ok((ticket, wait)) => Reserved::Waits(Turn::new(ticket, now.get(), wait)),
            Err(no) => Reserved::Refused(no),
        };
        AcquireN { limiter, state }
    }
}

/// The future of [`acquire_n`](RateLimit::acquire_n).
#[must_use = "what was reserved goes back if nobody waits for it"]
#[pin_project(PinnedDrop)]
pub struct AcquireN<'a, N> {
    limiter: &'a Limiter<Yes, N>,
    #[pin]
    state: Reserved,
}

#[pin_project(project = Progress)]
enum Reserved {
    Granted(Ticket),
    Refused(Rejected),
    Waits(#[pin] Turn),
    Taken,
}

impl<N> Future for AcquireN<'_, N> {
    type Output = Result<(), Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.state.as_mut().project() {
            Progress::Granted(_) | Progress::Taken => {}
            Progress::Refused(no) => return Poll::Ready(Err(no.clone())),
            Progress::Waits(turn) => {
                ready!(this.limiter.poll_turn(turn, &Now::lazy(), cx));
            }
        }
        this.state.set(Reserved::Taken);
        Poll::Ready(Ok(()))
    }
}

#[pinned_drop]
impl<N> PinnedDrop for AcquireN<'_, N> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        match this.state.project() {
            Progress::Granted(ticket) => this.limiter.take_back(*ticket),
            Progress::Waits(turn) => this.limiter.take_back(turn.ticket()),
            Progress::Refused(_) | Progress::Taken => {}
        }
    }
}

impl<N> fmt::Debug for AcquireN<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireN").finish_non_exhaustive()
    }
}
