use std::{
    error::Error as StdError,
    fmt,
    task::{Context, Poll},
};

use futures::future::{MapErr, TryFutureExt};
use tower::{BoxError, Layer, Service};

use super::rejected::Rejected;
use std::time::Duration;

/// An error that can hold a [`Rejected`]: anything that implements `From<Rejected>`.
///
/// Never implemented by hand; it exists so that the compiler can say what to do when an error type
/// cannot hold a refusal.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot hold a refusal",
    label = "this service's error has no place for `buttress::Rejected`",
    note = "for an error type of yours: add `impl From<buttress::Rejected> for {Self}` (and `buttress::Refusal`, three lines)",
    note = "for somebody else's: put `.layer(buttress::Adapt)` innermost, right before the service",
    note = "a boxed error (`tower::BoxError`) works as it is"
)]
pub trait CarryRejected: From<Rejected> {}

#[diagnostic::do_not_recommend]
impl<E: From<Rejected>> CarryRejected for E {}

/// An error that can hold a [`Rejected`] and show it again.
///
/// The default classifier asks for it, so that a refusal of an inner policy is not taken for a
/// failure of the dependency. Given for [`BoxError`] and [`Error<E>`]; for an enum it takes three
/// lines:
///
/// ```
/// use buttress::{Refusal, Rejected};
///
/// enum ShopError {
///     Refused(Rejected),
///     Http(String),
/// }
///
/// impl From<Rejected> for ShopError {
///     fn from(rejected: Rejected) -> Self {
///         Self::Refused(rejected)
///     }
/// }
///
/// impl Refusal for ShopError {
///     fn rejected(&self) -> Option<&Rejected> {
///         if let Self::Refused(rejected) = self { Some(rejected) } else { None }
///     }
/// }
/// # let _ = ShopError::Http(String::new());
/// # assert!(ShopError::from(Rejected::new("p", buttress::Reason::Open)).rejected().is_some());
/// ```
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot show a refusal that it holds",
    label = "the default classifier asks this service's error for `buttress::Refusal`",
    note = "for an error type of yours: add `impl From<buttress::Rejected> for {Self}` and `impl buttress::Refusal for {Self}` (three lines)",
    note = "for somebody else's: put `.layer(buttress::Adapt)` innermost, right before the service",
    note = "a boxed error (`tower::BoxError`) works as it is; a classifier of your own (`.classify(..)`) needs only `From<buttress::Rejected>`"
)]
pub trait Refusal: From<Rejected> {
    /// The refusal, when this error is one.
    fn rejected(&self) -> Option<&Rejected>;
}

/// Also found when another error in the chain of sources has been put around it.
impl Refusal for BoxError {
    fn rejected(&self) -> Option<&Rejected> {
        let mut error: &(dyn StdError + 'static) = &**self;
        loop {
            if let Some(rejected) = error.downcast_ref() {
                return Some(rejected);
            }
            error = error.source()?;
        }
    }
}

/// Somebody else's error, or a refusal: what [`Adapt`] makes, and what
/// [`call`](crate::guard::Guard::call) returns.
///
/// However many policies are stacked, there is one level: every one of them puts its refusal into
/// the same [`Error::Rejected`].
///
/// It is a [`std::error::Error`] when `E` is one, which a boxed error is not: code with those takes
/// `call_flat`, and its error stays the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error<E> {
    /// A policy refused, or its time ran out.
    Rejected(Rejected),
    /// The inner service's own error.
    Inner(E),
}

impl<E> Error<E> {
    /// Whether a policy refused.
    #[must_use]
    pub const fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// The refusal, if it is one.
    #[must_use]
    pub const fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(_) => None,
        }
    }

    /// When it is worth asking again, if a policy refused and knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejected) => rejected.retry_after(),
            Self::Inner(_) => None,
        }
    }

    /// The inner service's own error, if it is one.
    #[must_use]
    pub const fn inner(&self) -> Option<&E> {
        match self {
            Self::Rejected(_) => None,
            Self::Inner(inner) => Some(inner),
        }
    }

    /// The inner service's own error, if it is one.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Rejected(_) => None,
            Self::Inner(inner) => Some(inner),
        }
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E> Refusal for Error<E> {
    fn rejected(&self) -> Option<&Rejected> {
        self.rejected()
    }
}

impl<E> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The rest is the source's to say: a chain printed whole says each thing once.
            Self::Rejected(rejected) => write!(f, "refused by {}", rejected.policy()),
            Self::Inner(_) => f.write_str("the guarded call failed"),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(inner) => Some(inner),
        }
    }
}

/// The innermost layer over a service whose error type is somebody else's: turns `E` into
/// [`Error<E>`].
///
/// ```
/// use buttress::{Adapt, CircuitBreaker};
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, service_fn};
///
/// let breaker = CircuitBreaker::builder().build()?;
/// let service = ServiceBuilder::new()
///     .layer(breaker)
///     .layer(Adapt)
///     .service(service_fn(|name: String| async move { Ok::<_, Infallible>(name) }));
/// # let _: buttress::guard::Guarded<_, CircuitBreaker> = service;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Adapt;

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
    type Error = Error<S::Error>;
    type Future = MapErr<S::Future, fn(S::Error) -> Error<S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.inner.call(request).map_err(Error::Inner)
    }
}
