//! How settings of a hedge are written.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::config::{Config, Delay, Percentile};
use crate::serial::{self, Plain};

/// A duration for a fixed delay, settings for a percentile.
const EXPECTED: &str = "a duration such as 20ms, or the settings of a percentile";

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(delay) => delay.write(to),
            Self::Percentile(percentile) => percentile.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Delay;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Delay, E> {
        serial::deserialize::<Duration, _>(text.into_deserializer()).map(Delay::Fixed)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Delay, A::Error> {
        Percentile::deserialize(MapAccessDeserializer::new(map)).map(Delay::Percentile)
    }
}

/// The defaults, from where they stand.
fn usual() -> (Config, Percentile) {
    let percentile = Percentile::new(0.5, Duration::ZERO);
    (Config::new(percentile), percentile)
}

pub(super) fn one() -> u32 {
    usual().0.max_hedges
}

pub(super) fn samples() -> u32 {
    usual().1.min_samples
}

pub(super) fn minute() -> Duration {
    usual().1.window
}
