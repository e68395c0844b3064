//! Refusals as responses: the layer and its service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::{Request, Response};
use bytes::Bytes;
use pin_project::pin_project;
use tower::{Layer, Service};

use super::{
    answer::{Answer, grpc_response, response},
    fault::{Adapt, Adapted, Fault},
    on_code::is_grpc,
};
use crate::error::{Error, Rejected};

/// Turns a layer of ours, or any stack of them, into one whose refusals are responses, and whose error is
/// the inner service's own.
///
/// So it stands where a service must not fail, as in an axum `Router`, with no `HandleErrorLayer`:
///
/// ```
/// use axum::{Router, routing::get};
/// use buttress::{Bulkhead, CircuitBreaker, Timeout, http::respond};
/// use std::time::Duration;
/// use tower::ServiceBuilder;
///
/// let protection = ServiceBuilder::new()
///     .layer(CircuitBreaker::builder().name("members").build()?)
///     .layer(Bulkhead::builder(64).name("members").build()?)
///     .layer(Timeout::builder(Duration::from_secs(2)).build()?);
/// let app: Router = Router::new()
///     .route("/members", get(|| async { "all of them" }))
///     .layer(respond(protection));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
///
/// A refusal is answered as [`response`] says, and a request of gRPC (by its `content-type`) with a
/// response of gRPC: HTTP's status 200, `grpc-status` by [`Reason::grpc_code`](crate::Reason::grpc_code),
/// `grpc-message`, and `grpc-retry-pushback-ms` in milliseconds, rounded up. So the same layer serves a
/// server of tonic's, and a client of tonic's or hyper's. (A browser's gRPC-Web is answered in HTTP's words,
/// which its clients map to codes: put this outside of what translates, or inside, where it is gRPC.)
///
/// The service that the layer gets is put into [`Adapt`] first: with default settings every policy judges by
/// status, as [`OnStatus`](super::OnStatus) does.
///
/// # Cancel safety
///
/// The future of a call can be dropped at any point: the layers inside give back all that they hold.
pub fn respond<L>(layer: L) -> Respond<L> {
    Respond {
        layer,
        answer: response,
    }
}

/// How a refusal is answered when nothing else is said: by [`response`].
pub type Usual = fn(&Rejected) -> Response<Bytes>;

/// A layer whose refusals are responses: made by [`respond`].
#[derive(Clone, Copy)]
pub struct Respond<L, A = Usual> {
    layer: L,
    answer: A,
}

impl<L, A> Respond<L, A> {
    /// The layer inside: the handle to its policies.
    pub const fn get_ref(&self) -> &L {
        &self.layer
    }

    /// Answers refusals otherwise, but for requests of gRPC: who sends those could not read it.
    ///
    /// The [`Rejected`] is put into the extensions of every answer, whatever it is made of: policies further
    /// out do not take it for a failure of the service.
    ///
    /// ```
    /// use buttress::{Bulkhead, Rejected, http::{Respond, Usual, respond}};
    /// use bytes::Bytes;
    /// use http::Response;
    ///
    /// fn in_plain_words(rejected: &Rejected) -> Response<Bytes> {
    ///     let usual = buttress::http::response(rejected);
    ///     usual.map(|_| Bytes::from_static(b"come back later"))
    /// }
    ///
    /// let bulkhead = Bulkhead::builder(64).build()?;
    /// let layer: Respond<Bulkhead, Usual> = respond(bulkhead).with(in_plain_words);
    /// assert_eq!(layer.get_ref().snapshot().in_flight, 0);
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub fn with<N>(self, answer: N) -> Respond<L, N>
    where
        N: Fn(&Rejected) -> Response<Bytes>,
    {
        Respond {
            layer: self.layer,
            answer,
        }
    }
}

impl<L: fmt::Debug, A> fmt::Debug for Respond<L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<S, L, A> Layer<S> for Respond<L, A>
where
    L: Layer<Adapted<S>>,
    A: Clone,
{
    type Service = Responding<L::Service, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Responding {
            inner: self.layer.layer(Adapt.layer(inner)),
            answer: self.answer.clone(),
            refused: None,
        }
    }
}

/// A service under [`respond`].
pub struct Responding<S, A = Usual> {
    inner: S,
    answer: A,
    /// The last `poll_ready` inside ended in a refusal.
    refused: Option<Rejected>,
}

impl<S, A> Responding<S, A> {
    /// The service inside, with the policies.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, A: Clone> Clone for Responding<S, A> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            answer: self.answer.clone(),
            refused: None,
        }
    }
}

impl<S: fmt::Debug, A> fmt::Debug for Responding<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responding")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, A, B, T, E> Service<Request<B>> for Responding<S, A>
where
    S: Service<Request<B>, Response = Response<T>, Error = Fault<E>>,
    A: Fn(&Rejected) -> Response<Bytes> + Clone,
{
    type Response = Response<Answer<T>>;
    type Error = E;
    type Future = Responded<S::Future, A>;

    /// Fails as the inner service does. A refusal is no failure: it is the answer of the call that follows.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.refused = None;
        match ready!(self.inner.poll_ready(cx)).map_err(Fault::into_error) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Error::Rejected(no)) => {
                self.refused = Some(no);
                Poll::Ready(Ok(()))
            }
            Err(Error::Inner(error)) => Poll::Ready(Err(error)),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let grpc = is_grpc(request.headers());
        let state = match self.refused.take() {
            Some(no) => State::Refused(Some(no)),
            None => State::Running(self.inner.call(request)),
        };
        Responded {
            state,
            grpc,
            answer: self.answer.clone(),
        }
    }
}

/// The future of a service under [`respond`].
#[must_use = "a call that is not awaited is abandoned"]
#[pin_project]
pub struct Responded<F, A = Usual> {
    #[pin]
    state: State<F>,
    grpc: bool,
    answer: A,
}

#[pin_project(project = Progress)]
enum State<F> {
    Running(#[pin] F),
    /// Before anything was called.
    Refused(Option<Rejected>),
}

impl<F, A, T, E> Future for Responded<F, A>
where
    F: Future<Output = Result<Response<T>, Fault<E>>>,
    A: Fn(&Rejected) -> Response<Bytes>,
{
    type Output = Result<Response<Answer<T>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let rejected = match this.state.project() {
            Progress::Running(future) => match ready!(future.poll(cx)).map_err(Fault::into_error) {
                Ok(response) => return Poll::Ready(Ok(response.map(Answer::from))),
                Err(Error::Inner(error)) => return Poll::Ready(Err(error)),
                Err(Error::Rejected(rejected)) => rejected,
            },
            Progress::Refused(no) => no.take().expect("polled after it answered"),
        };
        let mut response = match this.grpc {
            true => grpc_response(&rejected),
            false => (this.answer)(&rejected),
        };
        // An answer of one's own need not think of it.
        response.extensions_mut().insert(rejected);
        Poll::Ready(Ok(response.map(Answer::ours)))
    }
}

impl<F, A> fmt::Debug for Responded<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responded")
            .field("grpc", &self.grpc)
            .finish_non_exhaustive()
    }
}
