#![doc = include_str!("budget.md")]

mod bucket;
mod builder;
pub(crate) mod config;
pub(crate) mod handle;
#[cfg(all(test, buttress_loom))]
mod model;

pub use builder::Builder;
pub use config::Config;
pub use handle::Snapshot;
