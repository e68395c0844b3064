//! When a server wants to be asked again.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use httpdate::parse_http_date;

use crate::{
    classify::{Advice, Classify, Outcome},
    header::Malformed,
    sys::date::{SystemTime, today},
    telemetry::ignore_malformed,
};

/// Reads `Retry-After` (RFC 9110, 10.2.3): a number of seconds, or a date in one of the three formats of
/// HTTP (5.6.7), of which the time from `now` is returned. A date that has passed is zero.
///
/// More seconds than a word holds are as many as it holds: this is a valid value, only an absurd one.
///
/// ```
/// use buttress::http::retry_after;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
/// assert_eq!(retry_after("120", now), Ok(Duration::from_secs(120)));
/// let date = "Sun, 06 Nov 1994 08:49:40 GMT";
/// assert_eq!(retry_after(date, now), Ok(Duration::from_secs(3)));
/// assert!(retry_after("soon", now).is_err());
/// ```
///
/// # Errors
///
/// [`Malformed`] when it is anything else: with a sign or a fraction, with a weekday that is not that
/// date's, before 1970.
pub fn retry_after(value: &str, now: SystemTime) -> Result<Duration, Malformed> {
    read(value, || now)
}

/// The clock is read for a date only.
fn read(value: &str, now: impl FnOnce() -> SystemTime) -> Result<Duration, Malformed> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // All that digits can do wrong is to be too many.
        return Ok(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = parse_http_date(value).map_err(|_| MALFORMED)?;
    Ok(date.duration_since(now()).unwrap_or(Duration::ZERO))
}

const MALFORMED: Malformed = Malformed::new("retry-after");

/// A classifier that listens to `Retry-After`; for the rest it is the wrapped one.
///
/// A response with status 429 (Too Many Requests) or 503 (Service Unavailable) that carries the header
/// advises [`Advice::RetryAfter`]. A malformed value is ignored and counted, see
/// [`ignore_malformed`]; of several values the first counts. What the
/// response says about the dependency is the wrapped classifier's to judge: over [`OnError`](crate::OnError)
/// a response without the header is a success and its answer stands, so mostly
/// [`OnError.except(..)`](crate::OnError::except) is wrapped.
///
/// For a date the system's clock is asked, which tokio's paused time does not move.
///
/// ```
/// use buttress::{Advice, Classify, Error, OnError, http::RetryAfter};
/// use http::Response;
/// use std::{convert::Infallible, time::Duration};
///
/// let busy = Response::builder().status(429).header("retry-after", "3").body(())?;
/// let advice = RetryAfter(OnError).advise(Ok::<_, &Error<Infallible>>(&busy));
/// assert_eq!(advice, Advice::RetryAfter(Duration::from_secs(3)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryAfter<C>(pub C);

impl<B, E, C> Classify<Response<B>, E> for RetryAfter<C>
where
    C: Classify<Response<B>, E>,
{
    #[inline]
    fn classify(&self, result: Result<&Response<B>, &E>) -> Outcome {
        self.0.classify(result)
    }

    #[inline]
    fn advise(&self, result: Result<&Response<B>, &E>) -> Advice {
        match result.ok().and_then(asked_for) {
            Some(wait) => Advice::RetryAfter(wait),
            None => self.0.advise(result),
        }
    }
}

/// The wait that this response asks for.
fn asked_for<B>(response: &Response<B>) -> Option<Duration> {
    let (busy, out) = (
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    );
    let may = [busy, out].contains(&response.status());
    may.then(|| wait_in(response.headers()))?
}

/// The wait that these headers ask for.
pub(super) fn wait_in(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    let text = HeaderValue::to_str(value).map_err(|_| MALFORMED);
    ignore_malformed(text.and_then(|text| read(text, today)))
}
