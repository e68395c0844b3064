#![doc = include_str!("telemetry.md")]

pub(crate) mod event;
mod listeners;
mod name;
mod names;

#[cfg(feature = "tracing")]
mod log;
#[cfg(not(feature = "tracing"))]
#[path = "unlogged.rs"]
mod log;

#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "unmetered.rs"]
mod meter;

pub use event::{Event, EventKind, Trip};
pub use listeners::Subscription;

pub(crate) use event::State;
pub(crate) use listeners::{Listener, Listeners};
pub(crate) use meter::BreakerMeter;
pub(crate) use name::intern;
