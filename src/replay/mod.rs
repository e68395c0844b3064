//! How a request is sent more than once.
//!
//! A [`Replay`] keeps what it takes to make the request again before the first attempt consumes it.
//! A request that cannot be replayed is tried once.
//!
//! | strategy | for |
//! |---|---|
//! | [`Cloned`], the default | requests that are `Clone` |
//! | [`Never`] | servers, which pass requests on once |
//! | a closure `Fn(&Request) -> Option<Request>` | a `try_clone` that may say no, as of reqwest |
//! | [`Rebuild`] | requests that cannot be cloned, made anew from some of their parts |
//! | [`Numbered`] | any of these, with the attempt's number written into the request |
//!
//! ```
//! use buttress::{Retry, replay::Rebuild};
//!
//! struct Upload {
//!     path: String,
//!     body: std::fs::File, // not `Clone`
//! }
//!
//! let retry = Retry::builder()
//!     .replay(Rebuild::new(
//!         |upload: &Upload| Some(upload.path.clone()),
//!         |path: &String| Some(Upload { path: path.clone(), body: std::fs::File::open(path).ok()? }),
//!     ))
//!     .build()?;
//! # let _ = retry;
//! # Ok::<(), buttress::InvalidConfig>(())
//! ```

mod closure;
mod keep;

pub use closure::{Repeat, RepeatFlat};
pub use keep::{Attempt, Cloned, Never, Numbered, Rebuild, Replay, TryClone};
