//! The date, for what others have written as one. Everything else is measured by [`Now`](super::Now).

pub(crate) use std::time::SystemTime;

pub(crate) fn today() -> SystemTime {
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    let today = SystemTime::now();
    today
}
