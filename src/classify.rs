//! What a result says about the dependency.

use std::{fmt, time::Duration};

use crate::error::{Refusal, Rejected};

/// How a call ended, in the eyes of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// The call ended and says nothing about the dependency (a caller's own mistake, say).
    Ignored,
    /// The call was dropped before it ended, or its classifier panicked.
    Abandoned,
}

impl Outcome {
    /// The name used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Ignored => "ignored",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Judges a result. Judging is not acting: a classifier only looks.
///
/// Any closure `Fn(Result<&T, &E>) -> Outcome` is one:
///
/// ```
/// use buttress::{CircuitBreaker, Outcome};
/// use tower::BoxError;
///
/// let breaker = CircuitBreaker::builder()
///     .classify(|result: Result<&u16, &BoxError>| match result {
///         Ok(status) if *status >= 500 => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///         Err(_) => Outcome::Failure,
///     })
///     .build()?;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
///
/// Most say what is special and leave the rest to [`OnError`], with [`except`](OnError::except). And a
/// closure that captures nothing is a `fn`, whose type has a name, for a struct's field:
///
/// ```
/// use buttress::{CircuitBreaker, Error, Except, OnError, Outcome};
///
/// type Judge = Except<fn(Result<&u16, &Error<std::io::Error>>) -> Option<Outcome>>;
///
/// struct Client {
///     breaker: CircuitBreaker<Judge>,
/// }
///
/// let judge: Judge = OnError.except(|result| match result {
///     Ok(500..) => Some(Outcome::Failure),
///     _ => None,
/// });
/// let client = Client {
///     breaker: CircuitBreaker::builder().classify(judge).build()?,
/// };
/// # let _ = client.breaker;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
///
/// It runs outside every lock. When it panics, the call counts as [`Outcome::Abandoned`] and the
/// panic travels on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot judge a `Result<&{T}, &{E}>`",
    label = "not a classifier for this service's responses and errors",
    note = "a classifier is a closure `|result: Result<&{T}, &{E}>| -> Outcome`, its parameter's type written out, or a type that implements `buttress::Classify<{T}, {E}>`",
    note = "`OnError`, the default, needs `impl buttress::Refusal for {E}` (three lines); over somebody else's error put `.layer(buttress::Adapt)` innermost"
)]
pub trait Classify<T, E> {
    /// What this result says about the dependency.
    fn classify(&self, result: Result<&T, &E>) -> Outcome;

    /// Whether another attempt may help, for policies that make some. Unless said otherwise: after a
    /// failure, and only then.
    fn advise(&self, result: Result<&T, &E>) -> Advice {
        match self.classify(result) {
            Outcome::Failure => Advice::Retry,
            _ => Advice::Stop,
        }
    }
}

/// What a result says about another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// The answer stands.
    Stop,
    /// Another attempt may help, after the policy's own backoff.
    Retry,
    /// Another attempt may help, and the dependency asks not to come earlier than this from now
    /// (`Retry-After`, gRPC pushback).
    RetryAfter(Duration),
    /// One of our own policies refused and nothing was started; with the time after which it is worth
    /// asking again, if it knows. Repeated only by a policy that was told to.
    Refused(Option<Duration>),
}

/// The default classifier: an error is a failure, a response a success.
///
/// A refusal of one of our own policies further in counts for what it is: one that was not started
/// is [`Outcome::Ignored`], since the dependency was not asked; an expired timeout is a failure. It
/// looks into a boxed error's chain of sources, but not into an [`Error`](crate::Error) within an
/// [`Error`](crate::Error): put policies of one call into one guard, or stack them as layers, rather
/// than a `call` into a `call`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnError;

impl<T, E: Verdict<T>> Classify<T, E> for OnError {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        E::classify(result)
    }

    #[inline]
    fn advise(&self, result: Result<&T, &E>) -> Advice {
        E::advise(result)
    }
}

