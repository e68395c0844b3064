//! The fourth act: one client floods, and the others want their share.
//!
//! Ten clients of one shop that can do so much and no more, in two copies on one clock: one of them comes
//! at twenty times its quota. `door.rs` is what the copies differ in and the file to copy from, `run.rs`
//! the order of what happens, `figures.rs` what it comes to.

mod door;
mod figures;
mod json;
mod run;
mod screen;

pub use figures::LOST_BY_OTHERS;
pub use json::document;
pub use run::{Neighbour, PROMISE, run};
pub use screen::screen;
