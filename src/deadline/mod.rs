//! When a whole call must be over, and how a request carries that along.
//!
//! A [`Deadline`](crate::Deadline) is an instant. It only ever shrinks: who passes it on may bring it
//! closer, never push it away. Where a request keeps it is a strategy, [`CarryDeadline`], given to the
//! layers that honour it: [`Timeout`](crate::Timeout) is clamped to it, [`Retry`](crate::Retry) and
//! [`Hedge`](crate::Hedge) send nothing once it has passed (what runs then is a timeout's to end), a
//! [guard](crate::guard) ends its queue with it. Without a strategy ([`NoDeadline`]) nothing is read and
//! no clock is asked.
//!
//! | strategy | reads | writes |
//! |---|---|---|
//! | [`NoDeadline`], the default | nothing | nothing |
//! | a closure `Fn(&Request) -> Option<Deadline>` | what it returns | nothing |
//! | [`ReadWrite`] of two closures | what the first returns | with the second |
//! | `http::InExtensions` (feature `http`) | the request's extensions | the same |
//! | `http::DeadlineHeader` (feature `http`) | a header, or the extensions if that is earlier | the header |
//!
//! ```
//! use buttress::Deadline;
//! use std::time::Duration;
//!
//! struct Request {
//!     answer_by: Option<Deadline>,
//! }
//!
//! let timeout = buttress::Timeout::builder(Duration::from_secs(1))
//!     .deadline(|request: &Request| request.answer_by)
//!     .build()?;
//! # let _ = timeout;
//! # Ok::<(), buttress::InvalidConfig>(())
//! ```
//!
//! For the usual headers see [`header`](crate::header).

mod carry;
pub(crate) mod instant;

pub use carry::{CarryDeadline, NoDeadline, ReadWrite};
