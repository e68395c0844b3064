//! A body that remembers what it has sent.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use ::http::HeaderMap;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::sys::{Arc, Mutex};

/// A request body that comes from a stream, and can be sent again as long as no more than a cap has been sent of
/// it. [`Buffered`](super::Buffered) says how much that is; before it has, all is passed on as it comes.
///
/// What is sent is copied, byte by byte and trailers with it. A copy that is sent later begins with that, and
/// goes on with what is left of the stream. There is one stream: so there is no later copy while an earlier one still
/// has it, unless that has read it to its end within the cap. One byte more than the cap, and
/// what was kept is forgotten at once: from there on it is a body like any other. A stream that failed is not
/// sent again either.
///
/// Size hints are passed on, and exact where the stream's are; where one frame ends and the next begins is not
/// kept. Use it as a client's type of body, or let it be: the bodies of axum, reqwest and tonic take it in.
///
/// ```
/// use buttress::http::ReplayBody;
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let body = ReplayBody::from(Full::new(Bytes::from_static(b"as it comes")));
/// assert_eq!(body.collect().await.unwrap().to_bytes(), "as it comes");
/// # }
/// ```
pub struct ReplayBody<B> {
    /// Comes first: what earlier copies have read of the stream.
    before: Bytes,
    /// It has been sent.
    begun: bool,
    /// Nothing once it has been read.
    rest: Option<B>,
    /// Comes last: read by earlier copies.
    trailers: Option<HeaderMap>,
    /// What this one reads is kept for a later one.
    tape: Option<Tape<B>>,
}

/// What one copy keeps for the next.
struct Tape<B> {
    place: Arc<Mutex<Place<B>>>,
    read: Vec<u8>,
    cap: usize,
}

/// Where copies leave what they have.
enum Place<B> {
    /// A copy has it, or it was forgotten.
    Out,
    /// The last copy was dropped on the way.
    Here { before: Bytes, rest: B },
    /// It was read to its end.
    Whole {
        before: Bytes,
        trailers: Option<HeaderMap>,
    },
}

/// What is kept of a body.
pub struct KeptBody<B>(Keeping<B>);

enum Keeping<B> {
    /// There was nothing in it.
    Empty,
    Place(Arc<Mutex<Place<B>>>),
}

impl<B: Body + Unpin> ReplayBody<B> {
    const fn new(before: Bytes, rest: Option<B>, trailers: Option<HeaderMap>) -> Self {
        Self {
            before,
            begun: false,
            rest,
            trailers,
            tape: None,
        }
    }

    /// Begins to keep it, up to so many bytes. Nothing is kept of one that says that it is larger, or that is
    /// being kept already.
    pub(crate) fn keep(&mut self, cap: usize) -> Option<KeptBody<B>> {
        if self.is_end_stream() {
            return Some(KeptBody::empty());
        }
        let large = self.size_hint().lower() > cap as u64;
        let fresh = self.before.is_empty() && self.tape.is_none() && self.trailers.is_none();
        if large || !fresh {
            return None;
        }
        let place = Arc::new(Mutex::new(Place::Out));
        self.tape = Some(Tape {
            place: Arc::clone(&place),
            read: Vec::new(),
            cap,
        });
        Some(KeptBody(Keeping::Place(place)))
    }

    /// These bytes were read.
    fn record(&mut self, data: &Bytes) {
        let Some(tape) = &mut self.tape else {
            return;
        };
        // Whoever could ask for it again has gone.
        let asked_for = Arc::strong_count(&tape.place) > 1;
        let room = tape.cap.saturating_sub(self.before.len());
        if asked_for && tape.write(data, room) {
            return;
        }
        self.tape = None;
        self.before = Bytes::new();
    }

    /// All was read, these trailers last.
    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        self.rest = None;
        let before = mem::take(&mut self.before);
        if let Some(tape) = self.tape.take() {
            let (place, before) = tape.wind(before);
            let trailers = trailers.cloned();
            put(&place, Place::Whole { before, trailers });
        }
    }
}

impl<B> Tape<B> {
    /// Whether there was room for it.
    fn write(&mut self, data: &[u8], room: usize) -> bool {
        let Self { read, .. } = self;
        let needed = read.len() + data.len();
        if needed > room {
            return false;
        }
        if needed > read.capacity() {
            // As a vector would grow, but never beyond the cap.
            let capacity = needed.max(2 * read.capacity()).min(room);
            read.reserve_exact(capacity - read.len());
        }
        read.extend_from_slice(data);
        true
    }

