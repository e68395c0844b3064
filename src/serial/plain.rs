//! A setting that is one word or number.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{Deserializer, Serializer, de, ser::Error as _};

use super::duration::{Written, read};

/// A setting that is written as one word or number.
pub(crate) trait Plain: Sized {
    /// What it may look like, for errors.
    const EXPECTED: &'static str;

    /// From its text.
    fn read(text: &str) -> Option<Self>;

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
}

impl Plain for Duration {
    const EXPECTED: &'static str = "a duration such as 250ms, 2.5s or 1m 30s";

    fn read(text: &str) -> Option<Self> {
        read(text)
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Written(*self))
    }
}

impl Plain for u32 {
    const EXPECTED: &'static str = "a whole number of 0 to 4294967295";

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        // What some formats make of every number.
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(*self)
    }
}

impl Plain for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(text: &str) -> Option<Self> {
        let number = text.trim().parse().ok();
        number.filter(|number: &Self| number.is_finite())
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !self.is_finite() {
            return Err(S::Error::custom(format!(
                "{self} is not a number that can be written"
            )));
        }
        to.serialize_f64(*self)
    }
}

impl Plain for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        let words = [("true", true), ("on", true), ("yes", true)];
        let words = words
            .into_iter()
            .chain([("false", false), ("off", false), ("no", false)]);
        let mut words = words.filter(|(word, _)| text.trim().eq_ignore_ascii_case(word));
        words.next().map(|(_, meant)| meant)
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bool(*self)
    }
}

/// For `serde(with = ..)`.
pub(crate) fn serialize<T: Plain, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.write(to)
}

/// For `serde(with = ..)`.
pub(crate) fn deserialize<'de, T: Plain, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(One(PhantomData))
}

/// The text of one word or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub(crate) String);

impl<'de> de::Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        deserialize::<Self, D>(from)
    }
}

impl Plain for Scalar {
    const EXPECTED: &'static str = "one word or number";

    fn read(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

struct One<T>(PhantomData<T>);

impl<T: Plain> One<T> {
    fn read<E: de::Error>(text: &str) -> Result<T, E> {
        T::read(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &T::EXPECTED))
    }
}

impl<'de, T: Plain> de::Visitor<'de> for One<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Self::read(text)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        Self::read(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        Self::read(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        Self::read(&value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        // As it would stand in a text: 0.0, not 0.
        Self::read(&format!("{value:?}"))
    }

    /// A number of serde_json, where somebody asked it for arbitrary precision.
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        match map.next_entry::<String, String>() {
            Ok(Some((key, number))) if key == NUMBER => Self::read(&number),
            _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        }
    }
}

/// What serde_json calls a number that it gives away as text.
pub(crate) const NUMBER: &str = "$serde_json::private::Number";
