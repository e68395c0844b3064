#![doc = include_str!("bulkhead.md")]

mod builder;
mod config;
pub(crate) mod handle;
mod lanes;
mod policy;
mod room;
mod snapshot;
mod ticket;

#[cfg(all(test, buttress_loom))]
mod change_model;
#[cfg(all(test, buttress_loom))]
mod lanes_model;
#[cfg(all(test, buttress_loom))]
mod model;

pub use builder::Builder;
pub use config::Config;
pub use policy::{Places, Waiting};
pub use snapshot::Snapshot;
pub use ticket::Ticket;
