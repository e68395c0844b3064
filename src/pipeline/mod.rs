#![doc = include_str!("pipeline.md")]

mod again;
mod builder;
mod call;
mod change;
mod config;
mod core;
mod cover;
mod envelope;
mod fit;
mod fork;
mod future;
pub(crate) mod handle;
mod presets;
#[cfg(feature = "reload")]
pub(crate) mod remote;
#[cfg(feature = "http")]
pub(crate) mod run;
mod send;
mod service;
mod snapshot;
mod switched;
mod terms;

pub use again::{Again, ByNumber, ByRequest, Hedges, Kept, Retries};
pub use builder::Builder;
pub use call::{Call, FlatCall};
pub use config::Config;
pub use core::{Attempts, Core, Handle};
pub use cover::{Cover, Covering, NoFallback, Outermost, Parts};
pub use envelope::{Envelope, InTime, OfCall};
pub use fork::{Forked, Told};
pub use future::ResponseFuture;
pub use service::Resilient;
pub use snapshot::Snapshot;
pub use switched::{Given, Switched};
