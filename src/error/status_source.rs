//! Where tonic looks for the code of a refusal: along the chain of sources, for a status.

use std::error::Error;

use tonic::{Code, Status};

use super::rejected::{Reason, Rejected};
use crate::sys::OnceLock;

impl Error for Rejected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let status: &'static Status = status(self.reason())?;
        Some(status)
    }
}

/// The status of this reason. Made once: a source is borrowed, and a refusal has no room for it.
fn status(reason: Reason) -> Option<&'static Status> {
    static STATUSES: [OnceLock<Status>; 32] = [const { OnceLock::new() }; 32];
    let slot = STATUSES.get(reason as usize)?;
    Some(slot.get_or_init(|| Status::new(Code::from(reason.grpc_code()), reason.sentence())))
}
