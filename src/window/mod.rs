//! Sliding windows over outcomes: pure, no clock, no lock.
//!
//! Both kinds subtract what leaves, so reading them costs the same however long they have run, and
//! both take successes in bulk: the breaker counts them in one atomic word and hands them over when
//! somebody needs to know.

mod count;
mod counts;
mod sliding;
mod time;

pub(crate) use counts::{Counts, Mark};
pub(crate) use sliding::{Extent, Window};
