//! A pipeline as a link of a chain of [reqwest-middleware](https://docs.rs/reqwest-middleware), version 0.5. With
//! the feature `reqwest-middleware`. See [`Middleware`].

use std::{
    fmt,
    task::{Context, Poll},
};

use ::http::Extensions;
use ::reqwest::{Request, Response};
use ::reqwest_middleware::{Error as ChainError, Next};
use futures::future::BoxFuture;
use tower::{Layer, Service};

use super::adapt::is_of_caller;
use crate::{
    classify::{Classify, OnError},
    deadline::{CarryDeadline, NoDeadline},
    error::{Error, Rejected},
    http::{Fault, Sent, Worded},
    pipeline::handle::Resilience,
    replay::{Cloned, Replay},
};

/// A pipeline as a link of a chain of reqwest-middleware: what stands further in belongs to each attempt, what
/// stands further out to the whole call.
///
/// It judges and sends again as [`execute`](crate::pipeline::Resilient::execute) does. A refusal is a
/// [`Middleware`](::reqwest_middleware::Error::Middleware) error, in which [`rejected`] finds it. Each attempt
/// has a copy of the request's extensions; those of the one that answered are passed on. Take `reqwest-retry`
/// out of the chain.
///
/// ```
/// use buttress::{Resilience, reqwest::middleware::{Middleware, rejected}};
/// use reqwest_middleware::ClientBuilder;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let members = Resilience::standard();
/// let client = ClientBuilder::new(reqwest::Client::new())
///     .with(Middleware::new(members.clone()))
///     .build();
/// match client.get("http://127.0.0.1:1/members/7").send().await {
///     Ok(response) => println!("{}", response.status()),
///     Err(error) => match rejected(&error) {
///         Some(no) => println!("refused: {no}"),
///         None => println!("failed: {error}"),
///     },
/// }
/// # }
/// ```
pub struct Middleware<C = OnError, Y = Cloned, D = NoDeadline>(Resilience<C, Y, D>);

impl<C, Y, D> Middleware<C, Y, D> {
    /// This pipeline as a link. (One with a fallback is none: put that around the chain.)
    pub const fn new(resilience: Resilience<C, Y, D>) -> Self {
        Self(resilience)
    }

    /// The pipeline: the handle.
    pub const fn resilience(&self) -> &Resilience<C, Y, D> {
        &self.0
    }
}

impl<C, Y, D> Clone for Middleware<C, Y, D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C, Y, D> fmt::Debug for Middleware<C, Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Middleware").field(&self.0).finish()
    }
}

/// The refusal of one of our policies, if this error of a chain is one.
#[must_use]
pub fn rejected(error: &ChainError) -> Option<&Rejected> {
    match error {
        ChainError::Middleware(error) => error.downcast_ref(),
        ChainError::Reqwest(_) => None,
    }
}

#[async_trait::async_trait]
impl<C, Y, D> ::reqwest_middleware::Middleware for Middleware<C, Y, D>
where
    C: Classify<Response, Fault<ChainError>> + Send + Sync + 'static,
    Y: Replay<Sent<Request>, Kept: Send> + Send + Sync + 'static,
    D: CarryDeadline<Sent<Request>> + Clone + Send + Sync + 'static,
{
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> ::reqwest_middleware::Result<Response> {
        let rest = Rest {
            next,
            extensions: extensions.clone(),
        };
        let worded = |rest| Worded::new(rest, of_chain as fn(ChainError) -> _);
        let call = self.0.layer(rest).run(worded, Sent::new(request));
        match call.await.map_err(Fault::into_error) {
            Ok(mut response) => {
                if let Some(Left(left)) = response.extensions_mut().remove() {
                    *extensions = left;
                }
                Ok(response)
            }
            Err(Error::Inner(error)) => Err(error),
            Err(Error::Rejected(no)) => Err(ChainError::middleware(no)),
        }
    }
}

/// What an error from further in says. That of another link says that the call failed, but for refusals of
/// policies of ours.
fn of_chain(error: ChainError) -> Fault<ChainError> {
    let asked = match &error {
        ChainError::Reqwest(error) => !is_of_caller(error),
        ChainError::Middleware(_) => rejected(&error).is_none_or(Rejected::started),
    };
    if asked {
        Fault::failure(error)
    } else {
        Fault::ignored(error)
    }
}

/// The chain further in.
#[derive(Clone)]
struct Rest<'a> {
    next: Next<'a>,
    extensions: Extensions,
}

/// The extensions as an attempt has left them, on their way out in its response.
#[derive(Clone)]
struct Left(Extensions);

impl<'a> Service<Request> for Rest<'a> {
    type Response = Response;
    type Error = ChainError;
    /// The chain's own are boxes as well.
    type Future = BoxFuture<'a, Result<Response, ChainError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ChainError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self {
            next,
            mut extensions,
        } = self.clone();
        Box::pin(async move {
            let mut response = next.run(request, &mut extensions).await?;
            response.extensions_mut().insert(Left(extensions));
            Ok(response)
        })
    }
}