    /// All that was read, from the beginning on.
    fn wind(self, before: Bytes) -> (Arc<Mutex<Place<B>>>, Bytes) {
        let Self { place, read, .. } = self;
        let all = match (before.is_empty(), read.is_empty()) {
            (_, true) => before,
            (true, false) => read.into(),
            (false, false) => [&before[..], &read].concat().into(),
        };
        (place, all)
    }
}

/// Nothing of the user's is dropped under the lock.
fn put<B>(place: &Mutex<Place<B>>, new: Place<B>) {
    let old = mem::replace(&mut *place.lock(), new);
    drop(old);
}

impl<B: Body + Unpin> KeptBody<B> {
    /// Of a body with nothing in it.
    pub(crate) const fn empty() -> Self {
        Self(Keeping::Empty)
    }

    /// A copy that others may follow. Nothing if there is none to be had.
    pub(crate) fn again(&self, cap: usize) -> Option<ReplayBody<B>> {
        let Keeping::Place(place) = &self.0 else {
            return Some(ReplayBody::default());
        };
        let there = {
            let mut there = place.lock();
            match &*there {
                Place::Whole { before, trailers } => Place::Whole {
                    before: before.clone(),
                    trailers: trailers.clone(),
                },
                _ => mem::replace(&mut *there, Place::Out),
            }
        };
        match there {
            Place::Out => None,
            Place::Whole { before, trailers } => Some(ReplayBody::new(before, None, trailers)),
            Place::Here { before, rest } => {
                let mut body = ReplayBody::new(before, Some(rest), None);
                body.tape = Some(Tape {
                    place: Arc::clone(place),
                    read: Vec::new(),
                    cap,
                });
                Some(body)
            }
        }
    }

    /// The last copy, of which nothing need be kept.
    pub(crate) fn last(self, cap: usize) -> Option<ReplayBody<B>> {
        let mut body = self.again(cap)?;
        body.tape = None;
        Some(body)
    }
}

impl<B: Body + Unpin> From<B> for ReplayBody<B> {
    fn from(body: B) -> Self {
        Self::new(Bytes::new(), Some(body), None)
    }
}

/// An empty one.
impl<B: Body + Unpin> Default for ReplayBody<B> {
    fn default() -> Self {
        Self::new(Bytes::new(), None, None)
    }
}

impl<B: Body + Unpin> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if !mem::replace(&mut this.begun, true) && !this.before.is_empty() {
            let before = match this.tape {
                Some(_) => this.before.clone(),
                None => mem::take(&mut this.before),
            };
            return Poll::Ready(Some(Ok(Frame::data(before))));
        }
        let Some(mut rest) = this.rest.take() else {
            let trailers = this.trailers.take();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        };
        // Should it panic, it is gone, and there is no later copy.
        let Poll::Ready(frame) = Pin::new(&mut rest).poll_frame(cx) else {
            this.rest = Some(rest);
            return Poll::Pending;
        };
        let frame = match frame.transpose() {
            Ok(frame) => {
                frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            }
            Err(error) => {
                this.tape = None;
                this.before = Bytes::new();
                return Poll::Ready(Some(Err(error)));
            }
        };
        match &frame {
            Some(frame) => {
                if let Some(data) = frame.data_ref() {
                    this.record(data);
                }
                match frame.trailers_ref() {
                    None if !rest.is_end_stream() => this.rest = Some(rest),
                    trailers => this.finish(trailers),
                }
            }
            None => this.finish(None),
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        (self.begun || self.before.is_empty())
            && self.trailers.is_none()
            && self.rest.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.rest {
            Some(rest) => rest.size_hint(),
            None => SizeHint::with_exact(0),
        };
        if !self.begun {
            let before = self.before.len() as u64;
            let (lower, upper) = (hint.lower(), hint.upper());
            hint = SizeHint::new();
            hint.set_lower(lower.saturating_add(before));
            if let Some(upper) = upper {
                hint.set_upper(upper.saturating_add(before));
            }
        }
        hint
    }
}

/// What it has read and what is left of the stream is there for a later copy.
impl<B> Drop for ReplayBody<B> {
    fn drop(&mut self) {
        if let (Some(tape), Some(rest)) = (self.tape.take(), self.rest.take()) {
            let (place, before) = tape.wind(mem::take(&mut self.before));
            put(&place, Place::Here { before, rest });
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("kept", &self.tape.is_some())
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for KeptBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptBody").finish_non_exhaustive()
    }
}
