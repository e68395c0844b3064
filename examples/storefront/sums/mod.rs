//! Many runs added up: one run has too few calls to speak of one in a thousand.
//!
//! `trial.rs` is what is taken from a run, `bound.rs` what so many calls can prove, `total.rs` what they
//! come to.

mod bound;
mod total;
mod trial;

pub use total::Sums;
pub use trial::Trial;
