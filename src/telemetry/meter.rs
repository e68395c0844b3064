//! Metrics, through the `metrics` facade.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use super::{
    counters::RareCounters,
    event::State,
    kin::Kin,
    names::{self, BREAKER_REASONS as REASONS},
};
use crate::{classify::Outcome, error::Reason, sys::Arc};

/// The metrics of a circuit breaker. The handles are registered when the first call ends or is
/// refused; `register` is asked for the state then, once.
#[derive(Debug)]
pub(crate) struct BreakerMeter {
    handles: Kin<Arc<Handles>>,
    would_have_rejected: RareCounters<{ REASONS.len() }>,
}

struct Handles {
    /// In the order of the enum's variants, as are the states.
    calls: [Counter; OUTCOMES.len()],
    rejected: [Counter; REASONS.len()],
    states: [Gauge; State::ALL.len()],
}

const OUTCOMES: [Outcome; 4] = [
    Outcome::Success,
    Outcome::Failure,
    Outcome::Ignored,
    Outcome::Abandoned,
];

impl BreakerMeter {
    pub(crate) fn new(policy: &'static str) -> Self {
        let family = &names::BREAKER_WOULD_HAVE_REJECTED;
        Self {
            handles: Kin::new(policy),
            would_have_rejected: RareCounters::new(policy, family),
        }
    }

    /// For another breaker of the same name, with the same handles.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            handles: self.handles.fresh(),
            would_have_rejected: self.would_have_rejected.fresh(),
        }
    }

    #[inline]
    pub(crate) fn settled(&self, outcome: Outcome, register: impl FnOnce() -> State) {
        match self.handles.get() {
            Some(handles) => handles.calls[outcome as usize].increment(1),
            None => self.settled_first(outcome, register),
        }
    }

    #[cold]
    #[inline(never)]
    fn settled_first(&self, outcome: Outcome, register: impl FnOnce() -> State) {
        self.handles(register).calls[outcome as usize].increment(1);
    }

    pub(crate) fn rejected(&self, reason: Reason, register: impl FnOnce() -> State) {
        let handles = self.handles(register);
        if let Some(at) = number(reason) {
            handles.rejected[at].increment(1);
        }
    }

    /// A call was let in only because the breaker observes.
    pub(crate) fn would_have_rejected(&self, reason: Reason) {
        if let Some(at) = number(reason) {
            self.would_have_rejected.add(at);
        }
    }

    /// The state changed, after it was told first.
    pub(crate) fn moved(&self, from: State, to: State) {
        let Some(handles) = self.handles.get() else {
            return;
        };
        // Commutes with all other changes of the gauges, whatever the order of the threads.
        handles.states[from as usize].decrement(1.0);
        handles.states[to as usize].increment(1.0);
        let (policy, from, to) = (self.handles.policy(), from.as_str(), to.as_str());
        counter!(names::BREAKER_TRANSITIONS, "policy" => policy, "from" => from, "to" => to)
            .increment(1);
    }

    /// The breaker is gone, from this state.
    pub(crate) fn gone(&mut self, state: State) {
        if let Some(handles) = self.handles.get() {
            handles.states[state as usize].decrement(1.0);
        }
    }

    /// Of several threads that come first at once one joins its breaker to the others and tells its
    /// state.
    fn handles(&self, register: impl FnOnce() -> State) -> &Handles {
        if let Some(handles) = self.handles.get() {
            return handles;
        }
        let all = |policy| Arc::new(Handles::register(policy));
        let (handles, joined) = self.handles.join(all);
        if joined {
            handles.states[register() as usize].increment(1.0);
        }
        handles
    }
}

fn number(reason: Reason) -> Option<usize> {
    REASONS.iter().position(|known| *known == reason)
}

impl Handles {
    #[cold]
    fn register(policy: &'static str) -> Self {
        describe_counter!(names::CALLS, Unit::Count, "Guarded calls that ended.");
        describe_counter!(names::REJECTED, Unit::Count, names::REJECTED_IS);
        describe_gauge!(
            names::BREAKER_STATE,
            Unit::Count,
            "Circuit breakers in this state."
        );
        describe_counter!(
            names::BREAKER_TRANSITIONS,
            Unit::Count,
            "Changes of state of circuit breakers."
        );
        let handles = Self {
            calls: OUTCOMES.map(
                |outcome| counter!(names::CALLS, "policy" => policy, "outcome" => outcome.as_str()),
            ),
            rejected: REASONS.map(
                |reason| counter!(names::REJECTED, "policy" => policy, "reason" => reason.as_str()),
            ),
            states: State::ALL.map(
                |state| gauge!(names::BREAKER_STATE, "policy" => policy, "state" => state.as_str()),
            ),
        };
        // States that nobody is in are there, too, at zero.
        for gauge in &handles.states {
            gauge.increment(0.0);
        }
        handles
    }
}

impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handles").finish_non_exhaustive()
    }
}
