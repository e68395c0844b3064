//! Only what may be done twice is sent twice.

use super::head::RequestHead;
use crate::replay::{Attempt, Cloned, Replay};

/// Sends only requests again that may be done twice: whose method is idempotent (GET, HEAD, OPTIONS, TRACE, PUT,
/// DELETE; RFC 9110, 9.2.2). How they are kept is another strategy's to say: [`Cloned`], or
/// [`Buffered`](super::Buffered) for bodies that are streams.
///
/// A POST that was answered with 503 may have been done all the same. A client that tells the server
/// how to recognise one that it has seen, with an `Idempotency-Key` header, can have it sent again:
///
/// ```
/// use buttress::{http::Idempotent, replay::Replay};
/// use http::Request;
///
/// let mut post = Request::post("/orders").header("idempotency-key", "8e03978e").body(())?;
/// assert!(Idempotent::new().keep(&mut post).is_none());
/// assert!(Idempotent::new().or_keyed().keep(&mut post).is_some());
/// let mut put = Request::put("/orders/7").body(())?;
/// assert!(Idempotent::new().keep(&mut put).is_some());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Idempotent<Y = Cloned> {
    replay: Y,
    keyed: bool,
}

const KEY: &str = "idempotency-key";

impl Idempotent {
    /// Clones idempotent requests.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Cloned)
    }
}

impl<Y> Idempotent<Y> {
    /// Keeps idempotent requests as this strategy does, and others not at all.
    pub const fn of(replay: Y) -> Self {
        Self {
            replay,
            keyed: false,
        }
    }

    /// And requests with an `Idempotency-Key` header, whatever their method: the server is known to obey it.
    #[must_use]
    pub fn or_keyed(mut self) -> Self {
        self.keyed = true;
        self
    }
}

impl<R: RequestHead, Y: Replay<R>> Replay<R> for Idempotent<Y> {
    type Kept = Y::Kept;

    fn keep(&self, request: &mut R) -> Option<Y::Kept> {
        if !request.method().is_idempotent() {
            if !self.keyed || !request.headers().contains_key(KEY) {
                self.replay.only(request);
                return None;
            }
            request.permit_again();
        }
        self.replay.keep(request)
    }

    fn only(&self, request: &mut R) {
        self.replay.only(request);
    }

    fn again(&self, kept: &Y::Kept, attempt: Attempt) -> Option<R> {
        self.replay.again(kept, attempt)
    }

    fn last(&self, kept: Y::Kept, attempt: Attempt) -> Option<R> {
        self.replay.last(kept, attempt)
    }
}
