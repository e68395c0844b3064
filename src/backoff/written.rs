//! How a backoff is written: its law by name, and what that law knows.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::Error as _};

use super::law::{Backoff, Jitter, Law};
use crate::serial::{Plain, Scalar};

/// What a law that is not given in full starts with.
const BASE: Duration = Duration::from_millis(100);
/// What an exponential wait grows to at least, unless the cap is given.
const CAP: Duration = Duration::from_secs(2);

/// No cap, since there is none.
const UNCAPPED: Duration = Duration::MAX;

#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Default)]
#[serde(rename_all = "snake_case")]
enum Name {
    None,
    Constant,
    Linear,
    #[default]
    Exponential,
}

#[derive(Clone, Copy)]
struct Cap(Duration);

/// As it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    law: Name,
    #[serde(
        default,
        with = "crate::serial::optional",
        skip_serializing_if = "Option::is_none"
    )]
    base: Option<Duration>,
    #[serde(
        default,
        with = "crate::serial::optional",
        skip_serializing_if = "Option::is_none"
    )]
    step: Option<Duration>,
    #[serde(
        default,
        with = "crate::serial::optional",
        skip_serializing_if = "Option::is_none"
    )]
    factor: Option<f64>,
    #[serde(
        default,
        with = "crate::serial::optional",
        skip_serializing_if = "Option::is_none"
    )]
    cap: Option<Cap>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<Jitter>,
}

impl Plain for Cap {
    const EXPECTED: &'static str = "a duration such as 2s, or none";

    fn read(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self(UNCAPPED));
        }
        Duration::read(text).map(Self)
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            UNCAPPED => to.serialize_str("none"),
            cap => cap.write(to),
        }
    }
}

impl Name {
    /// The cap where none is given.
    fn cap(self, base: Duration) -> Duration {
        match self {
            Self::Exponential => CAP.max(base),
            _ => UNCAPPED,
        }
    }
}

impl Serialize for Backoff {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (law, base, step, factor) = match self.law {
            Law::Constant(base) => (Name::Constant, base, None, None),
            Law::Linear(base, step) => (Name::Linear, base, Some(step), None),
            Law::Exponential(base, factor) => (Name::Exponential, base, None, Some(factor)),
            Law::Custom(_) => {
                return Err(S::Error::custom(
                    "a backoff of one's own is a function, and cannot be written",
                ));
            }
        };
        let written = Written {
            law,
            base: Some(base),
            step,
            factor,
            cap: (self.cap != law.cap(base)).then_some(Cap(self.cap)),
            jitter: Some(self.jitter),
        };
        written.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Backoff {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(from)?;
        let only = |given: bool, name, law| match given {
            true => Err(de::Error::custom(format!(
                "`{name}` is for law: {law} only"
            ))),
            false => Ok(()),
        };
        let Written {
            law, step, factor, ..
        } = written;
        only(law != Name::Linear && step.is_some(), "step", "linear")?;
        only(
            law != Name::Exponential && factor.is_some(),
            "factor",
            "exponential",
        )?;
        let base = match (law, written.base) {
            (Name::None, None) => Duration::ZERO,
            (Name::None, Some(_)) => {
                return Err(de::Error::custom("`base` is not for law: none"));
            }
            (_, base) => base.unwrap_or(BASE),
        };
        let backoff = match law {
            Name::None | Name::Constant => Self::constant(base),
            Name::Linear => Self::linear(base, step.unwrap_or(base)),
            Name::Exponential => Self::exponential(base).factor(factor.unwrap_or(2.0)),
        };
        let cap = written.cap.map_or(law.cap(base), |cap| cap.0);
        let jitter = written.jitter.unwrap_or(Jitter::Full);
        Ok(backoff.cap(cap).jitter(jitter))
    }
}

impl Serialize for Jitter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => to.serialize_str("none"),
            Self::Full => to.serialize_str("full"),
            Self::Equal => to.serialize_str("equal"),
            Self::Decorrelated => to.serialize_str("decorrelated"),
            Self::Around(share) => share.write(to),
        }
    }
}

impl<'de> Deserialize<'de> for Jitter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Scalar(text) = Scalar::deserialize(from)?;
        let words = [
            ("none", Self::None),
            ("full", Self::Full),
            ("equal", Self::Equal),
            ("decorrelated", Self::Decorrelated),
        ];
        let word = words.into_iter().find(|(word, _)| *word == text);
        let jitter = word.map(|(_, jitter)| jitter);
        let jitter = jitter.or_else(|| f64::read(&text).map(Self::Around));
        let expected = "none, full, equal, decorrelated, or a share such as 0.1";
        let unexpected = de::Unexpected::Str(&text);
        jitter.ok_or_else(|| de::Error::invalid_value(unexpected, &expected))
    }
}
