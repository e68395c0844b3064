//! Calls in the words of a protocol.

use tower::{Layer, Service};

use super::{
    again::ByRequest,
    core::Handle,
    cover::Cover,
    future::ResponseFuture,
    send::{Own, send},
    service::Resilient,
};
use crate::{
    classify::Classify,
    deadline::CarryDeadline,
    error::CarryRejected,
    guard::{EndWith, Ending},
    replay::Replay,
};

/// The future of [`Resilient::run`].
pub(crate) type Run<T, R, C, Y, D, F, M> = <F as Cover<
    R,
    <M as Ending<Handle<C, Y, D>, <T as Service<R>>::Response, <T as Service<R>>::Error>>::Response,
    <T as Service<R>>::Error,
>>::Future<ResponseFuture<T, D, R, ByRequest, C, Y, D, M>>;

impl<S, C, Y, D, F, M> Resilient<S, C, Y, D, F, M> {
    /// One call through a service of its own, which `speak` makes of the inner one: for what asks it in the
    /// words of a protocol.
    pub(crate) fn run<T, R>(
        &self,
        speak: impl FnOnce(S) -> T,
        request: R,
    ) -> Run<T, R, C, Y, D, F, M>
    where
        S: Clone,
        T: Service<R, Error: CarryRejected> + Clone,
        M: Ending<Handle<C, Y, D>, T::Response, T::Error> + Clone,
        C: Classify<M::Response, T::Error>,
        Y: Replay<R>,
        D: CarryDeadline<R> + Clone,
        F: Cover<R, M::Response, T::Error>,
    {
        let handle = self.resilience.handle();
        let core = handle.policy();
        let inner = core.in_time(speak(self.get_ref().clone()), core.deadline.clone());
        let attempts = handle.layer(inner).end_with(self.attempts.ending().clone());
        let fallback = self.resilience.cover();
        fallback.cover(request, |request| {
            send(handle, &core.deadline, Own(attempts), request)
        })
    }
}
