//! Counters, gauges and histograms, without the feature `metrics`: none.

use std::time::Duration;

use super::family::{Family, Level, Spread};
use crate::header::Malformed;

#[derive(Debug)]
pub(crate) struct Counters<const N: usize>;

impl<const N: usize> Counters<N> {
    pub(crate) const fn new(_: &'static str, _: &'static Family<N>) -> Self {
        Self
    }

    pub(crate) fn fresh(&self) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn add(&self, _: usize) {}
}

#[derive(Debug)]
pub(crate) struct RareCounters<const N: usize>;

impl<const N: usize> RareCounters<N> {
    pub(crate) const fn new(_: &'static str, _: &'static Family<N>) -> Self {
        Self
    }

    pub(crate) fn fresh(&self) -> Self {
        Self
    }

    pub(crate) fn add(&self, _: usize) {}
}

#[derive(Debug)]
pub(crate) struct Meter;

impl Meter {
    pub(crate) fn new(_: &'static str, _: &'static Level) -> Self {
        Self
    }

    pub(crate) fn fresh(&self) -> Self {
        Self
    }

    pub(crate) fn show(&self, _: u64) {}

    pub(crate) fn show_whole(&self, _: u64) {}

    pub(crate) fn is_known(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub(crate) struct UpDown;

impl UpDown {
    pub(crate) const fn new(_: &'static str, _: &'static Level) -> Self {
        Self
    }

    pub(crate) fn fresh(&self) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn up(&self) -> bool {
        false
    }

    #[inline]
    pub(crate) fn down(&self) {}

    pub(crate) fn is_known(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub(crate) struct Times;

impl Times {
    pub(crate) const fn new(_: &'static str, _: &'static Spread) -> Self {
        Self
    }

    pub(crate) fn fresh(&self) -> Self {
        Self
    }

    pub(crate) fn record(&self, _: Duration) {}
}

pub(super) fn malformed(_: Malformed) {}
