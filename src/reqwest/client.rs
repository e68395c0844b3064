//! A client of reqwest behind a pipeline.

use std::task::{Context, Poll};

use ::reqwest::{Client, Error as ClientError, Request, Response};
use futures::future::TryFutureExt;
use tower::Service;

use super::adapt::fault;
use crate::{
    classify::Classify,
    deadline::CarryDeadline,
    error::Error,
    guard::Ending,
    http::{Fault, Requested, Sent, Worded},
    pipeline::{Cover, Handle, Resilient},
    replay::{Replay, TryClone},
};

/// Not one whose body is a stream.
impl TryClone for Sent<Request> {
    fn try_clone(&self) -> Option<Self> {
        self.again(Request::try_clone)
    }
}

/// The future of [`Resilient::execute`].
pub type Executed<C, Y, D, F, M> = Requested<Client, Request, ClientError, C, Y, D, F, M>;

impl<C, Y, D, F, M> Resilient<Client, C, Y, D, F, M> {
    /// Sends one request, as reqwest's own `execute` does. See [`reqwest`](crate::reqwest).
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when a policy refused or the time ran out, [`Error::Inner`] with the last
    /// attempt's own error. A response with a failing status is no error: the last one is returned.
    ///
    /// # Panics
    ///
    /// The future panics when it has to wait outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back all that it holds.
    ///
    /// ```
    /// use buttress::Resilience;
    /// use tower::Layer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let members = Resilience::standard().layer(reqwest::Client::new());
    /// let request = members.get_ref().get("http://127.0.0.1:1/members/7").build()?;
    /// let answer = members.execute(request).await;
    /// assert!(answer.unwrap_err().inner().unwrap().is_connect());
    /// assert_eq!(members.resilience().snapshot().breaker.unwrap().failed, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute(&self, request: Request) -> Executed<C, Y, D, F, M>
    where
        M: Ending<Handle<C, Y, D>, Response, Fault<ClientError>> + Clone,
        C: Classify<M::Response, Fault<ClientError>>,
        Y: Replay<Sent<Request>>,
        D: CarryDeadline<Sent<Request>> + Clone,
        F: Cover<Sent<Request>, M::Response, Fault<ClientError>>,
    {
        let worded = |client| Worded::new(client, fault as fn(ClientError) -> _);
        self.run(worded, Sent::new(request)).err_into()
    }
}

impl<C, Y, D, F, M> Service<Request> for &Resilient<Client, C, Y, D, F, M>
where
    M: Ending<Handle<C, Y, D>, Response, Fault<ClientError>> + Clone,
    C: Classify<M::Response, Fault<ClientError>>,
    Y: Replay<Sent<Request>>,
    D: CarryDeadline<Sent<Request>> + Clone,
    F: Cover<Sent<Request>, M::Response, Fault<ClientError>>,
{
    type Response = M::Response;
    type Error = Error<ClientError>;
    type Future = Executed<C, Y, D, F, M>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // A client of reqwest always is, and what a policy refuses is refused in the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.execute(request)
    }
}
