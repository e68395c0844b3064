//! A setting that may be absent, for `serde(with = ..)`.

use serde::{Deserialize, Deserializer, Serializer, de::IntoDeserializer};

use super::plain::{self, Plain, Scalar};

pub(crate) fn serialize<T: Plain, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.write(to),
        None => to.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, T: Plain, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let given = Option::<Scalar>::deserialize(from)?;
    let read = |given: Scalar| plain::deserialize(given.0.into_deserializer());
    given.map(read).transpose()
}
