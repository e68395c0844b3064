#![doc = include_str!("lib.md")]
//!
//! # Examples
//!
//! A plain tower service, from closed to open and back (`examples/tower.rs`):
//!
//! ```no_run
#![doc = include_str!("../examples/tower.rs")]
//! ```
//!
//! A reqwest client (`examples/reqwest.rs`):
//!
//! ```no_run
#![doc = include_str!("../examples/reqwest.rs")]
//! ```
//!
//! Settings, live change, orders and a listener (`examples/tune.rs`):
//!
//! ```no_run
#![doc = include_str!("../examples/tune.rs")]
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod breaker;
pub mod guard;
pub mod telemetry;

mod backoff;
mod classify;
mod error;
mod sys;
mod window;

pub use breaker::handle::CircuitBreaker;
pub use classify::{Classify, OnError, Outcome};
pub use error::{
    Adapt, Adapted, CarryRejected, Error, InvalidConfig, Reason, Refusal, Rejected, Violation,
};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
