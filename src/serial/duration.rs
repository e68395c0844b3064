//! Durations as text.

use std::{fmt, time::Duration};

/// Names of units, the usual one first, and their nanoseconds. A month is 30.44 days and a year 365.25, as
/// in the crate humantime, whose language this is.
pub(crate) const UNITS: [(&[&str], u64); 10] = [
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["ms", "msec", "millis"], 1_000_000),
    (&["us", "µs", "usec"], 1_000),
    (&["ns", "nsec", "nanos"], 1),
    (&["w", "wk", "wks", "week", "weeks"], 604_800_000_000_000),
    (&["M", "month", "months"], 2_630_016_000_000_000),
    (&["y", "yr", "yrs", "year", "years"], 31_557_600_000_000_000),
];

/// How many of them a duration is written in.
const USUAL: usize = 7;

/// Numbers with their units, each at most once per part: `1m 30s`, `2.5s`. None if it is something else, or
/// not a whole number of nanoseconds, or longer than a duration can be.
///
/// The crate humantime, whose language this is, panics on some sums.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0_u128;
    loop {
        let (amount, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after.trim_start(), char::is_alphabetic);
        let (_, unit) = UNITS.into_iter().find(|(names, _)| names.contains(&unit))?;
        nanos = nanos.checked_add(amount_of(amount, unit.into())?)?;
        rest = after.trim_start();
        if rest.is_empty() {
            let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
            return Some(Duration::new(secs, (nanos % 1_000_000_000) as u32));
        }
    }
}

/// What of it satisfies this, from its start, and the rest.
fn split(text: &str, of: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

/// This many units, in nanoseconds.
fn amount_of(amount: &str, unit: u128) -> Option<u128> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    let number = |digits: &str| digits.parse::<u64>().ok().map(u128::from);
    let scale = 10_u128.checked_pow(part.len().try_into().ok()?)?;
    let part = number(part)? * unit;
    (part % scale == 0).then_some(number(whole)? * unit + part / scale)
}

/// A duration as text that reads as the same.
pub(crate) struct Written(pub(crate) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_nanos();
        if left == 0 {
            return f.write_str("0s");
        }
        let mut separator = "";
        for (names, unit) in &UNITS[..USUAL] {
            let amount = left / u128::from(*unit);
            left %= u128::from(*unit);
            if amount > 0 {
                write!(f, "{separator}{amount}{}", names[0])?;
                separator = " ";
            }
        }
        Ok(())
    }
}
