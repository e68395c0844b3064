use super::counters;
use crate::header::Malformed;

/// Goes on without a header's value that is malformed, and counts it
/// (`buttress_malformed_headers_total`).
///
/// ```
/// use buttress::{Deadline, header, telemetry::ignore_malformed};
///
/// let deadline = |value: &str| {
///     ignore_malformed(header::grpc_timeout(value)).map(Deadline::after)
/// };
/// assert!(deadline("250m").is_some());
/// assert!(deadline("soon").is_none());
/// ```
pub fn ignore_malformed<T>(read: Result<T, Malformed>) -> Option<T> {
    read.map_err(counters::malformed).ok()
}
