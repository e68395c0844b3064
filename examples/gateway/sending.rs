//! Who is waited for while a request is sent: the client, for more of its body, or the server.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Request;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::upstream::Sent;

/// The body of one attempt.
pub struct Sending {
    body: Sent,
    /// None where there is nothing to wait for.
    turn: Option<Turn>,
}

/// Whose turn it is. Shared by the body, which notes it, and by whoever has to judge.
#[derive(Clone, Default)]
pub struct Turn(Arc<Noted>);

#[derive(Default)]
struct Noted {
    /// There is no more of the body yet.
    clients: AtomicBool,
    /// When the client had been waited for the last time. None if it never was: no clock is read for a body
    /// that is there.
    since: Mutex<Option<Instant>>,
}

impl Sending {
    /// This request, and whose turn it will be. Nothing is noted of one without a body.
    pub fn noted(request: Request<Sent>) -> (Request<Self>, Option<Turn>) {
        let some = !request.body().is_end_stream();
        let turn = some.then(Turn::default);
        let sending = request.map(|body| Self {
            body,
            turn: turn.clone(),
        });
        (sending, turn)
    }
}

/// Of which nothing is noted.
impl From<Sent> for Sending {
    fn from(body: Sent) -> Self {
        Self { body, turn: None }
    }
}

impl Turn {
    /// Whether the server has had at least half of this time since it last had to wait for the client. If not, that
    /// the time ran out says nothing of it: the client took most of it.
    pub fn was_the_servers(&self, time: Duration) -> bool {
        let since = *self.0.since.lock().expect("no panic holds this lock");
        let clients = self.0.clients.load(Ordering::Acquire);
        !clients && since.is_none_or(|since| since.elapsed() >= time / 2)
    }

    fn note(&self, waits: bool) {
        if !waits && self.0.clients.load(Ordering::Acquire) {
            let mut since = self.0.since.lock().expect("no panic holds this lock");
            *since = Some(Instant::now());
        }
        self.0.clients.store(waits, Ordering::Release);
    }
}

impl Body for Sending {
    type Data = <Sent as Body>::Data;
    type Error = <Sent as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(turn) = &self.turn {
            turn.note(frame.is_pending());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
