#![doc = include_str!("rate_limit.md")]

mod builder;
mod config;
mod cost;
mod counts;
mod gcra;
pub(crate) mod handle;
mod law;
mod policy;
mod quota;
mod snapshot;
mod turn;
#[cfg(feature = "serde")]
mod written;

#[cfg(all(test, buttress_loom))]
mod model;
#[cfg(all(test, not(buttress_loom)))]
mod properties;

pub use builder::Builder;
pub use config::Config;
pub use cost::{Cost, One};
pub use gcra::Ticket;
pub use handle::AcquireN;
pub use policy::Limiter;
pub use quota::Quota;
pub use snapshot::Snapshot;
pub use turn::Turn;
