//! What all calls of a hedge share, whatever its strategies are.

use std::time::Duration;

use super::{
    config::Config,
    pace::Pace,
    snapshot::{Snapshot, Withheld},
};
use crate::{
    budget::handle::Budget,
    replay::Attempt,
    sys::{AtomicU64, Now, Ordering},
    telemetry::{Counters, EventKind, Voice, names},
};

/// What hedges are paid from.
#[derive(Debug)]
pub(crate) enum Purse {
    /// A budget of its own; a fork has another.
    Own(Budget),
    /// One that is shared, also by forks.
    Given(Budget),
    /// None: every hedge that is due is sent.
    None,
}

/// Named by the future of a call, and by nobody else.
#[derive(Debug)]
pub struct State {
    pub(super) pace: Pace,
    purse: Purse,
    pub(super) voice: Voice,
    races: Counters<4>,
    withheld: Counters<3>,
    tally: Tally,
}

/// For the snapshot. Nobody waits for them: relaxed.
#[derive(Debug, Default)]
struct Tally {
    hedged: AtomicU64,
    won: AtomicU64,
    withheld: [AtomicU64; 3],
}

/// How a call ended for which a hedge was sent: the order of the metric's values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Race {
    Primary,
    Hedge,
    None,
    Abandoned,
}

/// Why a hedge that is due is not sent: the order of the metric's values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Withholding {
    Budget,
    Deadline,
    NotReplayable,
}

impl State {
    pub(crate) fn new(config: Config, purse: Purse, voice: Voice) -> Self {
        let name = voice.policy();
        Self {
            pace: Pace::new(config),
            purse,
            voice,
            races: Counters::new(name, &names::HEDGES),
            withheld: Counters::new(name, &names::HEDGES_WITHHELD),
            tally: Tally::default(),
        }
    }

    pub(crate) fn config(&self) -> Config {
        self.pace.config()
    }

    /// Takes other settings, already checked.
    pub(crate) fn reconfigure(&self, config: Config) {
        let nanos = self.pace.nanos(&Now::lazy());
        let window_cleared = self.pace.reconfigure(config, nanos);
        self.voice.tell(EventKind::Reconfigured { window_cleared });
    }

    /// The same settings under another name, nothing measured.
    pub(super) fn fork(&self, name: &str) -> Self {
        let voice = self.voice.fork(name);
        let purse = match &self.purse {
            Purse::Own(budget) => Purse::Own(budget.fork(name)),
            Purse::Given(budget) => Purse::Given(budget.clone()),
            Purse::None => Purse::None,
        };
        Self::new(self.pace.config(), purse, voice)
    }

    #[inline]
    pub(super) fn budget(&self) -> Option<&Budget> {
        match &self.purse {
            Purse::Own(budget) | Purse::Given(budget) => Some(budget),
            Purse::None => None,
        }
    }

    /// A call begins. Whether its latency is to be measured.
    #[inline]
    pub(super) fn arrive(&self, now: &Now) -> bool {
        self.pace.arrive(now)
    }

    /// A call is answered, with a success. One that fails or is given up deposits nothing: where nothing
    /// is answered, hedges are not to add to it.
    #[inline]
    pub(super) fn answered(&self) {
        if let Some(budget) = self.budget() {
            budget.deposit();
        }
    }

    /// Whether there is room in the budget for a deposit.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.budget().is_some_and(|budget| !budget.is_full())
    }

    /// A hedge is about to be sent: may it?
    pub(super) fn draw(&self, now: &Now) -> bool {
        self.budget().is_none_or(|budget| budget.draw(now))
    }

    pub(super) fn hedged(&self, attempt: Attempt, after: Duration) {
        self.tally.hedged.fetch_add(1, Ordering::Relaxed);
        let attempt = attempt.number();
        self.voice.tell(EventKind::Hedged { attempt, after });
    }

    pub(super) fn withheld(&self, why: Withholding) {
        self.tally.withheld[why as usize].fetch_add(1, Ordering::Relaxed);
        self.withheld.add(why as usize);
    }

    pub(super) fn ended(&self, race: Race) {
        self.races.add(race as usize);
    }

    pub(super) fn hedge_won(&self, attempt: Attempt, after: Duration) {
        self.tally.won.fetch_add(1, Ordering::Relaxed);
        self.ended(Race::Hedge);
        let attempt = attempt.number();
        self.voice.tell(EventKind::HedgeWon { attempt, after });
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let seen = self.pace.look(self.pace.nanos(&Now::lazy()));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [budget, deadline, not_replayable] = &self.tally.withheld;
        Snapshot {
            policy: self.voice.policy(),
            delay: seen.delay,
            samples: seen.completed,
            cut_short: seen.cut_short,
            hedged: count(&self.tally.hedged),
            won: count(&self.tally.won),
            withheld: Withheld {
                budget: count(budget),
                deadline: count(deadline),
                not_replayable: count(not_replayable),
            },
        }
    }
}
