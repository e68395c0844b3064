#![doc = include_str!("axum.md")]
//!
//! ```no_run
#![doc = include_str!("../../examples/axum.rs")]
//! ```

mod body;
#[cfg(feature = "keyed")]
pub mod keys;
mod response;
