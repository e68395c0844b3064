//! The breaker's decisions: pure, every time handed in.
//!
//! Times are nanoseconds since the breaker was made. Every question first brings the machine up to
//! `now`, so a hung probe is noticed by whoever comes along.

use std::time::Duration;

use super::{
    change::Change,
    config::{Config, nanos},
    ticket::{Entry, GENERATION_BITS, Refusal, Role, Ticket, UNTIMED},
    trial::{Ramp, Trial, Verdict},
};
use crate::{
    classify::Outcome,
    error::Reason,
    sys::Rng,
    telemetry::{EventKind, Trip},
    window::{Counts, Mark, Window},
};

/// The circuit breaker as a state machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(super) config: Config,
    pub(super) mode: Mode,
    pub(super) phase: Phase,
    pub(super) generation: u64,
    /// When the state that is shown began.
    pub(super) since: u64,
    /// While not closed: as it was when it opened.
    pub(super) window: Window,
    pub(super) growth: Growth,
    /// The latest time seen: clocks are read outside the lock, so they may arrive out of order.
    pub(super) latest: u64,
    pub(super) rng: Rng,
    /// What has happened and not been told yet.
    pub(super) changes: Vec<Change>,
    pub(super) told: u64,
    pub(super) metered: bool,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Auto,
    ForcedOpen,
    ForcedClosed,
    Disabled,
}

#[derive(Debug)]
pub(super) enum Phase {
    Closed {
        since: u64,
        ramp: Option<Ramp>,
    },
    /// `ordered`: by an operator.
    Open {
        until: u64,
        ordered: bool,
    },
    HalfOpen(Trial),
}

/// Successive openings.
#[derive(Debug, Default)]
pub(super) struct Growth {
    pub(super) openings: u32,
    /// The last wait.
    pub(super) planned: u64,
}

impl Machine {
    pub(crate) fn new(config: Config, rng: Rng) -> Self {
        Self {
            window: Window::new(config.window.extent()),
            config,
            mode: Mode::Auto,
            phase: Phase::Closed {
                since: 0,
                ramp: None,
            },
            generation: 0,
            since: 0,
            growth: Growth::default(),
            latest: 0,
            rng,
            changes: Vec::new(),
            told: 0,
            metered: false,
        }
    }

    /// Calls that neither failed nor were slow have completed in this generation.
    pub(crate) fn succeed(&mut self, n: u64) {
        self.window.succeed(n);
    }

    /// Brings the machine up to `now`, as far as time alone moves it. Never ends an opening: that
    /// takes a call.
    pub(crate) fn catch_up(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        let now = self.latest;
        match &mut self.phase {
            Phase::Closed { ramp, .. } => {
                self.window.advance(now);
                ramp.take_if(|ramp| ramp.is_over(now, self.config.ramp));
            }
            Phase::Open { .. } => {}
            Phase::HalfOpen(trial) => {
                let hung = trial.end_hung(now, &self.config);
                let verdict = trial.verdict(&self.config);
                if hung > 0 {
                    self.tell(EventKind::ProbesTimedOut { count: hung }, self.shown());
                }
                self.pronounce(verdict);
            }
        }
        now
    }

    /// Would a call be refused for certain?
    pub(crate) fn check(&self, now: u64) -> Option<Refusal> {
        let now = now.max(self.latest);
        match (self.mode, &self.phase) {
            _ if self.observes() => None,
            (Mode::ForcedOpen, _) => Some(Refusal::of(Reason::ForcedOpen)),
            (_, Phase::Open { until, .. }) if now < *until => {
                Some(Refusal::open_until(*until, now))
            }
            (_, Phase::HalfOpen(trial)) => match trial.verdict_at(now, &self.config) {
                // The call would notice the hung probes and find the breaker open.
                Some(Verdict::Reopen(_)) => Some(Refusal::of(Reason::Open)),
                Some(Verdict::Close) => None,
                None => (!trial.has_place(&self.config)).then_some(Refusal::of(Reason::HalfOpen)),
            },
            _ => None,
        }
    }

