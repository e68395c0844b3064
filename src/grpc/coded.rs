//! What generated clients return, for `OnCode`.

use tonic::{Response, Status};

use super::status::{advice, outcome};
use crate::{
    classify::{Advice, Outcome},
    error::Error,
    http::{Coded, OnCode},
};

/// For `call_flat`.
impl<M> Coded<Status> for Response<M> {
    fn classify(codes: OnCode, result: Result<&Self, &Status>) -> Outcome {
        result.map_or_else(|status| outcome(codes, status), |_| Outcome::Success)
    }

    fn advise(codes: OnCode, result: Result<&Self, &Status>) -> Advice {
        result.map_or_else(|status| advice(codes, status), |_| Advice::Stop)
    }
}

/// For `call`.
impl<M> Coded<Error<Status>> for Response<M> {
    fn classify(codes: OnCode, result: Result<&Self, &Error<Status>>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(Error::Inner(status)) => outcome(codes, status),
            Err(Error::Rejected(no)) => no.outcome(),
        }
    }

    fn advise(codes: OnCode, result: Result<&Self, &Error<Status>>) -> Advice {
        match result {
            Ok(_) => Advice::Stop,
            Err(Error::Inner(status)) => advice(codes, status),
            Err(Error::Rejected(no)) => codes.after(no),
        }
    }
}
