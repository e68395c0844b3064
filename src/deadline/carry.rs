use std::fmt;

use super::instant::Deadline;

/// Where a request keeps its deadline. See [`deadline`](crate::deadline).
///
/// What is read may be anything, also a deadline that has passed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say where `{R}` keeps its deadline",
    label = "not a deadline strategy for this request",
    note = "a strategy is a closure `|request: &{R}| -> Option<buttress::Deadline>`, its parameter's type written out, or a type that implements `buttress::deadline::CarryDeadline<{R}>`"
)]
pub trait CarryDeadline<R: ?Sized> {
    /// Whether it writes. Who would only write a deadline does not read the clock for nothing.
    const WRITES: bool = false;

    /// The deadline of this request, if it has one.
    fn read(&self, request: &R) -> Option<Deadline>;

    /// Gives the request this deadline, in place of a later one or of none.
    fn write(&self, request: &mut R, deadline: Deadline) {
        let _ = (request, deadline);
    }

    /// Called in place of [`write`](Self::write) where the deadline that holds is the request's own. A strategy
    /// that writes how much time is left, and not until when, brings that up to date; by default nothing
    /// is done.
    fn refresh(&self, request: &mut R, deadline: Deadline) {
        let _ = (request, deadline);
    }
}

/// Requests carry no deadline: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoDeadline;

impl<R: ?Sized> CarryDeadline<R> for NoDeadline {
    #[inline]
    fn read(&self, _: &R) -> Option<Deadline> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<R: ?Sized, F: Fn(&R) -> Option<Deadline>> CarryDeadline<R> for F {
    #[inline]
    fn read(&self, request: &R) -> Option<Deadline> {
        self(request)
    }
}

/// Two closures: one reads the deadline, one writes it.
///
/// ```
/// use buttress::{Deadline, deadline::ReadWrite};
///
/// #[derive(Default)]
/// struct Request {
///     answer_by: Option<Deadline>,
/// }
///
/// let carried = ReadWrite::new(
///     |request: &Request| request.answer_by,
///     |request: &mut Request, deadline| request.answer_by = Some(deadline),
/// );
/// # let _ = carried;
/// ```
#[derive(Clone, Copy)]
pub struct ReadWrite<F, W> {
    read: F,
    write: W,
}

impl<F, W> ReadWrite<F, W> {
    /// Reads with the first, writes with the second.
    pub const fn new<R>(read: F, write: W) -> Self
    where
        F: Fn(&R) -> Option<Deadline>,
        W: Fn(&mut R, Deadline),
    {
        Self { read, write }
    }
}

impl<F, W> fmt::Debug for ReadWrite<F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWrite").finish_non_exhaustive()
    }
}

impl<R, F, W> CarryDeadline<R> for ReadWrite<F, W>
where
    F: Fn(&R) -> Option<Deadline>,
    W: Fn(&mut R, Deadline),
{
    const WRITES: bool = true;

    #[inline]
    fn read(&self, request: &R) -> Option<Deadline> {
        (self.read)(request)
    }

    #[inline]
    fn write(&self, request: &mut R, deadline: Deadline) {
        (self.write)(request, deadline);
    }
}
