//! A closure as a service, so that code without tower is served by the same future.

use std::fmt;

use super::{future::ResponseFuture, handle::Hedge, hedging::Hedging, state::State};
use crate::replay::{Attempt, Repeat, RepeatFlat};

/// The future of [`Hedge::call`].
pub type Call<F, C, Y, D> = ResponseFuture<Repeat<F>, Attempt, Direct<C, Y, D>>;

/// The future of [`Hedge::call_flat`].
pub type FlatCall<F, C, Y, D> = ResponseFuture<RepeatFlat<F>, Attempt, Direct<C, Y, D>>;

/// A hedge whose requests are attempts: nothing to replay.
pub struct Direct<C, Y, D>(pub(super) Hedge<C, Y, D>);

impl<C, Y, D> Hedging<Attempt> for Direct<C, Y, D> {
    type Kept = ();
    type Judge = C;

    #[inline]
    fn state(&self) -> &State {
        self.0.state()
    }

    #[inline]
    fn judge(&self) -> &C {
        self.0.classifier()
    }

    fn again(&self, (): &(), attempt: Attempt) -> Option<Attempt> {
        Some(attempt)
    }

    fn last(&self, (): (), attempt: Attempt) -> Option<Attempt> {
        Some(attempt)
    }
}

impl<C, Y, D> fmt::Debug for Direct<C, Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
