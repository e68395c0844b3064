//! From what was seen of a flood to its figures and bars.

use std::ops::Range;
use std::time::Duration;

use super::door::{BURST, QUOTA};
use super::run::{AFTER, BEFORE, CLIENTS, Call, ENDS, Ending, FLOOD, FLOODER};
use crate::figures::{Share, cells, quantile, sorted};
use crate::verdict::{Bar, Rule, Unit};

/// The most that the other clients may lose behind the quotas.
const OTHERS_LOSE: f64 = 0.001;
pub const LOST_BY_OTHERS: &str = "lost by the others at B";

/// When the others are answered more than this without quotas, the flood did no harm worth a word.
const SUFFERS_BELOW: f64 = 0.60;

/// When fewer are answered before the flood, it was not the flood.
const HEALTHY: f64 = 0.99;

/// One column of the table.
pub struct Figures {
    pub before: Share,
    /// The calls of all clients but one, during the flood, and those of the one that fared worst.
    pub others: Share,
    pub worst: Share,
    pub others_p50: Option<Duration>,
    pub others_p99: Option<Duration>,
    /// The one: what was answered, what was turned away at the door, what got past it.
    pub flooder: Share,
    pub over_quota: Share,
    pub let_in: usize,
    /// What its quota allows for the time in which these came.
    pub allowed: f64,
    pub time_to_no: Option<Duration>,
    pub after: Share,
    pub strip_others: Vec<Share>,
    pub strip_flooder: Vec<Share>,
}

impl Figures {
    pub fn of(seen: &[Call]) -> Self {
        let calls = |span: Range<Duration>, of: fn(usize) -> bool| {
            let due = move |call: &&Call| span.contains(&call.due) && of(call.client);
            seen.iter().filter(due)
        };
        let other: fn(usize) -> bool = |client| client != FLOODER;
        let one: fn(usize) -> bool = |client| client == FLOODER;
        let answered = |span, of| Share::count(calls(span, of), |call| is(call, Ending::Answered));

        let each = (0..CLIENTS).filter(|client| other(*client)).map(|client| {
            let its = calls(FLOOD, other).filter(|call| call.client == client);
            Share::count(its, |call| is(call, Ending::Answered))
        });
        let waits = calls(FLOOD, other).filter(|call| is(call, Ending::Answered));
        let waits = sorted(waits.map(|call| call.took));
        let noes = calls(FLOOD, one).filter(|call| is(call, Ending::OverQuota));
        let noes = sorted(noes.map(|call| call.took));
        let strip = |of| cells(Duration::ZERO..ENDS).map(move |cell| answered(cell, of));
        let over_quota = Share::count(calls(FLOOD, one), |call| is(call, Ending::OverQuota));
        Self {
            before: answered(BEFORE, other),
            others: answered(FLOOD, other),
            worst: each
                .min_by(|a, b| a.ratio().total_cmp(&b.ratio()))
                .expect("there are others"),
            others_p50: quantile(&waits, 0.50),
            others_p99: quantile(&waits, 0.99),
            flooder: answered(FLOOD, one),
            over_quota,
            let_in: over_quota.lost(),
            allowed: allowed(calls(FLOOD, one)),
            time_to_no: quantile(&noes, 0.50),
            after: answered(AFTER, other),
            strip_others: strip(other).collect(),
            strip_flooder: strip(one).collect(),
        }
    }
}

fn is(call: &Call, ending: Ending) -> bool {
    call.ending == ending
}

/// The law of a quota, from the first of these calls to the last answer.
fn allowed<'a>(calls: impl Iterator<Item = &'a Call> + Clone) -> f64 {
    let from = calls.clone().map(|call| call.due + call.late).min();
    let until = calls.map(|call| call.due + call.took).max();
    let span = until.unwrap_or_default() - from.unwrap_or_default();
    f64::from(BURST) + f64::from(QUOTA.get()) * span.as_secs_f64()
}

pub fn bars([a, b]: &[Figures; 2]) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost, Below};
    use Unit::Count;

    let before = a.before.ratio().min(b.before.ratio());
    let quota = f64::from(QUOTA.get()) * (FLOOD.end - FLOOD.start).as_secs_f64();
    let let_in = b.let_in as f64;
    let lost = 1.0 - b.others.ratio();
    vec![
        Bar::of(
            "others answered before the flood, A and B",
            before,
            AtLeast(HEALTHY),
            Unit::Share,
        )
        .control(),
        Bar::of(
            "others answered by A, which must suffer",
            a.others.ratio(),
            Below(SUFFERS_BELOW),
            Unit::Share,
        )
        .control(),
        Bar::of(LOST_BY_OTHERS, lost, Below(OTHERS_LOSE), Unit::Share),
        Bar::of(
            "flooder's calls let in by B: its quota",
            let_in,
            AtLeast(quota),
            Count,
        ),
        Bar::of(
            "flooder's calls let in by B: no more than that",
            let_in,
            AtMost(b.allowed),
            Count,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(client: usize, ms: u64, ending: Ending) -> Call {
        Call {
            client,
            due: Duration::from_millis(ms),
            late: Duration::ZERO,
            took: Duration::from_millis(10),
            ending,
        }
    }

    #[test]
    fn the_flooder_is_not_one_of_the_others() {
        let figures = Figures::of(&[
            call(1, 500, Ending::Answered),
            call(1, 1_500, Ending::Answered),
            call(1, 1_600, Ending::Lost),
            call(2, 1_700, Ending::Answered),
            call(FLOODER, 2_000, Ending::Answered),
            call(FLOODER, 2_990, Ending::OverQuota),
            call(FLOODER, 5_500, Ending::Lost),
        ]);
        assert_eq!(figures.before, Share { part: 1, of: 1 });
        assert_eq!(figures.others, Share { part: 2, of: 3 });
        assert_eq!(figures.flooder, Share { part: 1, of: 2 });
        assert_eq!((figures.let_in, figures.over_quota.part), (1, 1));
        assert_eq!(figures.allowed, 10.0 + 50.0);
        // Who never came was answered nothing, which counts as nothing.
        assert_eq!(figures.worst.ratio(), 0.0);
    }
}