    /// May this call start?
    pub(crate) fn admit(&mut self, now: u64) -> Entry {
        let now = self.catch_up(now);
        let asked = match (self.mode, &mut self.phase) {
            (Mode::ForcedOpen, _) => Err(Refusal::of(Reason::ForcedOpen)),
            (_, Phase::Closed { ramp, .. }) => {
                if ramp
                    .as_mut()
                    .is_none_or(|ramp| ramp.admits(now, self.config.ramp))
                {
                    Ok(Role::REGULAR)
                } else {
                    Err(Refusal::of(Reason::Recovering))
                }
            }
            (_, Phase::Open { until, .. }) if now < *until => Err(Refusal::open_until(*until, now)),
            (_, Phase::Open { .. }) => {
                self.half_open();
                self.probe(now)
            }
            (_, Phase::HalfOpen(_)) => self.probe(now),
        };
        let ticket = |role| Ticket::new(role, self.short_generation(), now);
        match asked {
            Ok(role) => Entry::Granted(ticket(role)),
            Err(refusal) if self.observes() => Entry::Observed(ticket(Role::UNJUDGED), refusal),
            Err(refusal) => Entry::Refused(refusal),
        }
    }

    fn probe(&mut self, now: u64) -> Result<Role, Refusal> {
        let Phase::HalfOpen(trial) = &mut self.phase else {
            return Err(Refusal::of(Reason::HalfOpen));
        };
        match trial.start(now, &self.config) {
            Some(id) => Ok(Role(id)),
            None => Err(Refusal::of(Reason::HalfOpen)),
        }
    }

    /// The call never started: its place is free again.
    pub(crate) fn cancel(&mut self, ticket: Ticket, now: u64) {
        self.catch_up(now);
        if ticket.generation() != self.short_generation() {
            return;
        }
        match &mut self.phase {
            Phase::HalfOpen(trial) => {
                trial.end(ticket.role().0);
            }
            Phase::Closed {
                ramp: Some(ramp), ..
            } if ticket.role() == Role::REGULAR => ramp.take_back(),
            _ => {}
        }
    }

    /// A call was answered that goes on.
    pub(crate) fn answered(&mut self, ticket: Ticket, now: u64) {
        // First: one that hung until now has been judged.
        self.catch_up(now);
        let current = ticket.generation() == self.short_generation();
        if let (Phase::HalfOpen(trial), true) = (&mut self.phase, current) {
            trial.answer(ticket.role().0);
        }
    }

    /// A call ended. Says whether it still counted: a late one changes nothing.
    ///
    /// The time is asked only where something depends on it.
    pub(crate) fn settle(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        now: impl Fn() -> u64,
    ) -> bool {
        let timed = ticket.started != UNTIMED;
        // The call's own clock says how long it took; others may have brought the machine further.
        let ended = if timed || self.moves_with_time() {
            let ended = now();
            self.catch_up(ended);
            ended
        } else {
            self.latest
        };
        if ticket.role() == Role::UNJUDGED {
            return true;
        }
        if ticket.generation() != self.short_generation() {
            return false;
        }
        let slow = timed && ended.saturating_sub(ticket.started) > self.config.slow_after();
        let mark = Mark {
            failed: outcome == Outcome::Failure,
            slow,
        };
        let counts = match outcome {
            Outcome::Success | Outcome::Failure => true,
            // Callers who lose patience must not hide a hang.
            Outcome::Abandoned => slow,
            Outcome::Ignored => false,
        };
        match &mut self.phase {
            Phase::Closed { ramp, .. } if counts => {
                if let (Some(ramp), true) = (ramp, mark.failed) {
                    ramp.set_back(self.latest);
                }
                self.window.record(mark);
                if let (Some(trip), true) = (self.trip(), mark.failed || mark.slow) {
                    self.catch_up(now());
                    self.open(trip, self.window.counts());
                }
                true
            }
            Phase::Closed { .. } => true,
            Phase::HalfOpen(trial) => {
                // A hung probe has been judged already.
                if !trial.end(ticket.role().0) {
                    return false;
                }
                if counts {
                    trial.judge(mark);
                }
                let verdict = trial.verdict(&self.config);
                self.pronounce(verdict);
                true
            }
            Phase::Open { .. } => false,
        }
    }

    /// Whether time alone changes what a settlement finds.
    fn moves_with_time(&self) -> bool {
        match &self.phase {
            Phase::Closed { ramp: None, .. } => self.window.advance_due() != u64::MAX,
            _ => true,
        }
    }

