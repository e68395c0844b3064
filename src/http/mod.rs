#![doc = include_str!("http.md")]

mod extensions;
mod retry_after;

pub use extensions::{FellBack, InExtensions};
pub use retry_after::{RetryAfter, retry_after};
