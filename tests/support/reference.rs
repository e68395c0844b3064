//! What a circuit breaker must do, written as naively as can be: nothing is summed up, every
//! question goes through plain lists again. Slow and forgetful of nothing, so easy to believe.
//!
//! Times are nanoseconds since the breaker was made.

use buttress::{
    Outcome, Reason,
    breaker::{Config, State, Window},
};

use super::{
    Seen,
    lists::{Completed, Fate, Probe, nanos, piece, tally, within},
    steps::Order,
};

pub(crate) struct Reference {
    pub(crate) now: u64,
    pub(crate) config: Config,
    mode: Mode,
    pub(super) phase: Phase,
    pub(super) generation: u64,
    since: u64,
    /// Every call that was completed and counted since the window was last empty.
    pub(super) completed: Vec<Completed>,
    /// While not closed: when it opened, and so the time of the window that is shown.
    frozen: Option<u64>,
    /// Successive openings, and how long the last of them was to wait.
    openings: u32,
    pub(super) planned: u64,
    rejected: u64,
    would_have_rejected: u64,
    late: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Auto,
    ForcedOpen,
    ForcedClosed,
    Disabled,
}

pub(super) enum Phase {
    Closed { since: u64, ramp: Option<Ramp> },
    Open { until: u64 },
    HalfOpen { probes: Vec<Probe> },
}

pub(super) struct Ramp {
    /// `t` counts from here.
    pub(super) start: u64,
    /// What the shares of all who asked add up to, less those who were let in.
    credit: f64,
}

/// A call that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    pub(crate) generation: u64,
    pub(crate) started: u64,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    Regular,
    Probe(usize),
    /// Runs only because the breaker is disabled.
    Unjudged,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Admitted(Running),
    Refused {
        reason: Reason,
        retry_after: Option<u64>,
    },
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

