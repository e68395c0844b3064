//! A closure that makes attempts, as a service: how one future serves code without tower.

use std::{
    fmt,
    future::Future,
    task::{Context, Poll},
};

use futures::future::{MapErr, TryFutureExt};
use tower::Service;

use super::keep::Attempt;
use crate::error::Error;

/// A closure that makes attempts, as a service; its errors become [`Error::Inner`].
#[derive(Clone)]
pub struct Repeat<F>(pub(crate) F);

/// A closure that makes attempts, as a service; its errors stay as they are.
#[derive(Clone)]
pub struct RepeatFlat<F>(pub(crate) F);

impl<F, Fut, T, E> Service<Attempt> for Repeat<F>
where
    F: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = Error<E>;
    type Future = MapErr<Fut, fn(E) -> Error<E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, attempt: Attempt) -> Self::Future {
        (self.0)(attempt).map_err(Error::Inner)
    }
}

impl<F, Fut, T, E> Service<Attempt> for RepeatFlat<F>
where
    F: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, attempt: Attempt) -> Fut {
        (self.0)(attempt)
    }
}

impl<F> fmt::Debug for Repeat<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeat").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for RepeatFlat<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepeatFlat").finish_non_exhaustive()
    }
}
