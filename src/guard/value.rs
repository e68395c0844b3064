//! The value that is the layer and the handle.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tower::Layer;

use super::{
    once::{Acquire, Call, FlatCall},
    patient::Patient,
    policy::{Admission, Admit, No, Policy},
    service::{Guarded, ResponseFuture},
    settle::{Judge, Permit},
    several::Several,
    until::{Bounded, Patience, Until},
};
use crate::{
    classify::{Advice, Classify, OnError, Outcome},
    deadline::{CarryDeadline, NoDeadline},
    error::{CarryRejected, Error, Rejected},
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
pub struct Guard<P, C = OnError, D = NoDeadline> {
    pub(super) shared: Arc<Shared<P, C>>,
    /// In place: by default it takes no room, in a guard and in every call.
    until: D,
}

pub(super) struct Shared<P, C> {
    pub(super) policy: P,
    classify: C,
}

impl<P> Guard<P> {
    /// A guard that takes an error for a failure ([`OnError`]).
    pub fn new(policy: P) -> Self {
        Self::judged(policy, OnError)
    }

    /// One guard of two to six policies, outermost first. See
    /// [the module](crate::guard#several-policies).
    ///
    /// ```
    /// use buttress::{CircuitBreaker, guard::Guard};
    ///
    /// let host = CircuitBreaker::builder().name("host").build()?;
    /// let route = CircuitBreaker::builder().name("route").build()?;
    /// let tenant = CircuitBreaker::builder().name("tenant").build()?;
    /// // In a type they stand as pairs.
    /// let all: Guard<(CircuitBreaker, (CircuitBreaker, CircuitBreaker))> =
    ///     Guard::all((tenant, route, host));
    /// # let _ = all;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub fn all(policies: impl Several<Nested = P>) -> Self {
        Self::new(policies.nest())
    }
}

impl<P, C> Guard<P, C> {
    /// A guard whose results are judged by `classify`.
    pub fn judged(policy: P, classify: C) -> Self {
        Self {
            shared: Arc::new(Shared { policy, classify }),
            until: NoDeadline,
        }
    }
}

impl<P, C, D> Guard<P, C, D> {
    /// The same policy, in which calls wait no longer than to their request's deadline: the strategy
    /// says where to find it. See [the module](crate::guard#a-deadline-for-the-wait).
    ///
    /// It is asked of a request that has to wait, and of no other. A policy that cannot wait takes no
    /// notice of it.
    ///
    /// ```
    /// use buttress::{Deadline, OnError, guard::{Guard, Until}};
    ///
    /// struct Request {
    ///     answer_by: Option<Deadline>,
    /// }
    ///
    /// type Answer = fn(&Request) -> Option<Deadline>;
    ///
    /// /// Whatever makes calls wait.
    /// fn patient<P>(printers: Guard<P>) -> Guard<P, OnError, Until<Answer>> {
    ///     printers.deadline(|request| request.answer_by)
    /// }
    /// ```
    #[must_use]
    pub fn deadline<T>(self, strategy: T) -> Guard<P, C, Until<T>> {
        Guard {
            shared: self.shared,
            until: Until(strategy),
        }
    }

    /// A guard around another policy, and all else as here.
    pub(crate) fn around<O>(&self, policy: O) -> Guard<O, C, D>
    where
        C: Clone,
        D: Clone,
    {
        let classify = self.shared.classify.clone();
        Guard {
            shared: Arc::new(Shared { policy, classify }),
            until: self.until.clone(),
        }
    }

