//! A refusal as a response.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::on_code::{GRPC_STATUS, PUSHBACK};
use crate::error::Rejected;

/// The body of a response under [`respond`](super::respond): the inner service's own, or that of a
/// refusal.
///
/// Its data are the inner body's, which have to be made of [`Bytes`].
#[derive(Debug)]
#[pin_project]
pub struct Answer<B>(#[pin] Kind<B>);

#[derive(Debug)]
#[pin_project(project = KindOf)]
enum Kind<B> {
    Inner(#[pin] B),
    /// Empty once it was read.
    Ours(Bytes),
}

impl<B> Answer<B> {
    /// The body of an answer of one's own.
    pub const fn ours(body: Bytes) -> Self {
        Self(Kind::Ours(body))
    }

    /// The inner service's body, if it is that.
    pub fn into_inner(self) -> Option<B> {
        match self.0 {
            Kind::Inner(body) => Some(body),
            Kind::Ours(_) => None,
        }
    }
}

impl<B> From<B> for Answer<B> {
    fn from(body: B) -> Self {
        Self(Kind::Inner(body))
    }
}

impl<B: Body<Data: From<Bytes>>> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().0.project() {
            KindOf::Inner(body) => body.poll_frame(cx),
            KindOf::Ours(body) if body.is_empty() => Poll::Ready(None),
            KindOf::Ours(body) => {
                let data = std::mem::take(body).into();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Inner(body) => body.is_end_stream(),
            Kind::Ours(body) => body.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Inner(body) => body.size_hint(),
            Kind::Ours(body) => SizeHint::with_exact(body.len() as u64),
        }
    }
}

/// A refusal as a response of HTTP, for handlers that hold one themselves.
///
/// | | |
/// |---|---|
/// | status | [`Reason::http_status`](crate::Reason::http_status): 503, 429 or 504 |
/// | `retry-after` | whole seconds, rounded up, if the policy knows |
/// | body | `application/problem+json` (RFC 9457): `title` and `status`, `detail` for people, `reason` for programs |
///
/// A policy's name is nobody's business outside, and is not told. Inside, the [`Rejected`] stands in the response's
/// extensions: for a layer that writes a log, and for policies further out, which do not take
/// the refusal of another one for a failure of the service.
///
/// ```
/// use buttress::{Reason, Rejected, http::response};
/// use std::time::Duration;
///
/// let no = Rejected::new("payments", Reason::Open).with_retry_after(Duration::from_millis(2_100));
/// let response = response(&no);
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "3");
/// assert_eq!(
///     response.body(),
///     r#"{"title":"Service Unavailable","status":503,"detail":"circuit breaker is open","reason":"open"}"#,
/// );
/// ```
#[must_use]
pub fn response(rejected: &Rejected) -> Response<Bytes> {
    let reason = rejected.reason();
    let status = StatusCode::from_u16(reason.http_status()).expect("it is one of three");
    // Nothing in these texts is to be escaped.
    let problem = format!(
        r#"{{"title":"{}","status":{},"detail":"{}","reason":"{reason}"}}"#,
        status.canonical_reason().unwrap_or_default(),
        status.as_u16(),
        reason.sentence(),
    );
    let mut response = Response::new(problem.into());
    *response.status_mut() = status;
    response.extensions_mut().insert(rejected.clone());
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(CONTENT_TYPE, json);
    if let Some(wait) = rejected.retry_after() {
        let second = Duration::from_secs(1).as_nanos();
        headers.insert(RETRY_AFTER, rounded_up(wait, second));
    }
    response
}

/// The same as a response of gRPC that consists of trailers alone: its headers, and no body.
pub(super) fn grpc_response(rejected: &Rejected) -> Response<Bytes> {
    let reason = rejected.reason();
    let mut response = Response::new(Bytes::new());
    response.extensions_mut().insert(rejected.clone());
    let headers = response.headers_mut();
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(CONTENT_TYPE, grpc);
    headers.insert(GRPC_STATUS, HeaderValue::from(reason.grpc_code()));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(reason.sentence()));
    if let Some(wait) = rejected.retry_after() {
        let millisecond = Duration::from_millis(1).as_nanos();
        headers.insert(PUSHBACK, rounded_up(wait, millisecond));
    }
    response
}

/// Percent-encoded ("gRPC over HTTP2", Responses), which leaves plain sentences as they are.
const GRPC_MESSAGE: &str = "grpc-message";

/// A wait in whole units: who comes after it does not come too early.
fn rounded_up(wait: Duration, unit: u128) -> HeaderValue {
    let units = wait.as_nanos().div_ceil(unit);
    // A wait of ours is below 2^64 nanoseconds.
    HeaderValue::from(u64::try_from(units).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GRPC_MESSAGE, grpc_response, response};
    use crate::error::{Reason, Rejected};

    const ALL: [Reason; 11] = [
        Reason::Open,
        Reason::HalfOpen,
        Reason::ForcedOpen,
        Reason::Recovering,
        Reason::Full,
        Reason::RateLimited,
        Reason::CostAboveBurst,
        Reason::TooManyKeys,
        Reason::TimedOut,
        Reason::DeadlineExceeded,
        Reason::Expired,
    ];

    #[test]
    fn sentences_need_no_encoding_and_no_escapes() {
        for reason in ALL {
            let no = Rejected::new("secret", reason);
            let grpc = grpc_response(&no);
            let message = &grpc.headers()[GRPC_MESSAGE];
            let plain = |byte| (0x20..=0x7e).contains(byte) && !b"%\"\\".contains(byte);
            assert!(message.as_bytes().iter().all(plain), "{message:?}");
            assert_eq!(message, reason.sentence());
            let body = response(&no).into_body();
            assert!(!body.windows(6).any(|window| window == b"secret"));
        }
    }

    #[test]
    fn waits_are_rounded_up() {
        for (nanos, seconds, millis) in [
            (0, "0", "0"),
            (1, "1", "1"),
            (1_000_000_000, "1", "1000"),
            (1_000_000_001, "2", "1001"),
            (u64::MAX - 1, "18446744074", "18446744073710"),
        ] {
            let wait = Duration::from_nanos(nanos);
            let no = Rejected::new("p", Reason::Full).with_retry_after(wait);
            assert_eq!(response(&no).headers()["retry-after"], seconds);
            let grpc = grpc_response(&no);
            assert_eq!(grpc.headers()["grpc-retry-pushback-ms"], millis);
        }
        let no = Rejected::new("p", Reason::Full);
        assert!(!response(&no).headers().contains_key("retry-after"));
        assert_eq!(grpc_response(&no).headers().len(), 3);
    }
}
