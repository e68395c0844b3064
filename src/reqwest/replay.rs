//! Requests of reqwest, sent again.

use ::reqwest::{Body, Request};

use crate::{
    http::{Buffered, KeptBody, ReplayBody, Replayed},
    replay::{Attempt, Replay},
};

impl Replayed for Body {
    type Source = Self;

    fn into_replay(self) -> ReplayBody<Self> {
        self.into()
    }

    fn from_replay(body: ReplayBody<Self>) -> Self {
        Self::wrap(body)
    }
}

/// A request from memory is cloned, whatever its size.
impl Replay<Request> for Buffered {
    /// The request, and its body if that is a stream.
    type Kept = (Request, Option<KeptBody<Body>>);

    fn keep(&self, request: &mut Request) -> Option<Self::Kept> {
        if let Some(clone) = request.try_clone() {
            return Some((clone, None));
        }
        let mut body = request.body_mut().take()?;
        let head = request.try_clone();
        let kept = self.keep_body(&mut body);
        *request.body_mut() = Some(body);
        Some((head?, Some(kept?)))
    }

    fn again(&self, (head, body): &Self::Kept, _: Attempt) -> Option<Request> {
        let mut request = head.try_clone()?;
        if let Some(body) = body {
            *request.body_mut() = Some(Body::from_replay(body.again(self.cap())?));
        }
        Some(request)
    }

    fn last(&self, (mut request, body): Self::Kept, _: Attempt) -> Option<Request> {
        if let Some(body) = body {
            *request.body_mut() = Some(Body::from_replay(body.last(self.cap())?));
        }
        Some(request)
    }
}
