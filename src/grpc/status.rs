//! `tonic::Status` as an error of guarded calls.

use std::{error::Error as StdError, time::Duration};

use tonic::{Code, Status};

use super::correct::LATE;
use crate::{
    classify::{Advice, Outcome, Verdict},
    error::Rejected,
    http::on_code::{OnCode, PUSHBACK},
    sys::Arc,
};

/// A refusal as a status: its code is [`Reason::grpc_code`](crate::Reason::grpc_code), its message the
/// [sentence](crate::Reason::sentence) without the policy's name, since it may travel. When it is known
/// after how long it is worth asking again, `grpc-retry-pushback-ms` says it, rounded up. The refusal itself
/// is the source, in this process: see [`refusal`].
///
/// ```
/// use buttress::{Reason, Rejected, grpc::refusal};
/// use std::time::Duration;
/// use tonic::{Code, Status};
///
/// let no = Rejected::new("payments", Reason::Open).with_retry_after(Duration::from_secs(3));
/// let status = Status::from(no.clone());
/// assert_eq!(status.code(), Code::Unavailable);
/// assert_eq!(status.message(), "circuit breaker is open");
/// assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "3000");
/// assert_eq!(refusal(&status), Some(&no));
/// ```
impl From<Rejected> for Status {
    fn from(no: Rejected) -> Self {
        let reason = no.reason();
        let mut status = Self::new(Code::from(reason.grpc_code()), reason.sentence());
        if let Some(wait) = no.retry_after() {
            status
                .metadata_mut()
                .insert(PUSHBACK, in_millis(wait).into());
        }
        status.set_source(Arc::new(no));
        status
    }
}

/// Rounded up: who comes a little too early is refused again.
fn in_millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The refusal of one of our own policies that this status was made of, in this process. What came over a
/// connection has none.
#[must_use]
pub fn refusal(status: &Status) -> Option<&Rejected> {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// Judged as by [`OnCode`], so that a generated client can be called as it is. A refusal of our own policies
/// further in counts for what it is, and a timeout of ours as `DEADLINE_EXCEEDED`. So do tonic's own timeout and the loss of a connection, which it calls
/// `CANCELLED` and which are failures; one that a server has sent says nothing.
///
/// ```
/// use buttress::{Advice, Classify, OnError, Outcome};
/// use tonic::{Code, Status};
///
/// let missing = Err::<&(), _>(&Status::not_found("no such member"));
/// assert_eq!(OnError.classify(missing), Outcome::Success);
/// let away = Err::<&(), _>(&Status::unavailable("restarting"));
/// assert_eq!(OnError.classify(away), Outcome::Failure);
/// assert_eq!(OnError.advise(away), Advice::Retry);
/// ```
impl<T> Verdict<T> for Status {
    #[inline]
    fn classify(result: Result<&T, &Self>) -> Outcome {
        result.map_or_else(
            |status| outcome(OnCode::new(), status),
            |_| Outcome::Success,
        )
    }

    #[inline]
    fn advise(result: Result<&T, &Self>) -> Advice {
        result.map_or_else(|status| advice(OnCode::new(), status), |_| Advice::Stop)
    }
}

/// What this status says about the dependency.
pub(super) fn outcome(codes: OnCode, status: &Status) -> Outcome {
    match refusal(status) {
        Some(no) => no.outcome(),
        None => codes.outcome(code(status)),
    }
}

/// Whether another attempt may follow it.
pub(super) fn advice(codes: OnCode, status: &Status) -> Advice {
    match refusal(status) {
        Some(no) => codes.after(no),
        None => codes.advice(code(status), status.metadata().as_ref().get(PUSHBACK)),
    }
}

fn code(status: &Status) -> u32 {
    let code = match status.code() {
        // tonic's own timeout, here or at a server.
        Code::Cancelled if status.message() == LATE => Code::DeadlineExceeded,
        // Nobody said so: tonic made it of an error of the connection.
        Code::Cancelled if status.source().is_some() => Code::Unknown,
        code => code,
    };
    code as u32
}
