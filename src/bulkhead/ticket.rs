//! The right to run a call.

/// The right to run one call: in a place, or, in [shadow](crate::bulkhead#shadow), beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub(super) has_place: bool,
}

impl Ticket {
    pub(super) const PLACED: Self = Self { has_place: true };

    /// There was no place: nothing is given back at the end.
    pub(super) const BESIDE: Self = Self { has_place: false };
}
