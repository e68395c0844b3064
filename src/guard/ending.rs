//! Another idea of when a call has ended, for whole layers.

use tower::Layer;

/// A service whose calls can end at another moment. Given for what the layers with admission make; there is
/// nothing to implement.
#[diagnostic::on_unimplemented(
    message = "the calls of `{Self}` have no end that could be moved",
    label = "not a service of a guard or of a pipeline",
    note = "give it the layer of a circuit breaker, bulkhead, rate limit or `Resilience`, and put retries and the like around that"
)]
pub trait EndWith<M> {
    /// The service whose calls end so.
    type Ended;

    /// The same with another idea of when a call has ended. See [`Ending`](super::Ending).
    fn end_with(self, ending: M) -> Self::Ended;
}

/// A layer whose calls end at another moment. Made by [`with_ending`].
#[derive(Debug, Clone, Copy)]
pub struct WithEnding<L, M> {
    layer: L,
    ending: M,
}

/// A layer with admission whose calls end as `ending` says, and not with their response.
pub const fn with_ending<L, M>(layer: L, ending: M) -> WithEnding<L, M> {
    WithEnding { layer, ending }
}

impl<L, M> WithEnding<L, M> {
    /// The layer itself: the handle.
    pub const fn get_ref(&self) -> &L {
        &self.layer
    }
}

impl<S, L, M> Layer<S> for WithEnding<L, M>
where
    L: Layer<S>,
    L::Service: EndWith<M>,
    M: Clone,
{
    type Service = <L::Service as EndWith<M>>::Ended;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer.layer(inner).end_with(self.ending.clone())
    }
}
