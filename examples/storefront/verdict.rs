//! The bars of a run and what they come to: what was measured against what was promised.

use std::time::Duration;

use crate::fault::Fault;
use crate::figures::Figures;
use crate::shop::{CLIENT_TIMEOUT, OPEN_FOR};
use crate::story::{self, Span};

/// The least share of product lists that a protected copy answers during a fault.
const LISTS_ANSWERED: f64 = 0.95;

/// When requests were sent later than this, the machine stood still: a loss may be its doing.
const STOOD_STILL: Duration = Duration::from_millis(250);

/// From best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Kept,
    Unproven,
    Broken,
}

impl Verdict {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::Broken => 1,
            Self::Unproven => 2,
        }
    }

    /// `promise` is the act's word for a protection that held.
    pub fn name(self, promise: &str) -> String {
        match self {
            Self::Kept => promise.into(),
            Self::Broken => format!("NOT {promise}"),
            Self::Unproven => "NO VERDICT".into(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Bar {
    pub name: &'static str,
    pub measured: f64,
    pub rule: Rule,
    pub unit: Unit,
    /// Whether it says that there would have been harm, and not that the protection held.
    pub control: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Rule {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

#[derive(Clone, Copy, Debug)]
pub enum Unit {
    Share,
    Count,
    /// How many for each.
    Times,
    Seconds,
}

impl Bar {
    pub const fn of(name: &'static str, measured: f64, rule: Rule, unit: Unit) -> Self {
        Self {
            name,
            measured,
            rule,
            unit,
            control: false,
        }
    }

    pub const fn control(self) -> Self {
        Self {
            control: true,
            ..self
        }
    }

    pub fn met(&self) -> bool {
        match self.rule {
            Rule::AtLeast(limit) => self.measured >= limit,
            Rule::AtMost(limit) => self.measured <= limit,
            Rule::Below(limit) => self.measured < limit,
        }
    }
}

pub fn bars(fault: Fault, figures: &[Figures; 3], spans: &[Span]) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost, Below};
    use Unit::{Count, Seconds, Share};

    let [a, b, c] = figures;
    let mut bars = vec![Bar::of(
        "product list of B",
        b.lists.ratio(),
        AtLeast(LISTS_ANSWERED),
        Share,
    )];
    if let Some(limit) = fault.control_below() {
        let (a, c) = (a.lists.ratio(), c.lists_while_off.ratio());
        bars.push(
            Bar::of(
                "product list of A, which must starve",
                a,
                Below(limit),
                Share,
            )
            .control(),
        );
        bars.push(
            Bar::of(
                "product list of C with its breaker off",
                c,
                Below(limit),
                Share,
            )
            .control(),
        );
    }

    let (rounds, openings): (Vec<Span>, Vec<Span>) = spans.iter().partition(|span| span.is_round());
    let opened = openings.len() as f64;
    bars.push(Bar::of("openings of B's breaker", opened, AtLeast(1.0), Count).control());
    // The span that comes nearest to its allowance, or is furthest beyond it, speaks for all.
    let fullest = |spans: Vec<Span>| {
        spans
            .into_iter()
            .max_by_key(|span| span.reached as i64 - span.allowed as i64)
    };
    for (name, spans) in [
        ("calls arriving at member once B had opened", openings),
        ("probes arriving at member in one round", rounds),
    ] {
        if let Some(span) = fullest(spans) {
            bars.push(Bar::of(
                name,
                span.reached as f64,
                AtMost(span.allowed as f64),
                Count,
            ));
        }
    }

    let within = OPEN_FOR + CLIENT_TIMEOUT + Duration::from_secs(1);
    let closed = story::recovery(spans).map_or(f64::INFINITY, |after| after.as_secs_f64());
    bars.push(Bar::of(
        "heal until B's breaker closed",
        closed,
        AtMost(within.as_secs_f64()),
        Seconds,
    ));
    bars
}

/// A protection that failed is worse than a control that survived. `latest` is by how much the
/// latest request was sent too late.
pub fn verdict(bars: &[Bar], latest: Duration) -> Verdict {
    let missed = |control| bars.iter().any(|bar| bar.control == control && !bar.met());
    match (missed(false), missed(true)) {
        (true, _) if latest <= STOOD_STILL => Verdict::Broken,
        (false, false) => Verdict::Kept,
        _ => Verdict::Unproven,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_bar_decides() {
        let held = Bar::of("held", 0.97, Rule::AtLeast(0.95), Unit::Share);
        let lost = Bar {
            measured: 0.94,
            ..held
        };
        let starved = Bar::of("starved", 0.4, Rule::Below(0.6), Unit::Share).control();
        let survived = Bar {
            measured: 0.6,
            ..starved
        };
        assert_eq!(verdict(&[held, starved], Duration::ZERO), Verdict::Kept);
        assert_eq!(
            verdict(&[held, survived], Duration::ZERO),
            Verdict::Unproven
        );
        assert_eq!(verdict(&[lost, survived], Duration::ZERO), Verdict::Broken);
        assert_eq!(
            verdict(&[lost, starved], STOOD_STILL * 2),
            Verdict::Unproven
        );
        assert!(Verdict::Broken > Verdict::Unproven);
    }

    #[test]
    fn never_closed_is_a_bar_missed() {
        let never = Bar::of("closed", f64::INFINITY, Rule::AtMost(2.4), Unit::Seconds);
        assert!(!never.met());
    }
}
