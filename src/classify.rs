//! What a result says about the dependency.

use std::time::Duration;

use crate::error::Refusal;

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
/// Most say what is special and leave the rest to [`OnError`]. And a closure that captures nothing is a
/// `fn`, whose type has a name, for a struct's field:
///
/// ```
/// use buttress::{CircuitBreaker, Classify, Error, OnError, Outcome};
///
/// type Judge = fn(Result<&u16, &Error<std::io::Error>>) -> Outcome;
///
/// struct Client {
///     breaker: CircuitBreaker<Judge>,
/// }
///
/// let judge: Judge = |result| match result {
///     Ok(status) if *status >= 500 => Outcome::Failure,
///     _ => OnError.classify(result),
/// };
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

    /// How long the dependency asks to be left alone, when the result says so (`Retry-After` and
    /// the like). For policies that repeat calls.
    fn delay_hint(&self, result: Result<&T, &E>) -> Option<Duration> {
        let _ = result;
        None
    }
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

impl<T, E: Refusal> Classify<T, E> for OnError {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        match result.map_err(Refusal::rejected) {
            Ok(_) => Outcome::Success,
            Err(Some(refusal)) if !refusal.started() => Outcome::Ignored,
            Err(_) => Outcome::Failure,
        }
    }

    fn delay_hint(&self, result: Result<&T, &E>) -> Option<Duration> {
        result.err()?.rejected()?.retry_after()
    }
}

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

    use super::{Classify, OnError, Outcome};
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
}
