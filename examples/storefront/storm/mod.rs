//! The second act: a short overload, and who recovers from it.
//!
//! One service of limited capacity for each copy, two copies on one clock. For two seconds there are
//! more calls than it can bear; then the load is what it was. `limited.rs` is the service, `run.rs` the
//! order of what happens, `figures.rs` what it comes to.

mod figures;
mod json;
mod run;
mod screen;

pub use json::document;
pub use run::{PROMISE, Storm, run};
pub use screen::screen;
