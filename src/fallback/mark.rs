//! How a caller sees that an answer is a backup's.

/// Marks a backup's answer, so that a caller can tell it from the service's own.
///
/// Any closure `Fn(&mut Response)` is one. For HTTP there is
/// `http::InExtensions` (feature `http`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot mark a response of type `{T}`",
    label = "not a mark for this service's responses",
    note = "a mark is a closure `|response: &mut {T}| ..`, its parameter's type written out, or a type that implements `buttress::fallback::Mark<{T}>`"
)]
pub trait Mark<T> {
    /// This answer is one of the backup of the fallback of that name.
    fn mark(&self, response: &mut T, policy: &'static str);
}

/// A backup's answer looks like any other: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unmarked;

impl<T> Mark<T> for Unmarked {
    fn mark(&self, _: &mut T, _: &'static str) {}
}

#[diagnostic::do_not_recommend]
impl<T, F: Fn(&mut T)> Mark<T> for F {
    fn mark(&self, response: &mut T, _: &'static str) {
        self(response);
    }
}
