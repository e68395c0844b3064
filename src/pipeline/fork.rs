//! A pipeline like another.

use super::{
    builder::{assemble, of_core},
    cover::NoFallback,
    handle::Resilience,
};
use crate::{
    fallback::handle::Fallback,
    sys::Arc,
    telemetry::{Voice, intern},
};

/// A fallback that others can be made like, or none. Given for [`NoFallback`] and for a
/// [`Fallback`](crate::Fallback) whose strategies are `Clone`; there is nothing to implement.
pub trait Forked: Sized {
    #[doc(hidden)]
    fn forked(&self, voice: Told) -> Self;
}

/// Under which name, and to whom, a fork tells what happens.
#[derive(Debug)]
pub struct Told(Voice);

impl Forked for NoFallback {
    fn forked(&self, _: Told) -> Self {
        Self
    }
}

impl<B: Clone, C: Clone, M: Clone> Forked for Fallback<B, C, M> {
    fn forked(&self, Told(voice): Told) -> Self {
        self.fork_in(voice)
    }
}

impl<C: Clone, Y: Clone, D: Clone, F: Forked> Resilience<C, Y, D, F> {
    /// A pipeline of another name that has learned nothing yet, with the settings, strategies and the
    /// builder's listeners of this one: for one pipeline per endpoint. It has a budget of its own.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self {
        let core = self.handle().policy();
        let name = intern(name.as_ref());
        let listeners = core.voice.fork_listeners();
        let told = Told(Voice::among(name, Arc::clone(&listeners)));
        let rng = core.breaker().policy.split_rng();
        let (replay, deadline) = (core.replay.clone(), core.deadline.clone());
        let fork = assemble(name, self.config(), rng, &listeners, replay, deadline);
        let handle = of_core(fork, self.handle().classifier().clone());
        Self::new(handle, self.cover().forked(told))
    }
}
