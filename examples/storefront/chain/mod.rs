//! The third act: three services in a row, and what becomes of one checkout at the last of them.
//!
//! The shop calls checkout, checkout calls order, order calls member, and each of them retries.
//! `service.rs` is a service of the row, `run.rs` the order of what happens, `figures.rs` what it
//! comes to.

mod figures;
mod json;
mod run;
mod screen;
mod service;

pub use json::document;
pub use run::{Chain, PROMISE, run};
pub use screen::screen;
