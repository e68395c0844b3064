//! The error of a service that speaks HTTP.

use std::{
    error::Error as StdError,
    fmt,
    ops::Deref,
    task::{Context, Poll},
};

use futures::future::{MapErr, TryFutureExt};
use tower::{Layer, Service};

use super::{head::ResponseHead, on_status::OnStatus};
use crate::{
    classify::{Advice, Outcome, Verdict},
    error::{Error, Rejected},
};

/// An [`Error`] of a service that speaks HTTP: by it the default classifier knows that responses have a
/// status, and judges them as [`OnStatus`] does.
///
/// Made by the [`Adapt`] of this module. It is read like the error that it holds, and turns into that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault<E> {
    error: Error<E>,
    /// What the service's own error says.
    outcome: Outcome,
}

impl<E> Fault<E> {
    /// An error of the service itself: a failure.
    pub const fn failure(error: E) -> Self {
        Self::new(error, Outcome::Failure)
    }

    /// An error that says nothing about the dependency: the request was never sent, or its own body failed.
    pub const fn ignored(error: E) -> Self {
        Self::new(error, Outcome::Ignored)
    }

    const fn new(error: E, outcome: Outcome) -> Self {
        Self {
            error: Error::Inner(error),
            outcome,
        }
    }

    /// The error that it is.
    #[must_use]
    pub fn into_error(self) -> Error<E> {
        self.error
    }
}

impl<E> Deref for Fault<E> {
    type Target = Error<E>;

    fn deref(&self) -> &Error<E> {
        &self.error
    }
}

impl<E> From<Rejected> for Fault<E> {
    fn from(rejected: Rejected) -> Self {
        let outcome = rejected.outcome();
        Self {
            error: Error::Rejected(rejected),
            outcome,
        }
    }
}

impl<E> From<Fault<E>> for Error<E> {
    fn from(fault: Fault<E>) -> Self {
        fault.error
    }
}

impl<E> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: StdError + 'static> StdError for Fault<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl<T: ResponseHead, E> Verdict<T> for Fault<E> {
    #[inline]
    fn classify(result: Result<&T, &Self>) -> Outcome {
        match result {
            Ok(response) => USUAL.outcome(response),
            Err(fault) => fault.outcome,
        }
    }

    #[inline]
    fn advise(result: Result<&T, &Self>) -> Advice {
        match result {
            Ok(response) => USUAL.advice(response),
            Err(fault) => match (&fault.error, fault.outcome) {
                (Error::Rejected(no), _) => no.advice(),
                (Error::Inner(_), Outcome::Failure) => Advice::Retry,
                (Error::Inner(_), _) => Advice::Stop,
            },
        }
    }

    #[inline]
    fn refusal(fault: &Self) -> Option<&Rejected> {
        fault.rejected()
    }
}

static USUAL: OnStatus = OnStatus::new();

/// The innermost layer over a service that speaks HTTP: turns its error `E` into [`Fault<E>`], so that every
/// pattern around it judges by status, with nothing more to be said.
///
/// ```
/// use buttress::{CircuitBreaker, http::{Adapt, Fault}};
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let breaker = CircuitBreaker::builder().build()?;
/// let members = ServiceBuilder::new()
///     .layer(breaker)
///     .layer(Adapt)
///     .service(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
/// # fn check<S: Service<Request<()>, Error = Fault<Infallible>>>(_: S) {}
/// # check(members);
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Adapt;

impl Adapt {
    /// The same, where not every error is a failure: `says` tells which are.
    ///
    /// A client fails as well when the request's own body does: a caller that breaks off an upload through a
    /// gateway would count against the server. This is how it looks with hyper-util's client (which says so over
    /// HTTP/1 only):
    ///
    /// ```
    /// use buttress::{CircuitBreaker, http::{Adapt, Fault}};
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use hyper_util::{client::legacy::{Client, Error}, rt::TokioExecutor};
    /// use std::error::Error as _;
    /// use tower::ServiceBuilder;
    ///
    /// fn says(error: Error) -> Fault<Error> {
    ///     let cause = error.source().and_then(|it| it.downcast_ref::<hyper::Error>());
    ///     match cause.is_some_and(hyper::Error::is_user) {
    ///         true => Fault::ignored(error),
    ///         false => Fault::failure(error),
    ///     }
    /// }
    ///
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let pages = ServiceBuilder::new()
    ///     .layer(breaker)
    ///     .layer(Adapt::by(says))
    ///     .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    /// # let _ = pages;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub const fn by<F>(says: F) -> AdaptBy<F> {
        AdaptBy { says }
    }
}

impl<S> Layer<S> for Adapt {
    type Service = Adapted<S>;

    fn layer(&self, inner: S) -> Adapted<S> {
        Adapted { inner }
    }
}

/// A service under [`Adapt`].
#[derive(Debug, Clone)]
pub struct Adapted<S> {
    inner: S,
}

impl<S, R> Service<R> for Adapted<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = Fault<S::Error>;
    type Future = MapErr<S::Future, fn(S::Error) -> Fault<S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Fault::failure)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.inner.call(request).map_err(Fault::failure)
    }
}

/// The innermost layer over a service not all of whose errors are failures: made by [`Adapt::by`].
#[derive(Clone, Copy)]
pub struct AdaptBy<F> {
    says: F,
}

impl<S, F: Clone> Layer<S> for AdaptBy<F> {
    type Service = AdaptedBy<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        AdaptedBy {
            inner,
            says: self.says.clone(),
        }
    }
}

impl<F> fmt::Debug for AdaptBy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptBy").finish_non_exhaustive()
    }
}

/// A service under [`AdaptBy`].
#[derive(Clone)]
pub struct AdaptedBy<S, F> {
    inner: S,
    says: F,
}

impl<S, R, F> Service<R> for AdaptedBy<S, F>
where
    S: Service<R>,
    F: Fn(S::Error) -> Fault<S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Fault<S::Error>;
    type Future = MapErr<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(&self.says)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.inner.call(request).map_err(self.says.clone())
    }
}

impl<S: fmt::Debug, F> fmt::Debug for AdaptedBy<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptedBy")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
