//! tonic's body, sent again.

use ::tonic::body::Body;

use crate::http::{ReplayBody, Replayed};

impl Replayed for Body {
    type Source = Self;

    fn into_replay(self) -> ReplayBody<Self> {
        self.into()
    }

    fn from_replay(body: ReplayBody<Self>) -> Self {
        Self::new(body)
    }
}
