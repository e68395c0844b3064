#![doc = include_str!("fallback.md")]

mod account;
mod backup;
mod builder;
mod config;
pub(crate) mod handle;
mod mark;
mod places;
mod service;
mod shared;
mod standby;

#[cfg(all(test, buttress_loom))]
mod model;

pub use account::Snapshot;
pub use backup::{AsyncFunction, AsyncFunctionOf, Backup, Function, FunctionOf, Value};
pub use builder::Builder;
pub use config::Config;
pub use handle::Call;
pub use mark::{Mark, Unmarked};
pub use service::{Covered, ResponseFuture};
pub use standby::{Sending, Standby};
