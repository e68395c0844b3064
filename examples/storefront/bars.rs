//! The bars of the first act.

use std::time::Duration;

use crate::fault::Fault;
use crate::figures::Figures;
use crate::shop::CLIENT_TIMEOUT;
use crate::story::{self, Span};
use crate::verdict::{Bar, Rule, Unit};

/// The least share of product lists that a copy answers during a fault, with a breaker.
const BREAKER_ANSWERS: f64 = 0.95;

/// The same with breaker and bulkhead, in one run and over many.
pub const BOTH_ANSWER: f64 = 0.999;
pub const LIST_OF_D: &str = "product list of D";

/// What a list of D may take during a fault, at the 99th percentile: so many times what it takes when all
/// is well, and a moment.
const TIMES_HEALTHY: u32 = 2;
const AND_A_MOMENT: Duration = Duration::from_millis(5);

/// Of B and D.
pub fn bars(
    fault: Fault,
    figures: &[Figures; 4],
    [b_saw, d_saw]: [&[Span]; 2],
    [b_open, d_open]: [Duration; 2],
) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost, Below};
    use Unit::{Count, Millis, Seconds, Share};

    let [a, b, c, d] = figures;
    let answers = |name, copy: &Figures, least| {
        let answered = copy.lists.ratio();
        Bar::of(name, answered, AtLeast(least), Share)
    };
    let (p99, limit) = list_p99(d);
    let mut bars = vec![
        answers("product list of B", b, BREAKER_ANSWERS),
        answers(LIST_OF_D, d, BOTH_ANSWER),
        Bar::of(
            "p99 of D's list, by that before the fault",
            p99,
            AtMost(limit),
            Millis,
        ),
    ];
    if let Some(limit) = fault.control_below() {
        let starves = |name, lists: f64| Bar::of(name, lists, Below(limit), Share).control();
        let (a, c) = (a.lists.ratio(), c.lists_while_off.ratio());
        bars.push(starves("product list of A, which must starve", a));
        bars.push(starves("product list of C with its breaker off", c));
    }

    let (rounds, openings): (Vec<Span>, Vec<Span>) = b_saw.iter().partition(|span| span.is_round());
    let opened = openings.len() as f64;
    bars.push(Bar::of("openings of B's breaker", opened, AtLeast(1.0), Count).control());
    // The span that comes nearest to its allowance, or is furthest beyond it, speaks for all.
    let fullest = |spans: Vec<Span>| {
        let beyond = |span: &Span| span.reached as i64 - span.allowed as i64;
        spans.into_iter().max_by_key(beyond)
    };
    for (name, spans) in [
        ("calls arriving at member once B had opened", openings),
        ("probes arriving at member in one round", rounds),
    ] {
        if let Some(span) = fullest(spans) {
            let (reached, allowed) = (span.reached as f64, span.allowed as f64);
            bars.push(Bar::of(name, reached, AtMost(allowed), Count));
        }
    }

    for (name, saw, open_for) in [
        ("heal until B's breaker closed", b_saw, b_open),
        ("heal until D's breaker closed", d_saw, d_open),
    ] {
        let within = open_for + CLIENT_TIMEOUT + Duration::from_secs(1);
        let closed = story::recovery(saw).map_or(f64::INFINITY, |after| after.as_secs_f64());
        bars.push(Bar::of(name, closed, AtMost(within.as_secs_f64()), Seconds));
    }
    bars
}

/// The 99th percentile of a copy's product list during the fault and the limit for it, in ms.
pub fn list_p99(copy: &Figures) -> (f64, f64) {
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let limit = |before| TIMES_HEALTHY * before + AND_A_MOMENT;
    (
        copy.list_p99.map_or(f64::INFINITY, ms),
        copy.list_p99_before.map_or(0.0, |before| ms(limit(before))),
    )
}
