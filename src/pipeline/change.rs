//! Other settings for a pipeline that runs.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{config::Config, core::Core, switched::Switched, terms::Settings};
use crate::{breaker::Order, error::InvalidConfig, fallback, guard::Template};

/// Who changes the settings, one at a time. No lock is held meanwhile, since listeners are told.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Somebody is at it.
    taken: bool,
    /// What whoever is at it is to apply next.
    next: Option<Config>,
}

impl<Y, D> Core<Y, D> {
    /// Applies settings that were checked, or has them applied.
    pub(super) fn change(&self, config: Config, fallback: &impl Fn(&fallback::Config)) {
        // What nobody had come to may own functions of the user's: it goes after the lock.
        let (_overtaken, busy) = {
            let mut turn = self.turn.lock();
            let overtaken = turn.next.replace(config);
            (overtaken, std::mem::replace(&mut turn.taken, true))
        };
        if busy {
            return;
        }
        let mut panicked = None;
        while let Some(next) = self.next() {
            // A recorder may panic. What others have left behind is theirs, and is applied all the same.
            let applied = catch_unwind(AssertUnwindSafe(|| self.apply(next, fallback)));
            panicked = panicked.or(applied.err());
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    /// What is to be applied next. If there is nothing the turn is over, in the same breath, or somebody
    /// might leave settings behind for nobody.
    fn next(&self) -> Option<Config> {
        let mut turn = self.turn.lock();
        let next = turn.next.take();
        turn.taken = next.is_some();
        next
    }

    fn apply(&self, config: Config, fallback: &impl Fn(&fallback::Config)) {
        let before = self.config.get();
        self.config.set(config.clone());
        self.terms.set(Settings::from(&config));
        if config.attempt_timeout != before.attempt_timeout {
            taken(self.attempt.reconfigure(config.attempt()));
        }
        if config.budget != before.budget {
            taken(self.budget.reconfigure(config.budget));
        }
        if let Some(retry) = config.retry.filter(|it| *it != self.retry.config()) {
            self.retry.reconfigure(retry);
        }
        if let Some(hedge) = config.hedge.filter(|it| *it != self.hedge.config()) {
            self.hedge.reconfigure(hedge);
        }
        self.limit().take(config.rate_limit);
        let breaker = self.breaker();
        let (was_on, on) = (breaker.is_on(), config.breaker.is_some());
        if on && !was_on {
            breaker.policy.order(Order::Reset);
        }
        breaker.take(config.breaker);
        if was_on && !on {
            // Nobody asks it any more, so it would never close, and calls under way might yet open it.
            breaker.policy.order(Order::Reset);
        }
        let places = self.places();
        let was_on = places.is_on();
        places.take(config.bulkhead);
        if was_on && !places.is_on() {
            // Those who wait would do so for places that nobody else needs any more.
            let mut open = places.policy.config();
            open.shadow = true;
            taken(places.policy.reconfigure(open));
        }
        fallback(&config.fallback);
    }
}

impl<P: Template<Config: PartialEq>> Switched<P> {
    /// Takes these settings, or is absent.
    fn take(&self, config: Option<P::Config>) {
        let on = config.is_some();
        if let Some(config) = config.filter(|it| *it != self.policy.config()) {
            taken(self.policy.reconfigure(config));
        }
        self.switch(on);
    }
}

fn taken(checked: Result<(), InvalidConfig>) {
    checked.expect("the whole was checked");
}
