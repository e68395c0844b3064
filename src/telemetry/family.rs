//! What metrics are made of, with or without a facade to tell them to.
#![cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "nobody counts"))]

/// Counters of one name, told apart by one label besides the policy's name.
#[derive(Debug)]
pub(crate) struct Family<const N: usize> {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) label: &'static str,
    /// In the order of the enum whose variants they are.
    pub(super) values: [&'static str; N],
}

/// A histogram of times.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
}

/// A gauge.
#[derive(Debug)]
pub(crate) struct Level {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
}
