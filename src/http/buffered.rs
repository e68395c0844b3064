//! Bodies that are streams, sent again.

use std::{fmt, mem};

use ::http::{Request, request::Parts};
use http_body::Body;

use super::{
    replay_body::{KeptBody, ReplayBody},
    sent::Sent,
};
use crate::replay::{Attempt, Replay};

/// Sends requests again whose bodies are streams, as long as no more than `cap` bytes have been sent of them.
///
/// Each request is kept with its method, address, version, headers and extensions. Its body is kept while it is
/// sent, see [`ReplayBody`]: exactly `cap` bytes can be sent again, with one byte more all is forgotten and the
/// request is tried no further. A body that says beforehand that it is larger is never touched. So a call keeps at
/// most `cap` bytes, however much it sends; and for a moment twice as many, while what two attempts have sent
/// is put together for a third.
///
/// There is one stream: while a client still reads it there is no second attempt, unless all of it
/// was read. So a hedge asks a second time only once the body has been sent; and where a server answers
/// before it has read the body, another attempt has to wait for the client to let go of the first.
///
/// The bodies of axum, reqwest and tonic take it in, and [`ReplayBody`] itself; see [`Replayed`]. Bodies that are
/// `Clone` (`Full`, strings) need nothing of the kind, nor do reqwest's requests from memory, which are cloned
/// whatever their size.
///
/// **All methods are sent again**: say which by [`Idempotent::of`](super::Idempotent::of).
///
/// ```
/// use buttress::{Resilience, http::{Buffered, Idempotent, OnStatus}};
///
/// let uploads = Resilience::builder()
///     .retry(Default::default())
///     .classify(OnStatus::new())
///     .replay(Idempotent::of(Buffered::new(64 * 1024)))
///     .build()?;
/// # let _ = uploads;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffered {
    cap: usize,
}

impl Buffered {
    /// Keeps at most so many bytes of each body. Trailers are not counted.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { cap }
    }

    /// How many bytes of each body are kept.
    #[must_use]
    pub const fn cap(&self) -> usize {
        self.cap
    }
}

/// A type of body that [`Buffered`] can send again: one that can hold a [`ReplayBody`].
///
/// Given for [`ReplayBody`], and for the bodies of axum, reqwest and tonic. A type of yours that can hold any body
/// is one in three lines:
///
/// ```
/// use buttress::http::{ReplayBody, Replayed};
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
/// # use http_body::{Body, Frame, SizeHint};
/// # use std::{pin::Pin, task::{Context, Poll}};
///
/// #[derive(Default)]
/// struct Any(UnsyncBoxBody<Bytes, tower::BoxError>);
/// # impl Body for Any {
/// #     type Data = Bytes;
/// #     type Error = tower::BoxError;
/// #     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>)
/// #         -> Poll<Option<Result<Frame<Bytes>, tower::BoxError>>> {
/// #         Pin::new(&mut self.0).poll_frame(cx)
/// #     }
/// # }
///
/// impl Replayed for Any {
///     type Source = Self;
///
///     fn into_replay(self) -> ReplayBody<Self> {
///         self.into()
///     }
///
///     fn from_replay(body: ReplayBody<Self>) -> Self {
///         Self(body.boxed_unsync())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no body that `Buffered` could send again",
    label = "can hold no `ReplayBody`",
    note = "a body that is `Clone` needs no `Buffered`: `.replay(buttress::http::Idempotent::new())`",
    note = "else make requests of `buttress::http::ReplayBody<{Self}>`"
)]
pub trait Replayed: Body + Default {
    /// Where its bytes come from.
    type Source: Body + Unpin;

    /// Takes it apart.
    fn into_replay(self) -> ReplayBody<Self::Source>;

    /// Puts it together again.
    fn from_replay(body: ReplayBody<Self::Source>) -> Self;
}

impl<B: Body + Unpin> Replayed for ReplayBody<B> {
    type Source = B;

    fn into_replay(self) -> Self {
        self
    }

    fn from_replay(body: Self) -> Self {
        body
    }
}

/// What [`Buffered`] keeps of a request: its head, of type `P`, and its body.
pub struct KeptRequest<P, B> {
    pub(crate) head: P,
    pub(crate) body: KeptBody<B>,
}

impl Buffered {
    /// Begins to keep this body.
    pub(crate) fn keep_body<B: Replayed>(self, body: &mut B) -> Option<KeptBody<B::Source>> {
        // Left as it is where that would put another box around it for nothing.
        if body.is_end_stream() {
            return Some(KeptBody::empty());
        }
        if body.size_hint().lower() > self.cap as u64 {
            return None;
        }
        let mut replay = mem::take(body).into_replay();
        let kept = replay.keep(self.cap);
        *body = B::from_replay(replay);
        kept
    }
}

impl<B: Replayed> Replay<Request<B>> for Buffered {
    type Kept = KeptRequest<Parts, B::Source>;

    fn keep(&self, request: &mut Request<B>) -> Option<Self::Kept> {
        let body = self.keep_body(request.body_mut())?;
        let head = head_of(request);
        Some(KeptRequest { head, body })
    }

    fn again(&self, kept: &Self::Kept, _: Attempt) -> Option<Request<B>> {
        let body = B::from_replay(kept.body.again(self.cap)?);
        Some(Request::from_parts(kept.head.clone(), body))
    }

    fn last(&self, kept: Self::Kept, _: Attempt) -> Option<Request<B>> {
        let body = B::from_replay(kept.body.last(self.cap)?);
        Some(Request::from_parts(kept.head, body))
    }
}

fn head_of<B>(request: &Request<B>) -> Parts {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head.into_parts().0
}

impl<R> Replay<Sent<R>> for Buffered
where
    Self: Replay<R>,
{
    type Kept = <Self as Replay<R>>::Kept;

    fn keep(&self, request: &mut Sent<R>) -> Option<Self::Kept> {
        self.keep(request.get_mut())
    }

    fn again(&self, kept: &Self::Kept, attempt: Attempt) -> Option<Sent<R>> {
        Replay::<R>::again(self, kept, attempt).map(Sent::new)
    }

    fn last(&self, kept: Self::Kept, attempt: Attempt) -> Option<Sent<R>> {
        Replay::<R>::last(self, kept, attempt).map(Sent::new)
    }
}

impl<P, B> fmt::Debug for KeptRequest<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest").finish_non_exhaustive()
    }
}
