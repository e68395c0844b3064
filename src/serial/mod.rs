//! How single settings are written and read: durations as text (`250ms`, `1m 30s`), numbers and words also
//! in quotes, since environment variables and many a template know nothing else.

pub(crate) mod duration;
pub(crate) mod optional;
mod plain;

pub(crate) use plain::{NUMBER, Plain, Scalar, deserialize, serialize};
