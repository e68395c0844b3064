//! Aliases that mean something only together: the size and the type of a window, whether and how waits grow.

use super::{
    fault::Fault,
    keys::{Dialect, shown, squashed},
    kinds::Means,
    tree::{Place, fault},
};
use crate::serial::{Plain, duration};

/// One of them, as it was given.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) key: String,
    pub(super) path: String,
    pub(super) place: Option<Place>,
}

/// A setting that they amount to: its path, its value, and the part that it comes from.
pub(super) type Amount<'a> = (&'static str, String, &'a Part);

/// What parts of one pattern amount to.
pub(super) struct Parts<'a, 'f> {
    pub(super) given: &'a [Part],
    pub(super) dialect: Dialect,
    pub(super) faults: &'f mut Vec<Fault>,
}

/// resilience4j's own defaults, for what stands beside what is given.
const WINDOW: &str = "100";
const MULTIPLIER: &str = "1.5";
const SPREAD: &str = "0.5";
/// As many as come, since only their time is bounded.
const QUEUE: &str = "1000000";

impl<'a> Parts<'a, '_> {
    pub(super) fn amounts(mut self, pattern: &str) -> Vec<Amount<'a>> {
        let mut all = Vec::new();
        match pattern {
            "breaker" => {
                all.extend(self.window());
                all.extend(self.growth());
                all.extend(self.spread("breaker.open_jitter"));
            }
            "retry" => {
                all.extend(self.law());
                all.extend(self.spread("retry.backoff.jitter"));
            }
            "bulkhead" => all.extend(self.queue()),
            _ => {}
        }
        all
    }

    fn part(&self, name: &str) -> Option<&'a Part> {
        self.given.iter().find(|part| part.name == name)
    }

    fn expected(&mut self, part: &Part, expected: &str) {
        let message = format!("`{}`: expected {expected}", shown(&part.text));
        self.faults.push(fault(&part.path, message, part.place));
    }

    /// Whether it is switched on; off if it is not there.
    fn on(&mut self, name: &str) -> Option<(bool, &'a Part)> {
        let part = self.part(name)?;
        let read = bool::read(&part.text);
        if read.is_none() {
            self.expected(part, bool::EXPECTED);
        }
        Some((read?, part))
    }

    /// The text of a number.
    fn number(&mut self, name: &str) -> Option<(String, &'a Part)> {
        let part = self.part(name)?;
        if f64::read(&part.text).is_none() {
            self.expected(part, f64::EXPECTED);
            return None;
        }
        Some((part.text.trim().to_owned(), part))
    }

    /// So many calls, or so many seconds.
    fn window(&mut self) -> Option<Amount<'a>> {
        let size = self.part("sliding_window_size");
        let kind = self.part("sliding_window_type");
        let part = size.or(kind)?;
        if size.is_none() && self.dialect == Dialect::Own {
            let message = "says nothing without `sliding_window_size`";
            self.faults.push(fault(&part.path, message, part.place));
            return None;
        }
        let number = size.map_or(WINDOW, |size| size.text.trim());
        if u32::read(number).is_none() {
            self.expected(part, "a whole number");
            return None;
        }
        let kind_of = kind.map_or("countbased".into(), |kind| squashed(&kind.text));
        match kind_of.trim() {
            "countbased" => Some(("breaker.window", number.to_owned(), part)),
            "timebased" => Some(("breaker.window", format!("{number}s"), part)),
            _ => {
                self.expected(kind?, "COUNT_BASED or TIME_BASED");
                None
            }
        }
    }

    /// How a breaker's waits grow.
    fn growth(&mut self) -> Option<Amount<'a>> {
        let on = self.on("enable_exponential_backoff");
        let by = self.number("exponential_backoff_multiplier");
        let (factor, part) = match (on, by) {
            (Some((false, part)), _) => ("1.0".into(), part),
            (Some((true, part)), None) => (MULTIPLIER.into(), part),
            // Alone it does nothing there.
            (None, Some((_, part))) if self.dialect == Dialect::Resilience4j => {
                ("1.0".into(), part)
            }
            (_, Some(by)) => by,
            (None, None) => return None,
        };
        Some(("breaker.open_factor", factor, part))
    }

    /// Up and down by a share.
    fn spread(&mut self, path: &'static str) -> Option<Amount<'a>> {
        let none = if path == "breaker.open_jitter" {
            "0.0"
        } else {
            "none"
        };
        let on = self.on("enable_randomized_wait");
        let by = self.number("randomized_wait_factor");
        let (share, part) = match (on, by) {
            (Some((false, part)), _) => (none.into(), part),
            (Some((true, part)), None) => (SPREAD.into(), part),
            (None, Some((_, part))) if self.dialect == Dialect::Resilience4j => (none.into(), part),
            (_, Some(by)) => by,
            (None, None) => return None,
        };
        Some((path, share, part))
    }

    /// How a retry's waits grow.
    fn law(&mut self) -> Vec<Amount<'a>> {
        let on = self.on("enable_exponential_backoff");
        let by = self.number("exponential_backoff_multiplier");
        let mut all = Vec::new();
        if let Some((on, part)) = on {
            let law = if on { "exponential" } else { "constant" };
            all.push(("retry.backoff.law", law.to_owned(), part));
        }
        let alone = self.dialect == Dialect::Own;
        let grows = on.map_or(alone, |(on, _)| on);
        match (by, on) {
            (Some((factor, part)), _) if grows => all.push(("retry.backoff.factor", factor, part)),
            (None, Some((true, part))) => {
                all.push(("retry.backoff.factor", MULTIPLIER.into(), part));
            }
            _ => {}
        }
        all
    }

    /// Whoever bounds only the wait lets as many wait as come.
    fn queue(&mut self) -> Vec<Amount<'a>> {
        let part = self.part("max_wait_duration");
        let Some(part) = part.or_else(|| self.part("max_wait_time")) else {
            return Vec::new();
        };
        let wait = match Means::Millis.convert(&part.text) {
            Ok(wait) => wait,
            Err(expected) => {
                let message = format!("`{}`: {expected}", shown(&part.text));
                self.faults.push(fault(&part.path, message, part.place));
                return Vec::new();
            }
        };
        let waits = duration::read(&wait).is_some_and(|wait| !wait.is_zero());
        let queue = if waits { QUEUE } else { "0" };
        let queue = ("bulkhead.max_queue", queue.to_owned(), part);
        vec![("bulkhead.max_wait", wait, part), queue]
    }
}
