//! What a gRPC code says about the dependency.

use ::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use crate::{
    classify::{Advice, Outcome},
    error::Rejected,
    header::{Malformed, digits, grpc_pushback},
    telemetry::ignore_malformed,
};

/// Where a gRPC response says how it ended: among its trailers, or its headers if there is nothing else.
pub(crate) const GRPC_STATUS: &str = "grpc-status";
pub(crate) const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Judges gRPC responses by their code.
///
/// | code | says | another attempt |
/// |---|---|---|
/// | `UNAVAILABLE` (14) | failure | yes |
/// | `UNKNOWN` (2), `DEADLINE_EXCEEDED` (4), `INTERNAL` (13), `DATA_LOSS` (15) | failure | no: it may have done its work |
/// | `RESOURCE_EXHAUSTED` (8) | success: the server is alive | if it says when |
/// | `CANCELLED` (1) | nothing: the caller went away | no |
/// | all others | success: the caller's own mistake | no |
///
/// A timeout of ours is a `DEADLINE_EXCEEDED` as well: a failure, and the call is not made again unless
/// `retried([4])` says so. (A server that obeys `grpc-timeout` says the same at the same moment.)
///
/// A server's `grpc-retry-pushback-ms` is obeyed where another attempt may follow: it comes no earlier, or,
/// after a negative number, not at all (gRFC A6). A code that is no number is `UNKNOWN`.
///
/// What is not gRPC is judged as by [`OnStatus`](super::OnStatus), which in turn judges gRPC as this does: so neither has to be
/// named unless it says something else than usual.
///
/// ```
/// use buttress::{Classify, Error, Outcome, http::OnCode};
/// use http::Response;
///
/// let busy = Response::builder()
///     .header("content-type", "application/grpc")
///     .header("grpc-status", "8")
///     .body(())?;
/// type Fault = Error<std::io::Error>;
/// assert_eq!(OnCode::new().classify(Ok::<_, &Fault>(&busy)), Outcome::Success);
/// let strict = OnCode::new().failures([8]);
/// assert_eq!(strict.classify(Ok::<_, &Fault>(&busy)), Outcome::Failure);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnCode {
    /// A bit for each code.
    failures: u32,
    retried: u32,
}

const CANCELLED: u32 = 1;
pub(super) const UNKNOWN: u32 = 2;
const RESOURCE_EXHAUSTED: u32 = 8;

impl OnCode {
    /// The table above.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            failures: 1 << UNKNOWN | 1 << 4 | 1 << 13 | 1 << 14 | 1 << 15,
            retried: 1 << 14,
        }
    }

    /// These are failures as well.
    ///
    /// # Panics
    ///
    /// Here and below, if one is none of the codes 1 to 16.
    #[must_use]
    pub fn failures(mut self, codes: impl IntoIterator<Item = u32>) -> Self {
        self.failures |= mask(codes);
        self
    }

    /// These are none.
    #[must_use]
    pub fn no_failures(mut self, codes: impl IntoIterator<Item = u32>) -> Self {
        self.failures &= !mask(codes);
        self
    }

    /// After these as well another attempt may help.
    #[must_use]
    pub fn retried(mut self, codes: impl IntoIterator<Item = u32>) -> Self {
        self.retried |= mask(codes);
        self
    }

    /// After these it may not.
    #[must_use]
    pub fn not_retried(mut self, codes: impl IntoIterator<Item = u32>) -> Self {
        self.retried &= !mask(codes);
        self
    }

    /// What this code says.
    pub(crate) const fn outcome(self, code: u32) -> Outcome {
        match code {
            CANCELLED if self.failures & 1 << CANCELLED == 0 => Outcome::Ignored,
            0..=16 if self.failures & 1 << code == 0 => Outcome::Success,
            _ => Outcome::Failure,
        }
    }

    /// Whether another attempt may follow it; `pushback` is what the server said of that, if anything.
    pub(crate) fn advice(self, code: u32, pushback: Option<&HeaderValue>) -> Advice {
        let retried = code <= 16 && self.retried & 1 << code != 0;
        if !retried && code != RESOURCE_EXHAUSTED {
            return Advice::Stop;
        }
        match pushback {
            None if retried => Advice::Retry,
            None => Advice::Stop,
            Some(value) => {
                let malformed = Malformed::new(PUSHBACK);
                let text = value.to_str().map_err(|_| malformed);
                // One that is malformed is taken for a no.
                match ignore_malformed(text.and_then(grpc_pushback)).flatten() {
                    Some(wait) => Advice::RetryAfter(wait),
                    None => Advice::Stop,
                }
            }
        }
    }
}

impl OnCode {
    /// Whether another attempt may follow a refusal of ours. One that was started is judged by its code, as if
    /// the server had sent it: one that obeys its deadline does, and it is a matter of microseconds whose
    /// word comes first.
    pub(crate) fn after(self, no: &Rejected) -> Advice {
        match u32::try_from(no.reason().grpc_code()) {
            Ok(code) if no.started() => self.advice(code, None),
            _ => no.advice(),
        }
    }
}

impl Default for OnCode {
    fn default() -> Self {
        Self::new()
    }
}

fn mask(codes: impl IntoIterator<Item = u32>) -> u32 {
    codes.into_iter().fold(0, |mask, code| {
        assert!(
            (1..=16).contains(&code),
            "gRPC code {code}: must be 1 to 16"
        );
        mask | 1 << code
    })
}

/// The code among these headers, or trailers.
pub(crate) fn code_in(headers: &HeaderMap) -> Option<u32> {
    let value = headers.get(GRPC_STATUS)?;
    let number = value.to_str().ok().and_then(|text| digits(text, 10));
    let code = number.and_then(|number| u32::try_from(number).ok());
    Some(code.unwrap_or(UNKNOWN))
}

/// Whether a message with these headers is gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    // Not gRPC-Web, which is another protocol.
    rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]))
}
