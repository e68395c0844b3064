//! How long a call may take, by its request.

use std::time::Duration;

/// Says how long the call with this request may take.
///
/// Any closure `Fn(&Request) -> Option<Duration>` does. A limit of zero allows a call only what it
/// can do without waiting.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say how long a request of type `{R}` may take",
    label = "not a limit for this request",
    note = "a limit is a closure `|request: &{R}| -> Option<Duration>`, its parameter's type written out, or a type that implements `buttress::timeout::Limit<{R}>`"
)]
pub trait Limit<R: ?Sized> {
    /// The limit of this call; nothing for that of the [`Config`](crate::timeout::Config).
    fn limit(&self, request: &R) -> Option<Duration>;
}

/// The same limit for every call, that of the settings: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed;

impl<R: ?Sized> Limit<R> for Fixed {
    #[inline]
    fn limit(&self, _: &R) -> Option<Duration> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<R: ?Sized, F: Fn(&R) -> Option<Duration>> Limit<R> for F {
    #[inline]
    fn limit(&self, request: &R) -> Option<Duration> {
        self(request)
    }
}
