//! What a setting may look like.

use std::fmt;

use serde::{Deserialize, de::IntoDeserializer, de::value::Error};

use crate::{
    backoff::Jitter,
    breaker::Window,
    serial::{Plain, duration},
};

/// One line of the table: a setting, or a group of them.
#[derive(Debug)]
pub(super) struct Setting {
    /// `breaker.open_for`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What holds if it is not given, as it would be written.
    pub(super) usual: Usual,
    /// What it is for, with its unit and its range.
    pub(super) about: &'static str,
    pub(super) aliases: &'static [Alias],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usual {
    Is(&'static str),
    /// Nothing, or something that depends on others, which the line says.
    Not,
    /// It must be given where its group is.
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Settings; whether they can be switched off, all of them.
    Group {
        off: bool,
    },
    Duration,
    /// A duration, or off.
    Optional,
    /// A duration, or off, or one in a group of its own.
    Limit,
    Count(u32, u32),
    Number(Range),
    Flag,
    /// A number of calls, or a duration.
    Window,
    Law,
    /// A duration, or none.
    Cap,
    Jitter,
    /// A duration, or the settings of a percentile.
    Delay,
}

/// From one number to another, and whether they belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) with_low: bool,
    pub(super) high: f64,
    pub(super) with_high: bool,
}

/// Another name for a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Alias {
    /// With underscores; other spellings of it are known as well.
    pub(super) name: &'static str,
    pub(super) of: Of,
    pub(super) means: Means,
}

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Resilience4j,
    /// An older name, which in our own documents would be taken for something else.
    OldResilience4j,
    Polly,
}

/// How its value becomes ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Means {
    Same,
    /// 50 is 0.5.
    Percent,
    /// As Java and Spring write durations: 5000 are milliseconds, `5s`, `PT5S`.
    Millis,
    /// As .NET writes durations: `00:00:05`.
    Span,
    /// Further attempts; ours include the first.
    OneMore,
    /// Their words, and ours.
    Words(&'static [(&'static str, &'static str)]),
    /// Only together with others: `combine.rs` says how.
    Part,
}

/// The laws of a backoff.
pub(super) const LAWS: [&str; 4] = ["none", "constant", "linear", "exponential"];
/// The jitters that have a name.
pub(super) const JITTERS: [&str; 4] = ["none", "full", "equal", "decorrelated"];

impl Kind {
    /// Whether this text is such a value; if not, what would be.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let holds = |holds: bool, expected: &str| match holds {
            true => Ok(()),
            false => Err(format!("expected {expected}")),
        };
        match self {
            Self::Group { .. } => Err("expected settings".into()),
            Self::Duration => holds(duration::read(text).is_some(), DURATION),
            Self::Optional | Self::Limit => {
                let expected = format!("{DURATION}, or off");
                holds(duration::read(text).is_some(), &expected)
            }
            Self::Count(low, high) => {
                holds(u32::read(text).is_some(), "a whole number")?;
                let inside = u32::read(text).is_some_and(|n| (low..=high).contains(&n));
                match (inside, high) {
                    (true, _) => Ok(()),
                    (false, u32::MAX) => Err(format!("must be {low} or more")),
                    (false, _) => Err(format!("must be {low} to {high}")),
                }
            }
            Self::Number(range) => {
                holds(f64::read(text).is_some(), "a number")?;
                match f64::read(text).is_some_and(|number| range.contains(number)) {
                    true => Ok(()),
                    false => Err(format!("must be {range}")),
                }
            }
            Self::Flag => holds(bool::read(text).is_some(), bool::EXPECTED),
            Self::Window => {
                let known = Window::deserialize(IntoDeserializer::<Error>::into_deserializer(text));
                holds(
                    known.is_ok(),
                    "a number of calls, or a duration such as 10s",
                )
            }
            Self::Law => holds(
                LAWS.contains(&text),
                "none, constant, linear or exponential",
            ),
            Self::Cap => {
                let known = text == "none" || duration::read(text).is_some();
                holds(known, "a duration such as 2s, or none")
            }
            Self::Jitter => {
                let read = Jitter::deserialize(IntoDeserializer::<Error>::into_deserializer(text));
                let expected = "none, full, equal, decorrelated, or a share such as 0.1";
                match read {
                    Ok(Jitter::Around(share)) if !SHARE.contains(share) => {
                        Err(format!("must be {SHARE}"))
                    }
                    read => holds(read.is_ok(), expected),
                }
            }
            Self::Delay => {
                let expected = format!("{DURATION}, or the settings of a percentile");
                holds(duration::read(text).is_some(), &expected)
            }
        }
    }
}

const DURATION: &str = <std::time::Duration as Plain>::EXPECTED;

/// 0 to 1.
pub(super) const SHARE: Range = Range::of(0.0, 1.0);

impl Range {
    /// With both.
    pub(super) const fn of(low: f64, high: f64) -> Self {
        Self {
            low,
            with_low: true,
            high,
            with_high: true,
        }
    }

    pub(super) const fn without_low(mut self) -> Self {
        self.with_low = false;
        self
    }

    pub(super) const fn without_high(mut self) -> Self {
        self.with_high = false;
        self
    }

    pub(super) fn contains(&self, number: f64) -> bool {
        let above = number > self.low || (self.with_low && number == self.low);
        above && (number < self.high || (self.with_high && number == self.high))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            low,
            with_low,
            high,
            with_high,
        } = *self;
        match (with_low, with_high) {
            (true, _) if high == f64::MAX => write!(f, "{low} or more"),
            (true, true) => write!(f, "{low} to {high}"),
            (true, false) => write!(f, "{low} or more and below {high}"),
            (false, true) => write!(f, "above {low} and at most {high}"),
            (false, false) => write!(f, "above {low} and below {high}"),
        }
    }
}
