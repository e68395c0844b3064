#![doc = include_str!("keyed.md")]

mod admit;
mod bucket;
mod builder;
mod config;
mod entry;
mod for_key;
mod hand;
mod handle;
mod key;
mod keys;
mod policy;
mod snapshot;
mod tally;

#[cfg(all(test, buttress_loom))]
mod model;

pub use admit::{Ticket, Wait};
pub use builder::Builder;
pub use config::{Config, Overflow};
pub use for_key::ForKey;
pub use handle::PerKey;
pub use key::{Borrowed, ByCaller, Finds, KeyOf};
pub use policy::Keyed;
pub use snapshot::Snapshot;
