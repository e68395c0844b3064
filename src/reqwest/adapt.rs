//! The innermost layer over a client of reqwest.

use std::error::Error as _;

use ::http::{HeaderMap, Method, StatusCode};
use ::reqwest::{Error, Request, Response};
use tower::Layer;

use crate::http::{self, AdaptedBy, Fault, RequestHead, ResponseHead};

impl RequestHead for Request {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn authority(&self) -> Option<&str> {
        let authority = self.url().authority();
        let named = authority.rsplit('@').next().unwrap_or(authority);
        (!named.is_empty()).then_some(named)
    }
}

impl ResponseHead for Response {
    #[inline]
    fn status(&self) -> StatusCode {
        self.status()
    }

    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

/// What an error of reqwest says: one from before anything was sent (a wrong address, say) nothing about the
/// server, nor one of the request's own body; all others that it failed.
///
/// Over HTTP/2 reqwest does not say that it was the body: there, such a call is a failure.
///
/// ```
/// use buttress::{Classify, OnError, Outcome, reqwest::fault};
///
/// let wrong = reqwest::Client::new().get("member 7").build().unwrap_err();
/// let says = OnError.classify(Err::<&reqwest::Response, _>(&fault(wrong)));
/// assert_eq!(says, Outcome::Ignored);
/// ```
#[must_use]
pub fn fault(error: Error) -> Fault<Error> {
    if is_of_caller(&error) {
        Fault::ignored(error)
    } else {
        Fault::failure(error)
    }
}

/// Whether the server has no part in it.
pub(super) fn is_of_caller(error: &Error) -> bool {
    error.is_builder() || (error.is_request() && is_of_body(error))
}

/// Whether the request's body failed. Its error stands among the sources, with reqwest's mark on it.
fn is_of_body(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.downcast_ref().is_some_and(Error::is_body) {
            return true;
        }
        source = error.source();
    }
    false
}

/// The innermost layer over a client of reqwest: turns its error into a [`Fault`], so that every pattern around
/// it judges by status. See [`reqwest`](crate::reqwest#as-a-tower-service).
#[derive(Debug, Clone, Copy, Default)]
pub struct Adapt;

impl<S> Layer<S> for Adapt {
    type Service = Adapted<S>;

    fn layer(&self, inner: S) -> Adapted<S> {
        http::Adapt::by(fault as _).layer(inner)
    }
}

/// A client under [`Adapt`].
pub type Adapted<S> = AdaptedBy<S, fn(Error) -> Fault<Error>>;