    /// The threshold that the window reaches, if any: both ratios, after every failed or slow call.
    fn trip(&self) -> Option<Trip> {
        let counts = self.window.counts();
        if self.mode == Mode::ForcedClosed || counts.calls < u64::from(self.config.min_calls) {
            return None;
        }
        let slow_counts = self.config.slow_call_duration.is_some();
        if counts.failure_ratio() >= self.config.failure_ratio {
            Some(Trip::FailureRatio)
        } else if slow_counts && counts.slow_ratio() >= self.config.slow_call_ratio {
            Some(Trip::SlowRatio)
        } else {
            None
        }
    }

    fn pronounce(&mut self, verdict: Option<Verdict>) {
        let Phase::HalfOpen(trial) = &self.phase else {
            return;
        };
        let counts = trial.judged();
        match verdict {
            Some(Verdict::Reopen(trip)) => self.open(trip, counts),
            Some(Verdict::Close) => {
                let from = self.shown();
                self.close(self.config.ramp.map(|_| Ramp::starting(self.latest)));
                let kind = EventKind::Closed {
                    probes: counts.calls as u32,
                    failed: counts.failed as u32,
                    enforced: self.enforced(),
                };
                self.tell(kind, from);
            }
            None => {}
        }
    }

    fn open(&mut self, trip: Trip, counts: Counts) {
        let now = self.latest;
        let from = self.shown();
        let reopened = match self.phase {
            Phase::Closed { since, .. } => {
                if now - since >= self.growth.planned {
                    self.growth.openings = 0;
                }
                false
            }
            _ => true,
        };
        self.growth.openings = self.growth.openings.saturating_add(1);
        let open_for = self
            .config
            .opening()
            .delay(self.growth.openings, Duration::ZERO, || self.rng.unit());
        self.growth.planned = nanos(open_for);
        self.enter(Phase::Open {
            until: now.saturating_add(nanos(open_for)),
            ordered: false,
        });
        let kind = EventKind::Opened {
            reason: trip,
            calls: counts.calls,
            failed: counts.failed,
            slow: counts.slow,
            reopened,
            opening: self.growth.openings,
            open_for,
            enforced: self.enforced(),
        };
        self.tell(kind, from);
    }

    fn half_open(&mut self) {
        let from = self.shown();
        self.enter(Phase::HalfOpen(Trial::default()));
        let kind = EventKind::HalfOpened {
            probes: self.config.probes,
            enforced: self.enforced(),
        };
        self.tell(kind, from);
    }

    pub(super) fn close(&mut self, ramp: Option<Ramp>) {
        let since = self.latest;
        self.window.clear();
        self.enter(Phase::Closed { since, ramp });
        self.window.advance(since);
    }

    /// Every change of phase is a new generation.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    /// What it would refuse is only counted. An order to open is an order, in shadow, too.
    pub(super) fn observes(&self) -> bool {
        match (self.mode, &self.phase) {
            (Mode::Disabled, _) => true,
            (Mode::ForcedOpen, _) | (_, Phase::Open { ordered: true, .. }) => false,
            _ => self.config.shadow,
        }
    }

    fn enforced(&self) -> bool {
        !self.observes()
    }

    /// For an event that is told of a single call: the generation, and the event's number.
    pub(crate) fn number(&mut self) -> (u64, u64) {
        self.told += 1;
        (self.generation, self.told)
    }

    pub(super) fn short_generation(&self) -> u32 {
        (self.generation & ((1 << GENERATION_BITS) - 1)) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Config, Entry, Machine, Outcome, Rng};

    /// Clocks are read outside the lock, so another call may have brought the machine further.
    #[test]
    fn a_call_is_as_slow_as_its_own_clock_says() {
        let config = Config {
            slow_call_duration: Some(Duration::from_nanos(100)),
            ..Config::default()
        };
        let mut machine = Machine::new(config, Rng::seeded(1));
        let [Entry::Granted(quick), Entry::Granted(slow)] = [(); 2].map(|()| machine.admit(0))
        else {
            panic!("a closed breaker lets all in");
        };
        machine.settle(slow, Outcome::Failure, || 101);
        machine.settle(quick, Outcome::Failure, || 100);
        assert_eq!(machine.view(101).counts.slow, 1);
    }
}
