//! Errors: one flat refusal, and the ways to carry it.
//!
//! A guarded service keeps the error type of the service inside. That type only has to be able to
//! hold a [`Rejected`]:
//!
//! * a boxed error does as it is;
//! * an enum of yours does with a variant and two short impls (see [`Refusal`]);
//! * somebody else's error type does through the innermost [`Adapt`] layer.

mod flat;
mod invalid;
#[cfg(not(feature = "tonic"))]
mod no_source;
mod rejected;
#[cfg(feature = "tonic")]
mod status_source;

pub use flat::{Adapt, Adapted, CarryRejected, Error, Refusal};
pub(crate) use invalid::Violations;
pub use invalid::{InvalidConfig, Violation};
pub use rejected::{Reason, Rejected};
