#![doc = include_str!("timeout.md")]

mod builder;
mod config;
pub(crate) mod future;
pub(crate) mod handle;
mod limit;
pub(crate) mod origin;
mod service;

pub use builder::Builder;
pub use config::Config;
pub use future::{Call, ResponseFuture};
pub use handle::Snapshot;
pub use limit::{Fixed, Limit};
pub use service::Timed;
