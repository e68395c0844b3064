#![doc = include_str!("telemetry.md")]

mod change;
pub(crate) mod event;
mod family;
mod ignore;
mod listeners;
mod name;
pub(crate) mod names;
mod voice;

#[cfg(feature = "tracing")]
mod log;
#[cfg(not(feature = "tracing"))]
#[path = "unlogged.rs"]
mod log;

#[cfg(feature = "metrics")]
mod kin;

#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "unmetered.rs"]
mod meter;

#[cfg(feature = "metrics")]
mod counters;
#[cfg(not(feature = "metrics"))]
#[path = "uncounted.rs"]
mod counters;

pub use change::Change;
pub use event::{Backed, Event, EventKind, Expiry, Stopped, Trip};
pub use ignore::ignore_malformed;
pub use listeners::Subscription;

pub(crate) use counters::{Counters, Meter, RareCounters, Times, UpDown};
pub(crate) use event::State;
pub(crate) use listeners::{Listener, Listeners};
pub(crate) use meter::BreakerMeter;
pub(crate) use name::{intern, name_at, place_of};
pub(crate) use voice::Voice;
