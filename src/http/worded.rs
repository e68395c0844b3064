//! A service that is asked in the words of HTTP.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower::Service;

use super::{fault::Fault, sent::Sent};

/// A service that is sent requests in the words of HTTP. `E` is its error.
///
/// It is always ready, since whoever asks has no time to wait before a call: each call makes a clone of the
/// service ready and calls that.
#[derive(Debug)]
pub struct Worded<S, E> {
    inner: S,
    /// What an error of it says.
    fault: fn(E) -> Fault<E>,
}

impl<S, E> Worded<S, E> {
    pub(crate) const fn new(inner: S, fault: fn(E) -> Fault<E>) -> Self {
        Self { inner, fault }
    }
}

impl<S: Clone, E> Clone for Worded<S, E> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.fault)
    }
}

impl<S: Service<R> + Clone, R> Service<Sent<R>> for Worded<S, S::Error> {
    type Response = S::Response;
    type Error = Fault<S::Error>;
    type Future = Asked<S, R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, sent: Sent<R>) -> Self::Future {
        Asked {
            state: State::Waiting {
                service: self.inner.clone(),
                request: Some(sent.into_inner()),
            },
            fault: self.fault,
        }
    }
}

/// The future of a [`Worded`] service: waits until its own clone of the service is ready, and calls it.
#[must_use = "a request that is not awaited is not sent"]
#[pin_project]
pub struct Asked<S: Service<R>, R> {
    #[pin]
    state: State<S, R>,
    fault: fn(S::Error) -> Fault<S::Error>,
}

#[pin_project(project = Progress)]
enum State<S: Service<R>, R> {
    Waiting {
        service: S,
        /// Nothing once it was sent.
        request: Option<R>,
    },
    Running(#[pin] S::Future),
}

impl<S: Service<R>, R> Future for Asked<S, R> {
    type Output = Result<S::Response, Fault<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let running = match this.state.as_mut().project() {
                Progress::Running(future) => return future.poll(cx).map_err(*this.fault),
                Progress::Waiting { service, request } => {
                    ready!(service.poll_ready(cx)).map_err(*this.fault)?;
                    service.call(request.take().expect("polled after it answered"))
                }
            };
            this.state.set(State::Running(running));
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for Asked<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}