    /// A policy whose waits end as this guard's do.
    #[inline]
    pub(crate) const fn patient<'a, Q>(&'a self, policy: &'a Q) -> Patient<'a, Q, D> {
        Patient::new(policy, &self.until)
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

impl<P: Policy, C, D: Patience + Clone> Guard<P, C, D> {
    /// Runs one call without tower.
    ///
    /// Whether it may start is decided here and now; what `call` makes runs only when it may.
    ///
    /// For several policies around one call make a guard of them, `Guard::new((outer, inner))`, or let the
    /// outer ones take [`call_flat`](Self::call_flat): a `call` within a `call` nests the error, and the
    /// default classifier of the outer one takes a refusal of the inner one for a failure.
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
        P::Judges: Judge<Self, T, Error<E>>,
        D: CarryDeadline<()>,
    {
        ResponseFuture::once(self, call)
    }

    /// The same for a call whose error can hold a refusal already, as that of another pattern's `call`:
    /// it stays as it is, so that patterns within patterns have one flat error.
    ///
    /// # Errors
    ///
    /// The call's own, or the refusal in it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::{CircuitBreaker, Error, Retry, Timeout};
    /// use std::time::Duration;
    ///
    /// let retry = Retry::builder().build()?;
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let timeout = Timeout::builder(Duration::from_secs(3)).build()?;
    ///
    /// let read = || tokio::fs::read_to_string("Cargo.toml");
    /// let attempt = |_| breaker.call_flat(|| timeout.call(read));
    /// let text: Result<String, Error<std::io::Error>> = retry.call_flat(attempt).await;
    /// # assert!(text?.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_flat<F, Fut, T, E>(&self, call: F) -> FlatCall<F, Self>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: CarryRejected,
        P: Admit<()>,
        P::Judges: Judge<Self, T, E>,
        D: CarryDeadline<()>,
    {
        ResponseFuture::once_flat(self, call)
    }

    /// Asks for the right to run one call, for code that does not look like a call.
    ///
    /// Only where no call can be made to wait: a bulkhead with a queue and a rate limit with a `max_wait`
    /// have [`acquire`](Self::acquire) instead.
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
        Permit::ask(self, self.policy())
    }

    /// Asks for the right to run one call, and waits for it if the policy makes it wait.
    ///
    /// Whether it may start at once is decided here and now; its turn in a queue begins here, too.
    ///
    /// # Errors
    ///
    /// The refusal, when the policy refused.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point, and gives up its turn.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::Bulkhead;
    /// use std::time::Duration;
    ///
    /// let wait = Duration::from_secs(5);
    /// let printer = Bulkhead::builder(1).max_queue(8).max_wait(wait).build()?;
    /// let permit = printer.acquire().await?;
    /// // ... print ...
    /// permit.success();
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Acquire<Self>
    where
        P: Admit<()>,
        D: CarryDeadline<()>,
    {
        ResponseFuture::acquire(self)
    }
}

impl<P, C, D: Clone> Clone for Guard<P, C, D> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            until: self.until.clone(),
        }
    }
}

impl<P: fmt::Debug, C, D> fmt::Debug for Guard<P, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(self.policy()).finish()
    }
}

impl<S, P, C, D: Clone> Layer<S> for Guard<P, C, D> {
    type Service = Guarded<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded::new(inner, self.clone())
    }
}

impl<T, E, P, C: Classify<T, E>, D> Classify<T, E> for Guard<P, C, D> {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self.classifier().classify(result)
    }

    #[inline]
    fn advise(&self, result: Result<&T, &E>) -> Advice {
        self.classifier().advise(result)
    }
}

impl<P: Policy, C, D: Patience> Policy for Guard<P, C, D> {
    type Ticket = P::Ticket;
    type Wait = Bounded<P::Wait, D::Ends>;
    type Queues = P::Queues;
    type Settles = P::Settles;
    type Judges = P::Judges;

    const KEEPS: bool = P::KEEPS;

    #[inline]
    fn check(&self, now: &Now) -> Option<Rejected> {
        self.policy().check(now)
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        self.policy().refuse(rejected, now)
    }

    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        self.patient(self.policy()).leave(wait);
    }

    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        self.patient(self.policy()).over_at(wait)
    }

    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        self.patient(self.policy()).expire(wait, now)
    }

    fn cancel(&self, ticket: Self::Ticket) {
        self.policy().cancel(ticket);
    }

    fn answered(&self, ticket: &Self::Ticket, now: &Now) {
        self.policy().answered(ticket, now);
    }

    #[inline]
    fn settle(&self, ticket: Self::Ticket, outcome: Outcome, now: &Now) {
        self.policy().settle(ticket, outcome, now);
    }

    fn idle(&self, now: &Now) -> bool {
        self.policy().idle(now)
    }
}

impl<R: ?Sized, P: Admit<R>, C, D: Patience + CarryDeadline<R>> Admit<R> for Guard<P, C, D> {
    #[inline(always)]
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        self.patient(self.policy()).admit(now, request)
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>> {
        let patient = self.patient(self.policy());
        patient.poll_wait(wait, request, now, cx)
    }
}
