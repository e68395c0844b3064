//! What a call costs.

/// Says what a call with this request takes of the rate.
///
/// Any closure `Fn(&Request) -> u32` does. A call that costs 0 takes nothing and is always let in; one
/// that costs more than the burst never is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say what a request of type `{R}` costs",
    label = "not a cost for this request",
    note = "a cost is a closure `|request: &{R}| -> u32`, its parameter's type written out, or a type that implements `buttress::rate_limit::Cost<{R}>`"
)]
pub trait Cost<R: ?Sized> {
    /// The cost of this call. Asked once, before anything is taken.
    fn cost(&self, request: &R) -> u32;
}

/// Every call costs one: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct One;

impl<R: ?Sized> Cost<R> for One {
    #[inline]
    fn cost(&self, _: &R) -> u32 {
        1
    }
}

#[diagnostic::do_not_recommend]
impl<R: ?Sized, F: Fn(&R) -> u32> Cost<R> for F {
    #[inline]
    fn cost(&self, request: &R) -> u32 {
        self(request)
    }
}
