//! Deadlines in headers.

use std::{mem, time::Duration};

use ::http::{HeaderName, HeaderValue};

use super::head::RequestHead;
use crate::{
    deadline::{CarryDeadline, instant::Deadline},
    header::{Malformed, grpc_timeout, millis, to_grpc_timeout},
    telemetry::ignore_malformed,
};

/// In a header: a strategy that reads how much time the caller still has, and writes how much is left for the
/// service that is asked.
///
/// | | header | its value |
/// |---|---|---|
/// | [`GRPC`](Self::GRPC) | `grpc-timeout` | up to eight digits and a unit |
/// | [`ENVOY`](Self::ENVOY) | `x-envoy-expected-rq-timeout-ms` | milliseconds |
/// | [`millis("x-..")`](Self::millis) | one of your own | milliseconds |
///
/// What is written is rounded down. A malformed value is ignored and counted (see
/// [`ignore_malformed`](crate::telemetry::ignore_malformed)); of several the first counts.
///
/// **A header says how much is left, not until when**, so that what reads it twice gives the request its time
/// anew: behind a queue it would forget how long the request has waited. A pipeline reads it once, when it is
/// called. In front of anything else that makes requests wait, put [`arrive`](super::arrive): it notes the
/// instant in the request's extensions, and of the two the earlier holds.
///
/// ```
/// use buttress::{Resilience, http::DeadlineHeader};
///
/// const CARRIED: DeadlineHeader = DeadlineHeader::millis("x-shop-timeout-ms");
///
/// // Reads it, and tells the service behind with each attempt what is left then.
/// let members = Resilience::builder().deadline_in(CARRIED).build()?;
/// # let _ = members;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlineHeader {
    name: &'static str,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Grpc,
    Millis,
}

impl DeadlineHeader {
    /// `grpc-timeout`, as gRPC clients send it.
    pub const GRPC: Self = Self {
        name: "grpc-timeout",
        form: Form::Grpc,
    };

    /// `x-envoy-expected-rq-timeout-ms`, as Envoy sends it to the services behind it.
    pub const ENVOY: Self = Self::millis("x-envoy-expected-rq-timeout-ms");

    /// A number of milliseconds in this header.
    ///
    /// # Panics
    ///
    /// When it is no name of a header in small letters; in a constant, that is an error of compilation.
    #[must_use]
    pub const fn millis(name: &'static str) -> Self {
        // It would be dropped, which no constant may.
        mem::forget(HeaderName::from_static(name));
        Self {
            name,
            form: Form::Millis,
        }
    }

    /// The header's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// How much time this value leaves.
    fn timeout(self, value: &HeaderValue) -> Result<Duration, Malformed> {
        let malformed = |_| Malformed::new(self.name);
        let text = value.to_str().map_err(malformed)?;
        match self.form {
            Form::Grpc => grpc_timeout(text),
            Form::Millis => millis(self.name, text),
        }
    }
}

impl<R: RequestHead> CarryDeadline<R> for DeadlineHeader {
    const WRITES: bool = true;

    fn read(&self, request: &R) -> Option<Deadline> {
        let noted = request.extensions().and_then(|noted| noted.get().copied());
        let value = request.headers().get(self.name);
        let left = value.and_then(|value| ignore_malformed(self.timeout(value)));
        let told = left.map(Deadline::after);
        noted.into_iter().chain(told).min()
    }

    fn write(&self, request: &mut R, deadline: Deadline) {
        let left = deadline.remaining();
        let value = match self.form {
            Form::Grpc => {
                HeaderValue::try_from(to_grpc_timeout(left)).expect("digits and a letter")
            }
            // It is written for every attempt, and needs no text in between.
            Form::Millis => u64::try_from(left.as_millis()).unwrap_or(u64::MAX).into(),
        };
        request.headers_mut().insert(self.name, value);
    }

    fn refresh(&self, request: &mut R, deadline: Deadline) {
        self.write(request, deadline);
    }
}
