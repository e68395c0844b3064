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
//! A reqwest client (`examples/reqwest.rs`; others under `examples/`: hyper, axum, grpc, and `gateway`, a reverse
//! proxy to start one's own from):
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

#[cfg(feature = "axum")]
pub mod axum;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod deadline;
#[cfg(feature = "serde")]
pub mod document;
pub mod fallback;
#[cfg(feature = "tonic")]
pub mod grpc;
pub mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod header;
pub mod hedge;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "keyed")]
pub mod keyed;
pub mod pipeline;
pub mod rate_limit;
#[cfg(feature = "reload")]
pub mod reload;
pub mod replay;
#[cfg(feature = "reqwest")]
pub mod reqwest;
pub mod retry;
pub mod telemetry;
pub mod timeout;

mod classify;
mod error;
#[cfg(feature = "serde")]
mod serial;
mod sys;
mod window;

pub use breaker::handle::CircuitBreaker;
pub use budget::handle::Budget;
pub use bulkhead::handle::Bulkhead;
pub use classify::{Advice, Classify, Except, OnError, Outcome, Verdict};
pub use deadline::instant::Deadline;
pub use error::{
    Adapt, Adapted, CarryRejected, Error, InvalidConfig, Reason, Refusal, Rejected, Violation,
};
pub use fallback::handle::Fallback;
pub use hedge::handle::Hedge;
pub use pipeline::handle::Resilience;
pub use rate_limit::handle::RateLimit;
pub use retry::handle::Retry;
pub use timeout::handle::Timeout;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
