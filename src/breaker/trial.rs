//! The two ways back: a half-open breaker's probes, and the ramp after closing.

use std::time::Duration;

use super::config::{Config, nanos};
use crate::{
    telemetry::Trip,
    window::{Counts, Mark},
};

/// A half-open breaker's probes.
#[derive(Debug, Default)]
pub(super) struct Trial {
    running: Vec<Probe>,
    judged: Counts,
    last_id: u32,
}

#[derive(Debug)]
struct Probe {
    id: u32,
    started: u64,
    /// It goes on, and does not hang.
    answered: bool,
}

/// What the probes prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A threshold can no longer be escaped.
    Reopen(Trip),
    /// All probes are in, and below both thresholds.
    Close,
}

impl Trial {
    pub(super) fn has_place(&self, config: &Config) -> bool {
        self.running.len() as u64 + self.judged.calls < u64::from(config.probes)
    }

    /// Starts a probe, if there is a place, and names it.
    pub(super) fn start(&mut self, now: u64, config: &Config) -> Option<u32> {
        if !self.has_place(config) {
            return None;
        }
        // Numbers from 1 on, and no more than there can be places given back: never the other roles'.
        self.last_id = self.last_id % (u32::MAX - 1) + 1;
        self.running.push(Probe {
            id: self.last_id,
            started: now,
            answered: false,
        });
        Some(self.last_id)
    }

    /// Ends the probe of that name; false if it is not running (any more).
    pub(super) fn end(&mut self, id: u32) -> bool {
        let Some(at) = self.running.iter().position(|probe| probe.id == id) else {
            return false;
        };
        self.running.swap_remove(at);
        true
    }

    /// The probe of that name was answered, and goes on.
    pub(super) fn answer(&mut self, id: u32) {
        let probe = self.running.iter_mut().find(|probe| probe.id == id);
        probe.into_iter().for_each(|probe| probe.answered = true);
    }

    pub(super) fn judge(&mut self, mark: Mark) {
        add(&mut self.judged, mark);
    }

    /// Ends the probes that have taken too long and judges them: those that were answered and go on are well,
    /// the others hang. Says how many do.
    pub(super) fn end_hung(&mut self, now: u64, config: &Config) -> u32 {
        self.judged = self.judged_at(now, config);
        let timeout = nanos(config.probe_timeout);
        let mut hung = 0;
        self.running.retain(|probe| {
            let over = probe.is_over(now, timeout);
            hung += u32::from(over && !probe.answered);
            !over
        });
        hung
    }

    /// What has been judged once the probes that have taken too long by now are.
    fn judged_at(&self, now: u64, config: &Config) -> Counts {
        let timeout = nanos(config.probe_timeout);
        let mut judged = self.judged;
        for probe in self
            .running
            .iter()
            .filter(|probe| probe.is_over(now, timeout))
        {
            let failed = !probe.answered;
            let slow = now - probe.started > config.slow_after();
            add(&mut judged, Mark { failed, slow });
        }
        judged
    }

    pub(super) fn verdict(&self, config: &Config) -> Option<Verdict> {
        verdict(self.judged, config)
    }

    /// The verdict that whoever asks at `now` would find.
    pub(super) fn verdict_at(&self, now: u64, config: &Config) -> Option<Verdict> {
        verdict(self.judged_at(now, config), config)
    }

    pub(super) fn judged(&self) -> Counts {
        self.judged
    }

    pub(super) fn running(&self) -> u32 {
        self.running.len() as u32
    }

    /// The earliest time at which a running probe hangs.
    pub(super) fn first_hang(&self, config: &Config) -> u64 {
        let first = self.running.iter().map(|probe| probe.started).min();
        first.map_or(u64::MAX, |started| {
            started.saturating_add(nanos(config.probe_timeout))
        })
    }
}

impl Probe {
    fn is_over(&self, now: u64, timeout: u64) -> bool {
        now.saturating_sub(self.started) >= timeout
    }
}

fn add(counts: &mut Counts, mark: Mark) {
    counts.calls += 1;
    counts.failed += u64::from(mark.failed);
    counts.slow += u64::from(mark.slow);
}

/// Both ratios over all the probes, not over those judged so far: a threshold that is reached can no
/// longer be escaped.
fn verdict(judged: Counts, config: &Config) -> Option<Verdict> {
    let share = |part: u64| part as f64 / f64::from(config.probes);
    if share(judged.failed) >= config.failure_ratio {
        Some(Verdict::Reopen(Trip::FailureRatio))
    } else if config.slow_call_duration.is_some() && share(judged.slow) >= config.slow_call_ratio {
        Some(Verdict::Reopen(Trip::SlowRatio))
    } else if judged.calls >= u64::from(config.probes) {
        Some(Verdict::Close)
    } else {
        None
    }
}

/// The first while after closing: the admitted share is `max(0.1, t / length)`, counted out and not
/// drawn.
#[derive(Debug)]
pub(super) struct Ramp {
    /// `t` runs from here; a failure moves it.
    start: u64,
    /// What is owed, in calls: one is let in when a whole one is.
    credit: f64,
}

/// Even a dependency that has just come back can bear a tenth.
const LEAST_SHARE: f64 = 0.1;

impl Ramp {
    pub(super) fn starting(now: u64) -> Self {
        // The first call is let in.
        Self {
            start: now,
            credit: 1.0,
        }
    }

    pub(super) fn is_over(&self, now: u64, length: Option<Duration>) -> bool {
        length.is_none_or(|length| now - self.start >= nanos(length))
    }

    /// Counts a call that asks; true if it is one of the share.
    pub(super) fn admits(&mut self, now: u64, length: Option<Duration>) -> bool {
        let length = length.map_or(0, nanos) as f64;
        self.credit += ((now - self.start) as f64 / length).max(LEAST_SHARE);
        let admits = self.credit >= 1.0;
        if admits {
            self.credit -= 1.0;
        }
        admits
    }

    /// A call that was let in never started: the next one may, in its place. Never more than one, or
    /// calls that another policy refuses would be saved up for a herd.
    pub(super) fn take_back(&mut self) {
        self.credit = 1.0;
    }

    /// A failure halves `t`.
    pub(super) fn set_back(&mut self, now: u64) {
        self.start = now - (now - self.start) / 2;
    }
}
