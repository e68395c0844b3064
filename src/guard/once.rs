//! A closure as a service that is called once: how the one shell serves code without tower.

use std::{
    fmt,
    future::{Future, Ready, ready},
    task::{Context, Poll},
};

use futures::future::{MapErr, TryFutureExt};
use tower::Service;

use super::{
    policy::Admit,
    service::{ResponseFuture, State},
    settle::{AsPermit, AtResponse},
};
use crate::{
    error::{Error, Rejected},
    sys::Now,
};

/// The future of [`Guard::call`](super::Guard::call).
pub type Call<F, G> = ResponseFuture<Once<F>, (), G, AtResponse>;

/// The future of [`Guard::call_flat`](super::Guard::call_flat).
pub type FlatCall<F, G> = ResponseFuture<OnceFlat<F>, (), G, AtResponse>;

/// The future of [`Guard::acquire`](super::Guard::acquire).
pub type Acquire<G> = ResponseFuture<Start, (), G, AsPermit>;

/// A call that only starts, as a service.
#[derive(Debug, Clone, Copy)]
pub struct Start;

impl Service<()> for Start {
    type Response = ();
    type Error = Rejected;
    type Future = Ready<Result<(), Rejected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

impl<G: Admit<()> + Clone> Acquire<G> {
    pub(crate) fn acquire(guard: &G) -> Self {
        let state = State::begin(guard, &mut Start, (), &Now::lazy(), |start, _| *start);
        Self::new(AsPermit, state)
    }
}

/// A closure that is called once, as a service; its errors become [`Error::Inner`].
pub struct Once<F>(Option<F>);

/// A closure that is called once, as a service; its errors stay as they are.
pub struct OnceFlat<F>(Option<F>);

impl<F> fmt::Debug for OnceFlat<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceFlat").finish_non_exhaustive()
    }
}

impl<F, Fut, T, E> Service<()> for OnceFlat<F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, (): ()) -> Fut {
        let call = self.0.take().expect("a guard calls once");
        call()
    }
}

impl<F, Fut, T, E, G> FlatCall<F, G>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    G: Admit<()> + Clone,
{
    #[inline]
    pub(crate) fn once_flat(guard: &G, call: F) -> Self {
        let mut service = OnceFlat(Some(call));
        let state = State::begin(guard, &mut service, (), &Now::lazy(), |service, _| {
            OnceFlat(service.0.take())
        });
        Self::new(AtResponse, state)
    }
}

impl<F> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl<F, Fut, T, E> Service<()> for Once<F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = Error<E>;
    type Future = MapErr<Fut, fn(E) -> Error<E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, (): ()) -> Self::Future {
        let call = self.0.take().expect("a guard calls once");
        call().map_err(Error::Inner)
    }
}

impl<F, Fut, T, E, G> Call<F, G>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    G: Admit<()> + Clone,
{
    #[inline]
    pub(crate) fn once(guard: &G, call: F) -> Self {
        let mut service = Once(Some(call));
        let state = State::begin(guard, &mut service, (), &Now::lazy(), |service, _| {
            Once(service.0.take())
        });
        Self::new(AtResponse, state)
    }
}
