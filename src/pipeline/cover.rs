//! What stands outside of everything: a fallback, or none.

use std::{fmt, future::Future};

use crate::{
    classify::Classify,
    fallback::{self, Backup, Mark, handle::Fallback},
    telemetry::Voice,
};

/// A fallback, or none: the last strategy of a [`Resilience`](crate::Resilience). Given for
/// [`NoFallback`] and for [`Fallback`](crate::Fallback); there is nothing to implement.
pub trait Cover<R, T, E> {
    /// The future of a covered call.
    type Future<F: Future<Output = Result<T, E>>>: Future<Output = Result<T, E>>;

    #[doc(hidden)]
    fn cover<F>(&self, request: R, call: impl FnOnce(R) -> F) -> Self::Future<F>
    where
        F: Future<Output = Result<T, E>>;
}

/// A failed call stays one: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoFallback;

impl<R, T, E> Cover<R, T, E> for NoFallback {
    type Future<F: Future<Output = Result<T, E>>> = F;

    #[inline]
    fn cover<F>(&self, request: R, call: impl FnOnce(R) -> F) -> F
    where
        F: Future<Output = Result<T, E>>,
    {
        call(request)
    }
}

impl<R, T, E, B, C, M> Cover<R, T, E> for Fallback<B, C, M>
where
    B: Backup<R, T, E>,
    C: Classify<T, E>,
    M: Mark<T>,
{
    type Future<F: Future<Output = Result<T, E>>> = fallback::ResponseFuture<F, R, B, C, M>;

    #[inline]
    fn cover<F>(&self, request: R, call: impl FnOnce(R) -> F) -> Self::Future<F>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.run(request, call)
    }
}

/// What a pipeline asks of its fallback, or of none.
pub trait Outermost {
    #[doc(hidden)]
    fn reconfigure(&self, config: &fallback::Config);

    #[doc(hidden)]
    fn snapshot(&self) -> Option<fallback::Snapshot>;

    /// The same as `reconfigure`, without keeping the fallback alive.
    #[doc(hidden)]
    fn remote(&self) -> Box<dyn Fn(&fallback::Config) + Send + Sync>;
}

impl Outermost for NoFallback {
    fn reconfigure(&self, _: &fallback::Config) {}

    fn snapshot(&self) -> Option<fallback::Snapshot> {
        None
    }

    fn remote(&self) -> Box<dyn Fn(&fallback::Config) + Send + Sync> {
        Box::new(|_| {})
    }
}

impl<B, C, M> Outermost for Fallback<B, C, M> {
    fn reconfigure(&self, config: &fallback::Config) {
        if self.config() != *config {
            let checked = self.reconfigure(config.clone());
            checked.expect("the pipeline has checked it");
        }
    }

    fn snapshot(&self) -> Option<fallback::Snapshot> {
        Some(self.snapshot())
    }

    fn remote(&self) -> Box<dyn Fn(&fallback::Config) + Send + Sync> {
        self.settings_from_afar()
    }
}

/// How a pipeline comes by its fallback, or by none.
pub trait Covering {
    /// The fallback, which judges with the pipeline's classifier.
    type Cover<C>;

    #[doc(hidden)]
    fn build<C>(self, parts: Parts<'_, C>) -> Self::Cover<C>;
}

/// What a pipeline gives its fallback.
pub struct Parts<'a, C> {
    pub(super) config: &'a fallback::Config,
    pub(super) voice: Voice,
    pub(super) classify: C,
}

impl<C> fmt::Debug for Parts<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Covering for NoFallback {
    type Cover<C> = Self;

    fn build<C>(self, _: Parts<'_, C>) -> Self {
        self
    }
}

impl<B, J, M> Covering for fallback::Builder<B, J, M> {
    type Cover<C> = Fallback<B, C, M>;

    fn build<C>(self, parts: Parts<'_, C>) -> Fallback<B, C, M> {
        self.build_in(parts.config, parts.voice, parts.classify)
    }
}