impl Reference {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            now: 0,
            config,
            mode: Mode::Auto,
            phase: Phase::Closed {
                since: 0,
                ramp: None,
            },
            generation: 0,
            since: 0,
            completed: Vec::new(),
            frozen: None,
            openings: 0,
            planned: 0,
            rejected: 0,
            would_have_rejected: 0,
            late: 0,
        }
    }

    pub(crate) fn acquire(&mut self) -> Answer {
        self.notice();
        let asked = match &mut self.phase {
            _ if self.mode == Mode::ForcedOpen => Err((Reason::ForcedOpen, None)),
            Phase::Closed { ramp: None, .. } => Ok(Role::Regular),
            Phase::Closed {
                ramp: Some(ramp), ..
            } => {
                let length = nanos(self.config.ramp.expect("noticed")) as f64;
                ramp.credit += (0.1_f64).max((self.now - ramp.start) as f64 / length);
                if ramp.credit >= 1.0 {
                    ramp.credit -= 1.0;
                    Ok(Role::Regular)
                } else {
                    Err((Reason::Recovering, None))
                }
            }
            Phase::Open { until } if self.now >= *until => {
                self.enter(Phase::HalfOpen { probes: Vec::new() });
                self.probe()
            }
            Phase::Open { until } => Err((Reason::Open, Some(*until - self.now))),
            Phase::HalfOpen { .. } => self.probe(),
        };
        let running = |role| Running {
            generation: self.generation,
            started: self.now,
            role,
        };
        match asked {
            Ok(role) => Answer::Admitted(running(role)),
            Err(_) if self.mode == Mode::Disabled => {
                self.would_have_rejected += 1;
                Answer::Admitted(running(Role::Unjudged))
            }
            Err((reason, retry_after)) => {
                self.rejected += 1;
                Answer::Refused {
                    reason,
                    retry_after,
                }
            }
        }
    }

    fn probe(&mut self) -> Result<Role, (Reason, Option<u64>)> {
        let Phase::HalfOpen { probes } = &mut self.phase else {
            unreachable!("only asked while half-open");
        };
        let [running, judged, ..] = tally(probes);
        if running + judged >= self.config.probes as usize {
            return Err((Reason::HalfOpen, None));
        }
        probes.push(Probe {
            started: self.now,
            fate: Fate::Running,
        });
        Ok(Role::Probe(probes.len() - 1))
    }

    pub(crate) fn end(&mut self, running: Running, outcome: Outcome) {
        self.notice();
        if running.role == Role::Unjudged {
            return;
        }
        if running.generation != self.generation {
            self.late += 1;
            return;
        }
        let slow = self.is_slow(running.started);
        let mark = match outcome {
            Outcome::Success => Some((false, slow)),
            Outcome::Failure => Some((true, slow)),
            Outcome::Abandoned if slow => Some((false, true)),
            Outcome::Abandoned | Outcome::Ignored => None,
        };
        match (running.role, &mut self.phase) {
            (Role::Probe(name), Phase::HalfOpen { probes }) => {
                if probes[name].fate != Fate::Running {
                    self.late += 1;
                    return;
                }
                probes[name].fate =
                    mark.map_or(Fate::Freed, |(failed, slow)| Fate::In { failed, slow });
                self.judge_probes();
            }
            (_, Phase::Closed { ramp, .. }) => {
                let Some((failed, slow)) = mark else { return };
                if let (Some(ramp), true) = (ramp, failed) {
                    ramp.start = self.now - (self.now - ramp.start) / 2;
                }
                self.completed.push(Completed {
                    at: self.now,
                    failed,
                    slow,
                });
                if failed || slow {
                    self.judge();
                }
            }
            _ => unreachable!("a call of this generation belongs to this phase"),
        }
    }

    fn is_slow(&self, started: u64) -> bool {
        let slow = self.config.slow_call_duration;
        slow.is_some_and(|slow| self.now - started > nanos(slow))
    }

    fn reaches(&self, failed: usize, slow: usize, of: usize) -> bool {
        ratio(failed, of) >= self.config.failure_ratio
            || self.config.slow_call_duration.is_some()
                && ratio(slow, of) >= self.config.slow_call_ratio
    }

    fn judge(&mut self) {
        let [calls, failed, slow] = self.count();
        if self.mode != Mode::ForcedClosed
            && calls >= self.config.min_calls as usize
            && self.reaches(failed, slow, calls)
        {
            self.open();
        }
    }

    fn judge_probes(&mut self) {
        let [_, judged, failed, slow] = self.probes().expect("half-open");
        if self.reaches(failed, slow, self.config.probes as usize) {
            self.open();
        } else if judged >= self.config.probes as usize {
            self.completed.clear();
            self.frozen = None;
            let ramp = self.config.ramp.map(|_| Ramp {
                start: self.now,
                // The first call is let in.
                credit: 1.0,
            });
            let since = self.now;
            self.enter(Phase::Closed { since, ramp });
        }
    }

    fn open(&mut self) {
        if let Phase::Closed { since, .. } = self.phase {
            self.frozen = Some(self.now);
            if self.now - since >= self.planned {
                self.openings = 0;
            }
        }
        self.openings += 1;
        let mut wait = nanos(self.config.open_for) as f64;
        for _ in 1..self.openings {
            wait = (wait * self.config.open_factor).min(nanos(self.config.open_max) as f64);
        }
        self.planned = wait.round() as u64;
        let until = self.now + self.planned;
        self.enter(Phase::Open { until });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
        if self.mode == Mode::Auto {
            self.since = self.now;
        }
    }

    /// What time alone brings about, once somebody comes along.
    fn notice(&mut self) {
        match &mut self.phase {
            Phase::Closed { ramp, .. } => {
                let length = self.config.ramp.map_or(0, nanos);
                ramp.take_if(|ramp| self.now - ramp.start >= length);
            }
            Phase::Open { .. } => {}
            Phase::HalfOpen { probes } => {
                let slow = self.config.slow_call_duration;
                for probe in probes {
                    let age = self.now - probe.started;
                    if probe.fate == Fate::Running && age >= nanos(self.config.probe_timeout) {
                        probe.fate = Fate::In {
                            failed: true,
                            slow: slow.is_some_and(|slow| age > nanos(slow)),
                        };
                    }
                }
                self.judge_probes();
            }
        }
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.notice();
        self.completed.clear();
        self.frozen = None;
        (self.openings, self.planned) = (0, 0);
        self.mode = match order {
            Order::ForceOpen => Mode::ForcedOpen,
            Order::ForceClosed => Mode::ForcedClosed,
            Order::Disable => Mode::Disabled,
            Order::Reset | Order::ForceOpenFor(_) => Mode::Auto,
        };
        self.enter(match order {
            Order::ForceOpenFor(open_for) => Phase::Open {
                until: self.now + open_for,
            },
            _ => Phase::Closed {
                since: self.now,
                ramp: None,
            },
        });
        self.since = self.now;
    }

    pub(crate) fn reconfigure(&mut self, config: Config) {
        self.notice();
        self.completed = match (self.config.window, config.window) {
            // What the old window had lost does not come back in a longer one.
            (Window::Count(_), Window::Count(_)) => self.window(),
            (Window::Time(old), Window::Time(new)) if piece(old) == piece(new) => self.window(),
            _ => Vec::new(),
        };
        self.config = config;
    }

    /// The calls that are in the window now; while not closed, those that were when it opened.
    fn window(&self) -> Vec<Completed> {
        let now = self.frozen.unwrap_or(self.now);
        within(self.config.window, &self.completed, now)
    }

    fn count(&self) -> [usize; 3] {
        let window = self.window();
        [
            window.len(),
            window.iter().filter(|call| call.failed).count(),
            window.iter().filter(|call| call.slow).count(),
        ]
    }

    fn probes(&self) -> Option<[usize; 4]> {
        match &self.phase {
            Phase::HalfOpen { probes } => Some(tally(probes)),
            _ => None,
        }
    }

    pub(crate) fn seen(&mut self) -> Seen {
        self.notice();
        let [calls, failed, slow] = self.count();
        Seen {
            state: match (self.mode, &self.phase) {
                (Mode::ForcedOpen, _) => State::ForcedOpen,
                (Mode::ForcedClosed, _) => State::ForcedClosed,
                (Mode::Disabled, _) => State::Disabled,
                (Mode::Auto, Phase::Closed { .. }) => State::Closed,
                (Mode::Auto, Phase::Open { .. }) => State::Open,
                (Mode::Auto, Phase::HalfOpen { .. }) => State::HalfOpen,
            },
            since: self.since,
            generation: self.generation,
            calls: calls as u64,
            failed: failed as u64,
            slow: slow as u64,
            failure_ratio: ratio(failed, calls),
            slow_ratio: ratio(slow, calls),
            probes: self.probes().map(|probes| probes.map(|n| n as u32)),
            recovering: matches!(&self.phase, Phase::Closed { ramp: Some(_), .. }),
            rejected: self.rejected,
            would_have_rejected: self.would_have_rejected,
            late_results: self.late,
            next_probe_at: match self.phase {
                Phase::Open { until } => Some(until),
                _ => None,
            },
        }
    }
}
