//! The only door to time, randomness, atomics and locks.
//!
//! Everything that is not a pure function of its arguments enters the crate here, so that virtual
//! time moves all of it, a seed reproduces all of it, and the model checker can replace all of it.

#[cfg(feature = "reload")]
pub(crate) mod bell;
mod clock;
#[cfg(feature = "http")]
pub(crate) mod date;
mod line;
mod live;
mod random;
#[cfg(feature = "keyed")]
pub(crate) mod shards;
mod sync;
mod together;

pub use clock::Now;
pub(crate) use clock::nanos_between;
pub(crate) use line::{Line, own_lane};
pub(crate) use live::Live;
pub(crate) use random::{Rng, SharedRng, unit};
pub(crate) use sync::{Arc, AtomicU64, Mutex, OnceLock, Ordering, Registry, Weak};
pub(crate) use together::Together;
