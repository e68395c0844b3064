//! A closure as a service: how the one future serves code without tower.

use std::future::Future;

use futures::future::TryFutureExt;

use super::{
    core::Core,
    future::{Plan, ResponseFuture},
    handle::Retry,
};
use crate::{
    classify::Classify,
    error::{CarryRejected, Error},
    replay::{Attempt, Repeat, RepeatFlat},
};

/// The future of [`Retry::call`].
pub type Call<F, P> = ResponseFuture<Repeat<F>, Attempt, Closure<P>>;

/// The future of [`Retry::call_flat`].
pub type FlatCall<F, P> = ResponseFuture<RepeatFlat<F>, Attempt, Closure<P>>;

/// A retry, for calls whose attempts need nothing but their number.
#[derive(Debug, Clone)]
pub struct Closure<P>(P);

impl<S, C, Y, D> Plan<S, Attempt> for Closure<Retry<C, Y, D>> {
    type Judge = C;
    type Kept = ();

    #[inline]
    fn core<'a>(&'a self, _: &'a S) -> &'a Core {
        self.0.state()
    }

    #[inline]
    fn judge<'a>(&'a self, _: &'a S) -> &'a C {
        self.0.classifier()
    }

    fn again(&self, _: &S, (): &(), attempt: Attempt) -> Option<Attempt> {
        Some(attempt)
    }

    fn last(&self, _: &S, (): (), attempt: Attempt) -> Option<Attempt> {
        Some(attempt)
    }
}

impl<C, Y, D> Retry<C, Y, D> {
    /// Makes attempts without tower. The closure is asked for each, with its number; for the first one
    /// here and now.
    ///
    /// For a closure whose error can hold a refusal already (another pattern's `call`, an enum of
    /// yours) take [`call_flat`](Self::call_flat): here an error within an error is a failure like any
    /// other, so that an open breaker's refusal would be retried. For a deadline see
    /// [`until`](ResponseFuture::until). What judges the results sees [`Error<E>`](Error).
    ///
    /// # Errors
    ///
    /// The last attempt's, in [`Error::Inner`]. Never "retries exhausted".
    ///
    /// # Panics
    ///
    /// The future panics when it has to wait outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back what it holds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::Retry;
    ///
    /// let retry = Retry::builder().name("files").build()?;
    /// let text = retry.call(|_| tokio::fs::read_to_string("Cargo.toml")).await?;
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, Fut, T, E>(&self, mut attempts: F) -> Call<F, Self>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, Error<E>>,
    {
        let first = attempts(Attempt::FIRST).map_err(Error::Inner as fn(E) -> Error<E>);
        let plan = Closure(self.clone());
        ResponseFuture::running(plan, Repeat(attempts), Some(()), None, first)
    }

    /// The same for a closure whose error can hold a refusal already: it stays as it is, so that
    /// patterns within patterns have one flat error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::{CircuitBreaker, Retry};
    ///
    /// let retry = Retry::builder().name("files").build()?;
    /// let breaker = CircuitBreaker::builder().name("files").build()?;
    /// let read = || tokio::fs::read_to_string("Cargo.toml");
    /// let text: Result<_, buttress::Error<std::io::Error>> =
    ///     retry.call_flat(|_| breaker.call(read)).await;
    /// # assert!(text?.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The last attempt's.
    pub fn call_flat<F, Fut, T, E>(&self, mut attempts: F) -> FlatCall<F, Self>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: CarryRejected,
        C: Classify<T, E>,
    {
        let first = attempts(Attempt::FIRST);
        let plan = Closure(self.clone());
        ResponseFuture::running(plan, RepeatFlat(attempts), Some(()), None, first)
    }
}
