//! Calls that end with the body of their response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::{HeaderMap, Response, header::CONTENT_LENGTH};
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::{
    head::ResponseHead,
    on_code::{OnCode, UNKNOWN, code_in, is_grpc},
    on_status::OnStatus,
};
use crate::{
    classify::{Advice, Outcome},
    guard::{Ending, Judge, Policy, Settlement, WithEnding, with_ending},
};

/// A layer with admission whose calls end with the body of their response, and not with its head.
///
/// For a circuit breaker, a bulkhead, any [`Guard`](crate::guard::Guard), or a whole
/// [`Resilience`](crate::Resilience): a reset in the middle of a body is a failure then, and a place in the
/// bulkhead is held for as long as the body is. The body of a response becomes a [`Judged`]; reqwest's
/// responses keep their type. When it is worth it, and what it costs, stands on the
/// [module's page](crate::http#judged-after-the-body).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use buttress::{Bulkhead, http::{Adapt, after_body}};
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let files = Bulkhead::builder(2).build()?;
/// let service = ServiceBuilder::new()
///     .layer(after_body(files.clone()))
///     .layer(Adapt)
///     .service(service_fn(|_: Request<()>| async {
///         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"so long"))))
///     }));
/// let response = service.oneshot(Request::new(())).await?;
/// assert_eq!(files.snapshot().in_flight, 1);
/// let body = response.into_body().collect().await?;
/// assert_eq!((body.to_bytes().len(), files.snapshot().in_flight), (7, 0));
/// # Ok(())
/// # }
/// ```
pub const fn after_body<L>(layer: L) -> WithEnding<L, AfterBody> {
    with_ending(layer, AfterBody::new())
}

/// The [`Ending`] behind [`after_body`].
///
/// | | settles |
/// |---|---|
/// | an error | at once, as the guard's classifier says |
/// | a response that is a failure, or after which another attempt may follow | at once, at its head: its body can change nothing, and the next attempt may need its place |
/// | a body that has ended, or was read to its `content-length` | as the classifier said of its head |
/// | the body of a gRPC response that has ended | by the code in its trailers, see [`OnCode`]; without one as `UNKNOWN` |
/// | a body that failed, or panicked | as a failure |
/// | a body dropped before its end | as [`Outcome::Abandoned`]: a bulkhead gets its place back, a breaker counts nothing, unless the call was slow by then |
///
/// A circuit breaker's probe that was answered does not hang: one whose body is still on its way after
/// `probe_timeout` counts as good.
///
/// At a server a `HEAD` that the handler of a `GET` answers counts as abandoned: its body is never read.
///
/// A guard that judges nothing (a bulkhead alone) has no word on what may be followed by another attempt;
/// [`OnStatus`] has it then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AfterBody {
    codes: OnCode,
}

impl AfterBody {
    /// Trailers are judged as [`OnCode::new`] says.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            codes: OnCode::new(),
        }
    }

    /// How the code in a gRPC response's trailers is judged. Give it to
    /// [`with_ending`](crate::guard::with_ending):
    ///
    /// ```
    /// use buttress::{CircuitBreaker, guard::with_ending, http::{AfterBody, OnCode}};
    ///
    /// let strict = AfterBody::new().codes(OnCode::new().failures([8]));
    /// let layer = with_ending(CircuitBreaker::builder().build()?, strict);
    /// # let _ = layer;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub const fn codes(mut self, codes: OnCode) -> Self {
        self.codes = codes;
        self
    }

    /// What the body of this response owes. Nothing if its head has settled the call.
    pub(crate) fn owed<G, T, E>(self, response: &T, settlement: Settlement<G>) -> Option<Owed<G>>
    where
        G: Policy,
        G::Judges: Judge<G, T, E>,
        T: ResponseHead,
    {
        let outcome = settlement.outcome(Ok::<_, &E>(response));
        let advice = match outcome {
            Outcome::Failure => None,
            // Perhaps nobody was asked.
            Outcome::Ignored => Some(OnStatus::new().codes(self.codes).advice(response)),
            _ => Some(settlement.advice(Ok::<_, &E>(response))),
        };
        if advice != Some(Advice::Stop) {
            settlement.settle(outcome);
            return None;
        }
        let headers = response.headers();
        let coded = is_grpc(headers) && code_in(headers).is_none();
        // A body that lasts may last long.
        settlement.answered();
        Some(Owed {
            settlement,
            outcome,
            codes: coded.then_some(self.codes),
            left: length(headers).filter(|_| !coded),
        })
    }
}

