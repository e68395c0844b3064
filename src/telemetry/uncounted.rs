//! Counters and gauges, without the feature `metrics`: none.

use super::family::{Family, Level};
use crate::header::Malformed;

#[derive(Debug)]
pub(crate) struct Counters<const N: usize>;

impl<const N: usize> Counters<N> {
    pub(crate) const fn new(_: &'static str, _: &'static Family<N>) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn add(&self, _: usize) {}
}

#[derive(Debug)]
pub(crate) struct Meter;

impl Meter {
    pub(crate) fn new(_: &'static str, _: &'static Level) -> Self {
        Self
    }

    pub(crate) fn show(&self, _: u64) {}
}

pub(super) fn malformed(_: Malformed) {}
