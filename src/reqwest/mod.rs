#![doc = include_str!("reqwest.md")]

mod adapt;
mod after_body;
mod client;
#[cfg(feature = "reqwest-middleware")]
pub mod middleware;
mod replay;

pub use adapt::{Adapt, Adapted, fault};
pub use client::Executed;
