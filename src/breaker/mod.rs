#![doc = include_str!("breaker.md")]

mod builder;
mod change;
mod config;
mod gate;
pub(crate) mod handle;
mod orders;
mod policy;
mod snapshot;
mod state;
mod ticket;
mod trial;
mod words;
#[cfg(feature = "serde")]
mod written;

#[cfg(all(test, buttress_loom))]
mod model;

pub use crate::telemetry::event::State;
pub use builder::Builder;
pub use config::{Config, Window};
pub use orders::Order;
pub use policy::Breaker;
pub use snapshot::{Probes, Snapshot};
pub use ticket::Ticket;
