//! Metrics, without the feature `metrics`: none.

use super::event::State;
use crate::{classify::Outcome, error::Reason};

#[derive(Debug)]
pub(crate) struct BreakerMeter;

impl BreakerMeter {
    pub(crate) const fn new(_: &'static str) -> Self {
        Self
    }

    pub(crate) fn fresh(&self) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn settled(&self, _: Outcome, _: impl FnOnce() -> State) {}

    pub(crate) fn rejected(&self, _: Reason, _: impl FnOnce() -> State) {}

    pub(crate) fn would_have_rejected(&self, _: Reason) {}

    pub(crate) fn moved(&self, _: State, _: State) {}

    pub(crate) fn gone(&mut self, _: State) {}
}