/// What the default classifier asks the type of a service's errors: what a result of that service says.
///
/// Every [`Refusal`] has an answer: an error is a failure, but for refusals. A type that knows more about
/// what it is an error of implements this in its stead. Those of protocols do: an `http::Fault` knows that
/// a response has a status, and a `tonic::Status` that not every code is the server's fault.
///
/// ```
/// use buttress::{Advice, Outcome, Rejected, Verdict};
///
/// enum ShopError {
///     NoSuchMember,
///     Broken,
///     Refused(Rejected),
/// }
///
/// impl From<Rejected> for ShopError {
///     fn from(rejected: Rejected) -> Self {
///         Self::Refused(rejected)
///     }
/// }
///
/// impl<T> Verdict<T> for ShopError {
///     fn classify(result: Result<&T, &Self>) -> Outcome {
///         match result {
///             Ok(_) | Err(Self::NoSuchMember) => Outcome::Success,
///             Err(Self::Broken) => Outcome::Failure,
///             Err(Self::Refused(no)) => no.outcome(),
///         }
///     }
///
///     fn advise(result: Result<&T, &Self>) -> Advice {
///         match result {
///             Ok(_) | Err(Self::NoSuchMember) => Advice::Stop,
///             Err(Self::Broken) => Advice::Retry,
///             Err(Self::Refused(no)) => no.advice(),
///         }
///     }
/// }
/// # use buttress::{Classify, OnError};
/// # let judged = OnError.classify(Err::<&(), _>(&ShopError::NoSuchMember));
/// # assert_eq!(judged, Outcome::Success);
/// ```
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot show a refusal that it holds",
    label = "the default classifier asks this service's error for `buttress::Refusal`",
    note = "for an error type of yours: add `impl From<buttress::Rejected> for {Self}` and `impl buttress::Refusal for {Self}` (three lines)",
    note = "for somebody else's: put `.layer(buttress::Adapt)` innermost, right before the service",
    note = "a boxed error (`tower::BoxError`) works as it is; a classifier of your own (`.classify(..)`) needs only `From<buttress::Rejected>`"
)]
pub trait Verdict<T> {
    /// What this result says about the dependency.
    fn classify(result: Result<&T, &Self>) -> Outcome;

    /// Whether another attempt may help.
    fn advise(result: Result<&T, &Self>) -> Advice;

    /// The refusal of one of our own policies, if this error shows one: for classifiers with a list of their
    /// own. Unless said otherwise it does not.
    fn refusal(error: &Self) -> Option<&Rejected> {
        let _ = error;
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T, E: Refusal> Verdict<T> for E {
    #[inline]
    fn classify(result: Result<&T, &E>) -> Outcome {
        match result.map_err(Refusal::rejected) {
            Ok(_) => Outcome::Success,
            Err(Some(refusal)) => refusal.outcome(),
            Err(None) => Outcome::Failure,
        }
    }

    #[inline]
    fn advise(result: Result<&T, &E>) -> Advice {
        match result.map_err(Refusal::rejected) {
            Ok(_) => Advice::Stop,
            Err(Some(refusal)) => refusal.advice(),
            Err(None) => Advice::Retry,
        }
    }

    #[inline]
    fn refusal(error: &E) -> Option<&Rejected> {
        error.rejected()
    }
}

impl Rejected {
    /// What it says about the dependency behind the policy that refused: nothing, if that was not asked;
    /// an expired timeout is a failure.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        if self.started() {
            Outcome::Failure
        } else {
            Outcome::Ignored
        }
    }

    /// What it says about another attempt.
    #[must_use]
    pub const fn advice(&self) -> Advice {
        if self.started() {
            Advice::Retry
        } else {
            Advice::Refused(self.retry_after())
        }
    }
}

impl OnError {
    /// A classifier that says `Some` of what is special, and leaves the rest to this one, which knows
    /// refusals of our own policies as well: a fallback takes them up, a retry leaves them alone. (A
    /// closure that asks `OnError` for an outcome loses that, since a refusal's outcome is `Ignored`, as
    /// that of a caller's own mistake may be.)
    ///
    /// ```
    /// use buttress::{CircuitBreaker, Fallback, OnError, Outcome, Reason, Refusal};
    /// use tower::BoxError;
    ///
    /// // Callers in haste say nothing about the service.
    /// let breaker = CircuitBreaker::builder()
    ///     .classify(OnError.except(|result: Result<&u16, &BoxError>| {
    ///         let reason = result.err()?.rejected()?.reason();
    ///         (reason == Reason::DeadlineExceeded).then_some(Outcome::Ignored)
    ///     }))
    ///     .build()?;
    ///
    /// let fallback = Fallback::value(200)
    ///     .classify(OnError.except(|result: Result<&u16, &BoxError>| match result {
    ///         Ok(500..) => Some(Outcome::Failure),
    ///         _ => None,
    ///     }))
    ///     .build()?;
    /// # let _ = (breaker, fallback);
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub const fn except<F>(self, judge: F) -> Except<F> {
        Except(judge)
    }
}

