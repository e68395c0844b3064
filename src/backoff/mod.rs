//! Pure sequences of delays, and their spread.
//!
//! A [`Backoff`] says how long to wait before attempt 2, 3, and so on: a *law* (none, constant,
//! linear, exponential, a function of yours) whose delays are capped and then spread by a
//! [`Jitter`], so that those who failed together do not come back together. It is plain data: the
//! same seed gives the same [`delays`](Backoff::delays), and every call of a policy draws afresh.
//!
//! | jitter | delay of a planned wait `d` | source |
//! |---|---|---|
//! | [`None`](Jitter::None) | `d` | |
//! | [`Full`](Jitter::Full), the default | uniform in `[0, d)` | Brooker |
//! | [`Equal`](Jitter::Equal) | `d / 2` and uniform in `[0, d / 2)` | Brooker |
//! | [`Decorrelated`](Jitter::Decorrelated) | uniform in `[base, min(cap, 3 x the last delay))`, whatever the law | Brooker |
//! | [`Around(share)`](Jitter::Around) | uniform in `[d x (1 - share), d x (1 + share))` | |
//!
//! Brooker: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. There
//! decorrelated delays are drawn first and capped then, which piles them up at the cap; here the
//! range is capped before the draw.
//!
//! # What it is for
//!
//! The simulation published there, with these delays: so many clients want to change one row at
//! once, by optimistic locking; a message takes 10 ms (normally distributed, deviation 2 ms), the
//! wait is exponential from 5 ms up to 2 s. Calls, and the time until all have succeeded, in the mean
//! of 100 runs:
//!
//! | clients | no jitter | full | equal | decorrelated |
//! |---|---|---|---|---|
//! | 1 | 1, 40 ms | 1, 40 ms | 1, 40 ms | 1, 40 ms |
//! | 10 | 51, 1970 ms | 42, 436 ms | 46, 684 ms | 38, 442 ms |
//! | 20 | 152, 12863 ms | 111, 956 ms | 117, 1581 ms | 100, 796 ms |
//! | 30 | 276, 19959 ms | 190, 1569 ms | 199, 2397 ms | 182, 1246 ms |
//! | 40 | 432, 27347 ms | 275, 2251 ms | 286, 3320 ms | 272, 1659 ms |
//! | 50 | 620, 34510 ms | 367, 2863 ms | 379, 4243 ms | 375, 2200 ms |
//! | 60 | 822, 40058 ms | 462, 3398 ms | 477, 4637 ms | 487, 2752 ms |
//! | 70 | 1059, 46932 ms | 561, 3766 ms | 575, 5265 ms | 604, 3090 ms |
//! | 80 | 1301, 51787 ms | 664, 4169 ms | 678, 5791 ms | 732, 3511 ms |
//! | 90 | 1568, 56889 ms | 768, 4411 ms | 784, 6156 ms | 865, 3846 ms |
//! | 100 | 1853, 61455 ms | 876, 4992 ms | 891, 6493 ms | 1007, 4210 ms |
//!
//! `cargo run --release --example jitter` prints it. Full jitter makes the fewest calls of a crowd, and
//! so it is the default; decorrelated is done first.
//!
//! ```
//! use buttress::backoff::{Backoff, Jitter};
//! use std::time::Duration;
//!
//! let backoff = Backoff::exponential(Duration::from_millis(100))
//!     .cap(Duration::from_secs(2))
//!     .jitter(Jitter::None);
//! let first: Vec<_> = backoff.delays(1).take(6).map(|delay| delay.as_millis()).collect();
//! assert_eq!(first, [100, 200, 400, 800, 1600, 2000]);
//! ```

mod law;
#[cfg(feature = "serde")]
mod written;

pub use law::{Backoff, Delays, Jitter};
