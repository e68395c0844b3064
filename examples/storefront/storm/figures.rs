//! From what was seen of a storm to its figures and bars.

use std::ops::Range;
use std::time::Duration;

use buttress::budget;

use super::run::{AFTER, BEFORE, ENDS, TRIGGER};
use crate::figures::{Share, cells};
use crate::verdict::{Bar, Rule, Unit};

/// A quarter of a second in which fewer of the calls are answered is not a healthy one.
pub const HEALTHY: f64 = 0.99;

/// By when a copy is to be well again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(3);

/// One call and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub due: Duration,
    pub began: Duration,
    pub ended: Duration,
    pub attempts: u32,
    pub answered: bool,
}

impl Call {
    pub fn late(&self) -> Duration {
        self.began - self.due
    }
}

/// What was seen of one copy.
pub struct Seen {
    pub calls: Vec<Call>,
    /// The service's own account: when it had done a piece of work, and whether nobody took it.
    pub done: Vec<(Duration, bool)>,
}

/// The calls of one span.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    pub answered: Share,
    pub attempts: u64,
}

impl Phase {
    /// Attempts for each call.
    pub fn amplification(self) -> f64 {
        self.attempts as f64 / self.answered.of.max(1) as f64
    }
}

/// One column of the table.
pub struct Figures {
    pub before: Phase,
    pub trigger: Phase,
    pub after: Phase,
    /// Of the work that the service did after the trigger: for callers who had left.
    pub in_vain: Share,
    /// From the end of the trigger to the last quarter of a second that was not healthy. Nothing when
    /// the run ended first.
    pub recovery: Option<Duration>,
    /// Extra attempts, and what the budget allows for the time in which they were made.
    pub extra: u64,
    pub allowed: f64,
    pub strip: Vec<Share>,
}

impl Figures {
    pub fn of(seen: &Seen, budget: &budget::Config) -> Self {
        let phase = |span: Range<Duration>| {
            let calls = || seen.calls.iter().filter(|call| span.contains(&call.due));
            Phase {
                answered: Share::count(calls(), |call| call.answered),
                attempts: calls().map(|call| u64::from(call.attempts)).sum(),
            }
        };
        let done = seen.done.iter().filter(|(at, _)| AFTER.contains(at));
        let extra = seen.calls.iter().map(|call| call.attempts - 1);
        Self {
            before: phase(BEFORE),
            trigger: phase(TRIGGER),
            after: phase(AFTER),
            in_vain: Share::count(done, |(_, in_vain)| *in_vain),
            recovery: recovery(cells(AFTER).map(|cell| (cell.end, phase(cell).answered))),
            extra: extra.map(u64::from).sum(),
            allowed: allowed(&seen.calls, budget),
            strip: cells(Duration::ZERO..ENDS)
                .map(|cell| phase(cell).answered)
                .collect(),
        }
    }
}

/// The law of the budget, from the first call that was repeated until the last one ended.
fn allowed(calls: &[Call], budget: &budget::Config) -> f64 {
    let repeated = || calls.iter().filter(|call| call.attempts > 1);
    let from = repeated().map(|call| call.began).min().unwrap_or_default();
    let until = repeated().map(|call| call.ended).max().unwrap_or_default();
    // Those that were answered in that time: only they deposit.
    let pay = |call: &&Call| call.answered && call.began <= until && call.ended >= from;
    let paid = calls.iter().filter(pay).count();
    budget.allows(paid as f64, until - from)
}

/// From the end of the trigger to the end of the last cell that was not healthy.
fn recovery(cells: impl Iterator<Item = (Duration, Share)>) -> Option<Duration> {
    let ill = cells.filter(|(_, answered)| answered.ratio() < HEALTHY);
    match ill.last() {
        None => Some(Duration::ZERO),
        Some((end, _)) if end < ENDS => Some(end - AFTER.start),
        Some(_) => None,
    }
}

pub fn bars([a, b]: &[Figures; 2]) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost, Below};
    use Unit::{Count, Seconds};

    let before = a.before.answered.ratio().min(b.before.answered.ratio());
    let after = a.after.answered.ratio();
    let recovery = b
        .recovery
        .map_or(f64::INFINITY, |after| after.as_secs_f64());
    let within = RECOVERS_WITHIN.as_secs_f64();
    vec![
        Bar::of(
            "answered before the trigger, A and B",
            before,
            AtLeast(HEALTHY),
            Unit::Share,
        )
        .control(),
        Bar::of(
            "answered by A after it, which must not recover",
            after,
            Below(0.50),
            Unit::Share,
        )
        .control(),
        Bar::of(
            "end of the trigger until B is well",
            recovery,
            AtMost(within),
            Seconds,
        ),
        Bar::of(
            "extra attempts of B, by the law of its budget",
            b.extra as f64,
            AtMost(b.allowed),
            Count,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ms: u64, attempts: u32, answered: bool) -> Call {
        Call {
            due: Duration::from_millis(ms),
            began: Duration::from_millis(ms),
            ended: Duration::from_millis(ms + 10),
            attempts,
            answered,
        }
    }

    fn figures(calls: Vec<Call>) -> Figures {
        let ms = Duration::from_millis;
        let done = vec![(ms(2_900), true), (ms(3_100), true), (ms(3_200), false)];
        Figures::of(&Seen { calls, done }, &budget::Config::default())
    }

    #[test]
    fn amplification_is_attempts_by_calls_of_the_same_span() {
        let figures = figures(vec![
            call(500, 1, true),
            call(2_990, 3, false),
            call(3_010, 3, false),
            call(6_000, 1, true),
        ]);
        assert_eq!(figures.before.amplification(), 1.0);
        assert_eq!(figures.trigger.amplification(), 3.0);
        assert_eq!(figures.after.amplification(), 2.0);
        assert_eq!(figures.in_vain, Share { part: 1, of: 2 });
        assert_eq!(figures.extra, 4);
        // Two calls within 30 ms, neither of them answered.
        let allowed = 0.030 + 30.0;
        assert!((figures.allowed - allowed).abs() < 1e-9);
    }

    #[test]
    fn a_copy_has_recovered_after_its_last_bad_moment() {
        // A cell without a call would count as ill.
        let every_cell = |ill: &[usize]| -> Vec<_> {
            let ends = cells(Duration::ZERO..ENDS).enumerate();
            ends.map(|(cell, span)| call(span.start.as_millis() as u64, 1, !ill.contains(&cell)))
                .collect()
        };
        let recovery = |ill: &[usize]| figures(every_cell(ill)).recovery;
        assert_eq!(recovery(&[5]), Some(Duration::ZERO));
        assert_eq!(recovery(&[12, 15]), Some(Duration::from_secs(1)));
        assert_eq!(recovery(&[12, 27]), None);
    }
}
