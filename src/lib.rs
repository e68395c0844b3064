#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! x

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
