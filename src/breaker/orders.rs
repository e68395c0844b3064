//! What an operator asks of the machine: orders, other settings, a look.

use std::time::Duration;

use super::{
    config::{Config, nanos},
    state::{Growth, Machine, Mode, Phase},
    words::{Door, Published},
};
use crate::{
    sys::Rng,
    telemetry::{EventKind, State},
    window::Counts,
};

/// Something to do whatever the calls say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Refuse every call: for so long, or until another order. See
    /// [`force_open`](crate::CircuitBreaker::force_open) and
    /// [`force_open_for`](crate::CircuitBreaker::force_open_for).
    ForceOpen(Option<Duration>),
    /// Let every call pass. See [`force_closed`](crate::CircuitBreaker::force_closed).
    ForceClosed,
    /// Only observe. See [`disable`](crate::CircuitBreaker::disable).
    Disable,
    /// End every order. See [`reset`](crate::CircuitBreaker::reset).
    Reset,
}

/// The machine at a glance. Times are nanoseconds since the breaker was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    pub(crate) shown: State,
    pub(crate) since: u64,
    pub(crate) generation: u64,
    pub(crate) counts: Counts,
    pub(crate) probes: Option<(u32, Counts)>,
    pub(crate) next_probe: Option<u64>,
    pub(crate) recovering: bool,
}

impl Machine {
    /// Every order starts a new generation with a closed, empty machine that has forgotten its
    /// openings.
    pub(crate) fn order(&mut self, order: Order, now: u64) {
        let now = self.catch_up(now);
        let from = self.shown();
        self.growth = Growth::default();
        self.close(None);
        self.mode = match order {
            Order::ForceOpen(None) => Mode::ForcedOpen,
            Order::ForceClosed => Mode::ForcedClosed,
            Order::Disable => Mode::Disabled,
            Order::Reset | Order::ForceOpen(Some(_)) => Mode::Auto,
        };
        if let Order::ForceOpen(Some(open_for)) = order {
            self.phase = Phase::Open {
                until: now.saturating_add(nanos(open_for)),
                ordered: true,
            };
        }
        // Under the same name as before it is still another state, that has begun now.
        self.since = now;
        let kind = match order {
            Order::ForceOpen(open_for) => EventKind::ForcedOpen { open_for },
            Order::ForceClosed => EventKind::ForcedClosed,
            Order::Disable => EventKind::Disabled,
            Order::Reset => EventKind::Reset,
        };
        self.tell(kind, from);
    }

    /// Other settings, already checked. Not a new generation: they apply from the next settlement.
    pub(crate) fn reconfigure(&mut self, config: Config, now: u64) {
        let now = self.catch_up(now);
        let from = self.shown();
        let window_cleared = self.window.resize(config.window.extent(), now);
        self.config = config;
        self.tell(EventKind::Reconfigured { window_cleared }, from);
    }

    /// From now on the metrics know the state, and hear of every change.
    pub(crate) fn meter(&mut self) -> State {
        self.metered = true;
        self.shown()
    }

    /// The state that the metrics know, if they do.
    pub(crate) fn metered_as(&self) -> Option<State> {
        self.metered.then(|| self.shown())
    }

    pub(crate) fn split_rng(&mut self) -> Rng {
        Rng::seeded(self.rng.next())
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// A look. It notices hung probes; it never ends an opening.
    pub(crate) fn view(&mut self, now: u64) -> View {
        self.catch_up(now);
        View {
            shown: self.shown(),
            since: self.since,
            generation: self.generation,
            counts: self.window.counts(),
            probes: match &self.phase {
                Phase::HalfOpen(trial) => Some((trial.running(), trial.judged())),
                _ => None,
            },
            next_probe: match (self.mode, &self.phase) {
                (Mode::Auto | Mode::Disabled, Phase::Open { until, .. }) => Some(*until),
                _ => None,
            },
            recovering: matches!(&self.phase, Phase::Closed { ramp: Some(_), .. }),
        }
    }

    /// What calls may see without asking.
    pub(crate) fn published(&self) -> Published {
        let (door, until) = match (self.mode, &self.phase) {
            (Mode::ForcedOpen, _) => (Door::Forced, 0),
            (_, Phase::Closed { ramp: None, .. }) => (Door::Closed, 0),
            (_, Phase::Closed { ramp: Some(_), .. }) => (Door::Ask, 0),
            (_, Phase::Open { until, .. }) => (Door::Open, *until),
            (_, Phase::HalfOpen(trial)) => {
                let decided = trial.verdict(&self.config).is_some();
                if decided || trial.has_place(&self.config) {
                    (Door::Ask, 0)
                } else {
                    (Door::Full, trial.first_hang(&self.config))
                }
            }
        };
        Published {
            door,
            observed: self.observes(),
            generation: self.short_generation(),
            until,
            advance_due: self.window.advance_due(),
            slow_after: self.config.slow_after(),
        }
    }

    /// Would forgetting it all lose nothing?
    pub(crate) fn idle(&mut self, now: u64) -> bool {
        let now = self.catch_up(now);
        let Phase::Closed { since, ramp: None } = self.phase else {
            return false;
        };
        let counts = self.window.counts();
        self.mode == Mode::Auto
            && counts.failed == 0
            && counts.slow == 0
            && now - since >= self.growth.planned
    }
}
