//! Calls that are made in the words of HTTP.

use ::http::{Extensions, HeaderMap, Method, Request};
use futures::future::{ErrInto, TryFutureExt};
use tower::Service;

use super::{fault::Fault, head::RequestHead, worded::Worded};
use crate::{
    classify::Classify,
    deadline::CarryDeadline,
    error::Error,
    guard::Ending,
    pipeline::{Cover, Handle, Resilient, run::Run},
    replay::{Replay, TryClone},
};

/// A request on its way through a pipeline that was asked in the words of HTTP: the default replay strategy
/// sends it again only if its method is idempotent.
#[derive(Debug)]
pub struct Sent<R> {
    request: R,
    /// It may be sent again, although its method is not idempotent.
    permitted: bool,
}

impl<R> Sent<R> {
    pub(crate) const fn new(request: R) -> Self {
        Self {
            request,
            permitted: false,
        }
    }

    /// The request.
    pub const fn get_ref(&self) -> &R {
        &self.request
    }

    pub(crate) const fn get_mut(&mut self) -> &mut R {
        &mut self.request
    }

    pub(super) fn into_inner(self) -> R {
        self.request
    }

    /// The same on its way again, if `request` can be had again and may be sent again.
    pub(crate) fn again(&self, request: impl FnOnce(&R) -> Option<R>) -> Option<Self>
    where
        R: RequestHead,
    {
        if !self.permitted && !self.method().is_idempotent() {
            return None;
        }
        Some(Self {
            request: request(&self.request)?,
            permitted: self.permitted,
        })
    }
}

impl<R: RequestHead> RequestHead for Sent<R> {
    fn method(&self) -> &Method {
        self.request.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    fn permit_again(&mut self) {
        self.permitted = true;
    }

    fn authority(&self) -> Option<&str> {
        self.request.authority()
    }

    fn extensions(&self) -> Option<&Extensions> {
        self.request.extensions()
    }
}

impl<B: Clone> TryClone for Sent<Request<B>> {
    fn try_clone(&self) -> Option<Self> {
        self.again(|request| Some(request.clone()))
    }
}

/// The future of [`Resilient::request`].
pub type Requested<S, R, E, C, Y, D, F, M> =
    ErrInto<Run<Worded<S, E>, Sent<R>, C, Y, D, F, M>, Error<E>>;

impl<S, C, Y, D, F, M> Resilient<S, C, Y, D, F, M> {
    /// Sends one request, in the words of HTTP, over any service that takes them: hyper-util's client, say.
    ///
    /// Where the pipeline was given no strategies of its own, HTTP's hold: responses are judged as by
    /// [`OnStatus`](crate::http::OnStatus), and requests sent again only if their method is idempotent.
    ///
    /// Each attempt asks a clone of the service. If it has to wait until that is ready, it waits within its
    /// timeout, and in its place in the bulkhead.
    ///
    /// ```
    /// use buttress::{Resilience, pipeline::Resilient};
    /// use http::{Request, Response};
    /// use tower::{Layer, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let http = service_fn(|_: Request<String>| async { Ok::<_, std::io::Error>(Response::new(())) });
    /// let members = Resilience::standard().layer(http);
    /// let response = members.request(Request::get("/members/7").body(String::new())?).await?;
    /// assert!(response.status().is_success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when a policy refused or the time ran out, [`Error::Inner`] with the last
    /// attempt's own error, which is a failure, whatever it is (see [`request_by`](Self::request_by)). A
    /// response with a failing status is no error: the last one is returned.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back all that it holds.
    pub fn request<B>(
        &self,
        request: Request<B>,
    ) -> Requested<S, Request<B>, S::Error, C, Y, D, F, M>
    where
        S: Service<Request<B>> + Clone,
        M: Ending<Handle<C, Y, D>, S::Response, Fault<S::Error>> + Clone,
        C: Classify<M::Response, Fault<S::Error>>,
        Y: Replay<Sent<Request<B>>>,
        D: CarryDeadline<Sent<Request<B>>> + Clone,
        F: Cover<Sent<Request<B>>, M::Response, Fault<S::Error>>,
    {
        self.request_by(request, Fault::failure)
    }

    /// The same, where not every error is a failure: `says` tells which are, as for
    /// [`Adapt::by`](crate::http::Adapt::by).
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back all that it holds.
    pub fn request_by<B>(
        &self,
        request: Request<B>,
        says: fn(S::Error) -> Fault<S::Error>,
    ) -> Requested<S, Request<B>, S::Error, C, Y, D, F, M>
    where
        S: Service<Request<B>> + Clone,
        M: Ending<Handle<C, Y, D>, S::Response, Fault<S::Error>> + Clone,
        C: Classify<M::Response, Fault<S::Error>>,
        Y: Replay<Sent<Request<B>>>,
        D: CarryDeadline<Sent<Request<B>>> + Clone,
        F: Cover<Sent<Request<B>>, M::Response, Fault<S::Error>>,
    {
        let worded = |service| Worded::new(service, says);
        self.run(worded, Sent::new(request)).err_into()
    }
}
