//! The fifth act: a file of policies, edited while the shop runs on it.
//!
//! One member service of whose calls three in ten fail, and a breaker before it that lets half of them
//! fail, until the file says otherwise. `run.rs` is the order of what happens, `editor.rs` who writes
//! into the file, `seen.rs` and `bars.rs` what it comes to; the code to copy from is `settings.rs` and
//! `shop.rs`.

mod bars;
mod editor;
mod json;
mod run;
mod screen;
mod seen;
mod service;

pub use json::document;
pub use run::{Live, PROMISE, run};
pub use screen::screen;
