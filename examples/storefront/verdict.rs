//! Bars and what they come to: what was measured against what was promised.

use std::time::Duration;

use crate::figures::DEADLINE;

/// When requests were sent later than this, the machine stood still: a loss may be its doing. A product
/// list of that moment was lost by that alone.
const STOOD_STILL: Duration = DEADLINE;

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
    Millis,
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
