#![doc = include_str!("retry.md")]

mod builder;
mod call;
mod config;
pub(crate) mod core;
mod future;
pub(crate) mod handle;
mod service;
mod snapshot;

pub use builder::Builder;
pub use call::{Call, Closure, FlatCall};
pub use config::Config;
pub use future::{Plan, ResponseFuture};
pub use service::Retried;
pub use snapshot::Snapshot;
