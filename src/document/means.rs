//! How values of others become ours.

use std::time::Duration;

use super::{keys::squashed, kinds::Means};
use crate::serial::{
    Plain,
    duration::{self, Written},
};

impl Means {
    /// The value as we write it; if it is none, what was expected.
    pub(super) fn convert(self, text: &str) -> Result<String, String> {
        let text = text.trim();
        match self {
            Self::Same | Self::Part => Ok(text.to_owned()),
            Self::Percent => {
                let percent = text.strip_suffix('%').unwrap_or(text);
                let expected = "expected a percentage, above 0 to 100";
                let number = f64::read(percent).ok_or(expected)?;
                // As decimals: 33.3 divided by 100 is not 0.333.
                let moved = format!("{percent}e-2").parse().unwrap_or(number / 100.0);
                Ok(moved.to_string())
            }
            Self::Millis => {
                let read = millis(text)
                    .or_else(|| iso(text))
                    .or_else(|| duration::read(text));
                let expected = "expected a duration: 5000 (milliseconds), 5s or PT5S";
                read.map(written).ok_or_else(|| expected.into())
            }
            Self::Span => {
                let read = span(text).or_else(|| duration::read(text));
                let expected = "expected a duration: 00:00:05 (hours, minutes, seconds) or 5s";
                read.map(written).ok_or_else(|| expected.into())
            }
            Self::OneMore => {
                let more = u32::read(text).and_then(|further| further.checked_add(1));
                let more = more.map(|attempts| attempts.to_string());
                more.ok_or_else(|| "expected a whole number".into())
            }
            Self::Words(words) => {
                let found = words.iter().find(|(theirs, _)| *theirs == squashed(text));
                found.map(|(_, ours)| (*ours).to_owned()).ok_or_else(|| {
                    let theirs: Vec<_> = words.iter().map(|(theirs, _)| *theirs).collect();
                    format!("expected {}", theirs.join(" or "))
                })
            }
        }
    }
}

pub(super) fn written(duration: Duration) -> String {
    Written(duration).to_string()
}

/// A number alone.
fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// ISO 8601 without months and years, whose length depends: `PT1M30S`, `P1DT0.5S`.
fn iso(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let text = text.strip_prefix('P')?;
    let (days, time) = text.split_once('T').unwrap_or((text, ""));
    let well = |part: &str, units: &str| {
        let of = |c: char| c.is_ascii_digit() || c == '.' || units.contains(c);
        part.chars().all(of)
    };
    if !well(days, "D") || !well(time, "HMS") {
        return None;
    }
    // The same letters as ours, but for the capitals.
    duration::read(&format!("{days}{time}").to_ascii_lowercase())
}

/// `[days.]hours:minutes:seconds[.part]`.
fn span(text: &str) -> Option<Duration> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '.');
    let below = |part: &str, limit: u32| part.parse::<u32>().is_ok_and(|part| part < limit);
    let whole = seconds.split('.').next().unwrap_or_default();
    let well = [days, hours, minutes, seconds].into_iter().all(digits);
    if !well || !below(hours, 24) || !below(minutes, 60) || !below(whole, 60) {
        return None;
    }
    duration::read(&format!("{days}d {hours}h {minutes}m {seconds}s"))
}
