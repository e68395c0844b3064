//! The value that is the layer and the handle.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower::Layer;

use super::{
    once::Call,
    policy::{Admission, Admit, No, Policy},
    service::{Guarded, ResponseFuture},
    settle::{Permit, Settlement},
};
use crate::{
    classify::{Classify, OnError, Outcome},
    error::{Error, Rejected},
    sys::{Arc, Now},
};

/// A policy to apply, together with what judges the results.
///
/// It is a cheap clone (one `Arc`), a [`tower::Layer`], and the handle to the policy: applied many
/// times, cloned many times, it is one state. [`CircuitBreaker`](crate::CircuitBreaker) is a guard;
/// so is a pair of policies, or one of your own:
///
/// ```
/// use buttress::{CircuitBreaker, guard::Guard};
///
/// let reads = CircuitBreaker::builder().name("reads").build()?;
/// let all = CircuitBreaker::builder().name("all").build()?;
/// // One shell, one clock reading and one settlement for both.
/// let both = Guard::new((all.clone(), reads.clone()));
/// # let _ = both;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
pub struct Guard<P, C = OnError> {
    shared: Arc<Shared<P, C>>,
}

struct Shared<P, C> {
    policy: P,
    classify: C,
}

impl<P> Guard<P> {
    /// A guard that takes an error for a failure ([`OnError`]).
    pub fn new(policy: P) -> Self {
        Self::judged(policy, OnError)
    }
}

impl<P, C> Guard<P, C> {
    /// A guard whose results are judged by `classify`.
    pub fn judged(policy: P, classify: C) -> Self {
        Self {
            shared: Arc::new(Shared { policy, classify }),
        }
    }

    /// The policy.
    #[must_use]
    #[inline]
    pub fn policy(&self) -> &P {
        &self.shared.policy
    }

    /// What judges the results.
    #[must_use]
    #[inline]
    pub fn classifier(&self) -> &C {
        &self.shared.classify
    }
}

impl<P: Policy, C> Guard<P, C> {
    /// Runs one call without tower.
    ///
    /// Whether it may start is decided here and now; what `call` makes runs only when it may.
    ///
    /// For several policies around one call make a guard of them, `Guard::new((outer, inner))`: a `call`
    /// within a `call` nests the error, and the default classifier of the outer one takes a refusal of
    /// the inner one for a failure.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when the policy refused, [`Error::Inner`] with the call's own error.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back what it holds and the call counts as
    /// [`Outcome::Abandoned`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::CircuitBreaker;
    ///
    /// let breaker = CircuitBreaker::builder().name("files").build()?;
    /// let text = breaker.call(|| tokio::fs::read_to_string("Cargo.toml")).await?;
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, Fut, T, E>(&self, call: F) -> Call<F, Self>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        P: Admit<()>,
        C: Classify<T, Error<E>>,
    {
        ResponseFuture::once(self, call)
    }

    /// Asks for the right to run one call, for code that does not look like a call.
    ///
    /// # Errors
    ///
    /// The refusal, when the policy refused.
    ///
    /// ```
    /// use buttress::CircuitBreaker;
    ///
    /// let breaker = CircuitBreaker::builder().name("printer").build()?;
    /// let permit = breaker.try_acquire()?;
    /// match std::fs::metadata("/dev/lp0") {
    ///     Ok(_) => permit.success(),
    ///     Err(_) => permit.failure(),
    /// }
    /// assert_eq!(breaker.snapshot().calls, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<Self>, Rejected>
    where
        P: Admit<(), Queues = No>,
    {
        match self.admit(&Now::lazy(), &()) {
            Admission::Granted(ticket) => Ok(Permit(Settlement::new(self, ticket))),
            Admission::Refused(no) => Err(no),
            Admission::Wait(never) => match never {},
        }
    }
}

impl<P, C> Clone for Guard<P, C> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: fmt::Debug, C> fmt::Debug for Guard<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(self.policy()).finish()
    }
}

impl<S, P, C> Layer<S> for Guard<P, C> {
    type Service = Guarded<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded::new(inner, self.clone())
    }
}

impl<T, E, P, C: Classify<T, E>> Classify<T, E> for Guard<P, C> {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self.classifier().classify(result)
    }

    fn delay_hint(&self, result: Result<&T, &E>) -> Option<std::time::Duration> {
        self.classifier().delay_hint(result)
    }
}

impl<P: Policy, C> Policy for Guard<P, C> {
    type Ticket = P::Ticket;
    type Wait = P::Wait;
    type Queues = P::Queues;
    type Settles = P::Settles;

    #[inline]
    fn check(&self, now: &Now) -> Option<Rejected> {
        self.policy().check(now)
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        self.policy().refuse(rejected, now)
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        self.policy().leave(wait);
    }

    fn cancel(&self, ticket: Self::Ticket) {
        self.policy().cancel(ticket);
    }

    #[inline]
    fn settle(&self, ticket: Self::Ticket, outcome: Outcome, now: &Now) {
        self.policy().settle(ticket, outcome, now);
    }

    fn idle(&self, now: &Now) -> bool {
        self.policy().idle(now)
    }
}

impl<R: ?Sized, P: Admit<R>, C> Admit<R> for Guard<P, C> {
    #[inline]
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        match self.policy().admit(now, request) {
            Admission::Granted(ticket) => Admission::Granted(ticket),
            Admission::Refused(no) => Admission::Refused(no),
            Admission::Wait(wait) => Admission::Wait(wait),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>> {
        self.policy().poll_wait(wait, request, now, cx)
    }
}
