#![doc = include_str!("document.md")]
#![doc = include_str!("names.md")]
#![doc = include_str!("after.md")]

mod combine;
mod dotted;
mod fault;
mod foreign;
mod format;
mod inherit;
mod keys;
mod kinds;
#[cfg(feature = "reload")]
mod lines;
mod means;
#[cfg(test)]
mod names;
mod node;
mod policies;
mod resilience4j;
mod schema;
mod settings;
mod start;
mod table;
#[cfg(feature = "reload")]
mod text;
#[cfg(feature = "reload")]
mod text_json;
#[cfg(feature = "reload")]
mod text_toml;
#[cfg(feature = "reload")]
mod text_yaml;
mod tree;

pub use fault::{Fault, Faults};
pub use format::Format;
pub use policies::{Document, Iter};
pub use resilience4j::Translated;
pub use schema::schema;
