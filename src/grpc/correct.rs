//! What tonic calls its own timeouts.

use std::{
    error::Error as StdError,
    task::{Context, Poll},
};

use ::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use futures::future::{FutureExt, Map};
use tonic::{Code, Status, TimeoutExpired};
use tower::{Layer, Service};

use crate::http::{
    Answer,
    on_code::{GRPC_STATUS, code_in},
};

/// A layer for a channel of tonic's, below all policies: calls whose time ran out end with `DEADLINE_EXCEEDED`,
/// as they do with every other implementation of gRPC.
///
/// tonic says `CANCELLED` there. It obeys `grpc-timeout` by itself, on both sides: so where a pipeline
/// writes its deadline into that header there are three who wait for the same moment, and the caller would be
/// told now one code, now the other. And a breaker would not count a server that hangs, since a call that was
/// cancelled says nothing. [`client`](crate::grpc::client) puts it in.
///
/// A `TimeoutExpired` in an error, of the channel itself, becomes a response with that code; in a response, of a
/// server that runs tonic, the code is replaced where the message is tonic's.
///
/// ```
/// use buttress::{CircuitBreaker, grpc::Correct, http::respond};
/// use tonic::transport::Endpoint;
/// use tower::ServiceBuilder;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), buttress::InvalidConfig> {
/// let channel = Endpoint::from_static("http://[::1]:50051").connect_lazy();
/// let channel = ServiceBuilder::new()
///     .layer(respond(CircuitBreaker::builder().build()?))
///     .layer(Correct)
///     .service(channel);
/// # let _ = tonic_health::pb::health_client::HealthClient::new(channel);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Correct;

impl<S> Layer<S> for Correct {
    type Service = Corrected<S>;

    fn layer(&self, inner: S) -> Corrected<S> {
        Corrected { inner }
    }
}

/// A channel under [`Correct`].
#[derive(Debug, Clone)]
pub struct Corrected<S> {
    inner: S,
}

/// The future of a service under [`Correct`]. `B` is the body of its responses, `E` its error.
pub type Correction<F, B, E> = Map<F, fn(Result<Response<B>, E>) -> Answered<B, E>>;

/// What comes of it.
pub type Answered<B, E> = Result<Response<Answer<B>>, E>;

impl<S, R, B> Service<Request<R>> for Corrected<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Error: StdError + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = S::Error;
    type Future = Correction<S::Future, B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        self.inner.call(request).map(corrected)
    }
}

fn corrected<B, E: StdError + 'static>(answer: Result<Response<B>, E>) -> Answered<B, E> {
    match answer {
        Ok(mut response) => {
            if says_late(&response) {
                let late = HeaderValue::from(Code::DeadlineExceeded as i32);
                response.headers_mut().insert(GRPC_STATUS, late);
            }
            Ok(response.map(Answer::from))
        }
        Err(error) if is_late(&error) => {
            let response: Response<()> = Status::deadline_exceeded(LATE).into_http();
            Ok(response.map(|()| Answer::ours(Bytes::new())))
        }
        Err(error) => Err(error),
    }
}

/// What tonic says of its timeout.
pub(super) const LATE: &str = "Timeout expired";
const ON_THE_WIRE: &str = "Timeout%20expired";

fn says_late<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let message = || headers.get("grpc-message").map(HeaderValue::as_bytes);
    code_in(headers) == Some(Code::Cancelled as u32)
        && message().is_some_and(|it| [LATE, ON_THE_WIRE].map(str::as_bytes).contains(&it))
}

fn is_late(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        next = error.source();
    }
    false
}
