#![doc = include_str!("reload.md")]

mod account;
mod builder;
mod diff;
mod eye;
mod file;
pub(crate) mod handle;
mod policies;
mod source;
mod trail;

pub use account::{Snapshot, Trouble};
pub use builder::Builder;
pub use file::File;
pub use handle::{Handle, LoadError, Reload};
pub use source::{Polling, Source, SourceError, Text};
