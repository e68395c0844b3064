#![doc = include_str!("hedge.md")]

mod builder;
mod closure;
mod config;
pub(crate) mod future;
pub(crate) mod handle;
pub(crate) mod hedging;
mod histogram;
mod pace;
mod race;
mod ring;
mod service;
mod snapshot;
pub(crate) mod state;
#[cfg(feature = "serde")]
mod written;

#[cfg(all(test, buttress_loom))]
mod model;

pub use builder::Builder;
pub use closure::{Call, Direct, FlatCall};
pub use config::{Config, Delay, Percentile};
pub use future::ResponseFuture;
pub use service::Hedged;
pub use snapshot::{Snapshot, Withheld};
