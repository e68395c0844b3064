//! What is asked of requests and responses, whoever's types they are.

use ::http::{Extensions, HeaderMap, Method, Request, Response, StatusCode};

use crate::error::Rejected;

/// A request of HTTP. Given for [`http::Request`](::http::Request) and reqwest's; implement it for another
/// client's.
pub trait RequestHead {
    /// Its method.
    fn method(&self) -> &Method;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Its headers.
    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// The authority in its address, `user@` left out: none if the address is only a path.
    fn authority(&self) -> Option<&str> {
        None
    }

    /// Its extensions, if it has a place for them.
    fn extensions(&self) -> Option<&Extensions> {
        None
    }

    /// It may be sent again, whatever its method.
    #[doc(hidden)]
    fn permit_again(&mut self) {}
}

/// A response of HTTP. Given for [`http::Response`](::http::Response) and reqwest's; implement it for another
/// client's.
pub trait ResponseHead {
    /// Its status.
    fn status(&self) -> StatusCode;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// The refusal that it tells of, if a policy of this process made it: [`respond`](super::respond) notes it
    /// in the response's extensions.
    fn rejected(&self) -> Option<&Rejected> {
        None
    }
}

impl<B> RequestHead for Request<B> {
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
        let authority = self.uri().authority()?.as_str();
        // A user's name and password are no part of whom is asked.
        Some(authority.rsplit('@').next().unwrap_or(authority))
    }

    fn extensions(&self) -> Option<&Extensions> {
        Some(self.extensions())
    }
}

impl<B> ResponseHead for Response<B> {
    #[inline]
    fn status(&self) -> StatusCode {
        self.status()
    }

    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    #[inline]
    fn rejected(&self) -> Option<&Rejected> {
        self.extensions().get()
    }
}
