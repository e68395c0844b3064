//! What the future of a call asks of a hedge, whatever it sends.

use super::{handle::Hedge, state::State};
use crate::replay::{Attempt, Replay};

/// A hedge, as the future of a call sees it: with requests of this type.
pub trait Hedging<R> {
    /// What is kept of a request.
    type Kept;
    /// What judges the results.
    type Judge;

    /// What all calls share.
    fn state(&self) -> &State;

    /// What judges the results.
    fn judge(&self) -> &Self::Judge;

    /// The request once more, when others may follow.
    fn again(&self, kept: &Self::Kept, attempt: Attempt) -> Option<R>;

    /// The request for the last time.
    fn last(&self, kept: Self::Kept, attempt: Attempt) -> Option<R>;
}

impl<R, C, Y: Replay<R>, D> Hedging<R> for Hedge<C, Y, D> {
    type Kept = Y::Kept;
    type Judge = C;

    #[inline]
    fn state(&self) -> &State {
        self.state()
    }

    #[inline]
    fn judge(&self) -> &C {
        self.classifier()
    }

    fn again(&self, kept: &Y::Kept, attempt: Attempt) -> Option<R> {
        self.replay().again(kept, attempt)
    }

    fn last(&self, kept: Y::Kept, attempt: Attempt) -> Option<R> {
        self.replay().last(kept, attempt)
    }
}