impl<G, B, E> Ending<G, Response<B>, E> for AfterBody
where
    G: Policy,
    G::Judges: Judge<G, Response<B>, E>,
    B: Body,
{
    type Response = Response<Judged<B, G>>;

    fn end(
        &self,
        result: Result<Response<B>, E>,
        settlement: Settlement<G>,
    ) -> Result<Self::Response, E> {
        match result {
            Ok(response) => {
                let owed = self.owed(&response, settlement);
                Ok(response.map(|body| Judged::new(body, owed)))
            }
            Err(error) => {
                settlement.judge(Err(&error));
                Err(error)
            }
        }
    }
}

/// A call that has not ended, and what is to be said of it if nothing happens.
pub(crate) struct Owed<G: Policy> {
    settlement: Settlement<G>,
    outcome: Outcome,
    /// The code is still to come, and is judged by these.
    codes: Option<OnCode>,
    /// So many bytes are still to come, if its head has said how many.
    left: Option<u64>,
}

/// How long the body is to be.
fn length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok()
}

impl<G: Policy> Owed<G> {
    /// So many more bytes have come: whether they were the last. A server of HTTP/1 looks no further then.
    fn is_last(&mut self, bytes: usize) -> bool {
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
        self.left == Some(0)
    }

    /// The body has ended, with these trailers if it had any.
    fn end(self, trailers: Option<&HeaderMap>) {
        let outcome = match self.codes {
            Some(codes) => codes.outcome(trailers.and_then(code_in).unwrap_or(UNKNOWN)),
            None => self.outcome,
        };
        self.settlement.settle(outcome);
    }

    fn fail(self) {
        self.settlement.settle(Outcome::Failure);
    }
}

/// The body of a response that is judged when it has ended: what [`after_body`] makes of a body `B`.
///
/// It passes on all that `B` says: frames, trailers, size hint, end. Dropped before its end, it gives back
/// what its call held. `G` is the guard that waits for its end; a body without one, a fallback's, is
/// made with `From<B>`.
#[pin_project]
pub struct Judged<B, G: Policy> {
    // Dropped first: what the call holds is gone before its place is free.
    #[pin]
    body: B,
    owed: Option<Owed<G>>,
}

impl<B: Body, G: Policy> Judged<B, G> {
    pub(crate) fn new(body: B, mut owed: Option<Owed<G>>) -> Self {
        // Whoever reads it need not look for an end that it has told already.
        let none = owed.as_ref().is_some_and(|owed| owed.left == Some(0));
        if none || body.is_end_stream() {
            owed.take().into_iter().for_each(|owed| owed.end(None));
        }
        Self { body, owed }
    }
}

impl<B, G: Policy> Judged<B, G> {
    /// The body itself.
    pub const fn get_ref(&self) -> &B {
        &self.body
    }

    /// Whether its call has not ended yet.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.owed.is_some()
    }
}

/// A body that owes nothing to anybody.
impl<B, G: Policy> From<B> for Judged<B, G> {
    fn from(body: B) -> Self {
        Self { body, owed: None }
    }
}

impl<B: Default, G: Policy> Default for Judged<B, G> {
    fn default() -> Self {
        Self::from(B::default())
    }
}

impl<B: Body, G: Policy> Body for Judged<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(owed) = this.owed else {
            return this.body.poll_frame(cx);
        };
        let frame = ready!(owed.settlement.watch(|| this.body.as_mut().poll_frame(cx)));
        let ended = match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                owed.is_last(bytes) || frame.is_trailers() || this.body.is_end_stream()
            }
            _ => true,
        };
        if let Some(owed) = this.owed.take_if(|_| ended) {
            match &frame {
                Some(Err(_)) => owed.fail(),
                Some(Ok(frame)) => owed.end(frame.trailers_ref()),
                None => owed.end(None),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B, G: Policy> fmt::Debug for Judged<B, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged")
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}