/// What is special, and [`OnError`] for the rest: made by [`OnError::except`].
#[derive(Clone, Copy)]
pub struct Except<F>(F);

impl<F> fmt::Debug for Except<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Except").finish_non_exhaustive()
    }
}

impl<T, E, F> Classify<T, E> for Except<F>
where
    E: Verdict<T>,
    F: Fn(Result<&T, &E>) -> Option<Outcome>,
{
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self.0(result).unwrap_or_else(|| OnError.classify(result))
    }

    #[inline]
    fn advise(&self, result: Result<&T, &E>) -> Advice {
        match self.0(result) {
            Some(Outcome::Failure) => Advice::Retry,
            Some(_) => Advice::Stop,
            None => OnError.advise(result),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T, E, F> Classify<T, E> for F
where
    F: Fn(Result<&T, &E>) -> Outcome,
{
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self(result)
    }
}

#[cfg(test)]
mod tests {
    use tower::BoxError;

    use std::time::Duration;

    use super::{Advice, Classify, OnError, Outcome};
    use crate::error::{Error, Reason, Rejected};

    #[test]
    fn our_own_refusals_count_for_what_they_are() {
        let judge = |error: BoxError| OnError.classify(Err::<&(), _>(&error));
        assert_eq!(judge("boom".into()), Outcome::Failure);
        assert_eq!(
            judge(Rejected::new("inner", Reason::Open).into()),
            Outcome::Ignored
        );
        assert_eq!(
            judge(Rejected::new("inner", Reason::TimedOut).into()),
            Outcome::Failure
        );
        let flat = Error::<u8>::from(Rejected::new("inner", Reason::Full));
        assert_eq!(OnError.classify(Err::<&(), _>(&flat)), Outcome::Ignored);
        assert_eq!(
            OnError.classify(Err::<&(), _>(&Error::Inner(1))),
            Outcome::Failure
        );
    }

    #[test]
    fn advice_follows_the_outcome_and_names_our_own_refusals() {
        let advise = |error: BoxError| OnError.advise(Err::<&(), _>(&error));
        assert_eq!(advise("boom".into()), Advice::Retry);
        assert_eq!(OnError.advise(Ok::<_, &BoxError>(&())), Advice::Stop);
        assert_eq!(
            advise(Rejected::new("inner", Reason::TimedOut).into()),
            Advice::Retry
        );
        let after = Duration::from_secs(3);
        let open = Rejected::new("inner", Reason::Open).with_retry_after(after);
        assert_eq!(advise(open.into()), Advice::Refused(Some(after)));
        assert_eq!(
            advise(Rejected::new("inner", Reason::Expired).into()),
            Advice::Refused(None)
        );
        let judge = |_: Result<&(), &BoxError>| Outcome::Ignored;
        assert_eq!(judge.advise(Ok(&())), Advice::Stop);
        let judge = |_: Result<&(), &BoxError>| Outcome::Failure;
        assert_eq!(judge.advise(Ok(&())), Advice::Retry);
    }

    #[test]
    fn exceptions_come_first_and_our_own_refusals_stay_what_they_are() {
        let judge = OnError.except(|result: Result<&u16, &Error<u8>>| match result {
            Ok(500..) => Some(Outcome::Failure),
            Err(Error::Inner(4)) => Some(Outcome::Ignored),
            _ => None,
        });
        let refused = Error::from(Rejected::new("inner", Reason::Open));
        for (result, outcome, advice) in [
            (Ok(&503), Outcome::Failure, Advice::Retry),
            (Ok(&200), Outcome::Success, Advice::Stop),
            (Err(&Error::Inner(4)), Outcome::Ignored, Advice::Stop),
            (Err(&Error::Inner(5)), Outcome::Failure, Advice::Retry),
            (Err(&refused), Outcome::Ignored, Advice::Refused(None)),
        ] {
            assert_eq!(
                (judge.classify(result), judge.advise(result)),
                (outcome, advice)
            );
        }
    }
}
