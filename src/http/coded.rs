//! Who has a gRPC code.

use super::{head::ResponseHead, on_code::OnCode, on_status::OnStatus};
use crate::classify::{Advice, Classify, Outcome, Verdict};

/// A response that [`OnCode`] can judge, of a service whose error is `E`: every [`ResponseHead`] and, with the
/// feature `tonic`, what a generated client returns.
#[diagnostic::on_unimplemented(
    message = "`OnCode` finds no gRPC code in a `Result<{Self}, {E}>`",
    label = "neither a response of HTTP nor what a generated client of tonic returns",
    note = "leave the `tonic::Response` as it is until it was judged; or leave `.classify(..)` away and use `call_flat`, which judges a `tonic::Status` by its code whatever the response is"
)]
pub trait Coded<E>: Sized {
    /// What this result says about the dependency.
    fn classify(codes: OnCode, result: Result<&Self, &E>) -> Outcome;

    /// Whether another attempt may help.
    fn advise(codes: OnCode, result: Result<&Self, &E>) -> Advice;
}

#[diagnostic::do_not_recommend]
impl<T: ResponseHead, E: Verdict<T>> Coded<E> for T {
    #[inline]
    fn classify(codes: OnCode, result: Result<&T, &E>) -> Outcome {
        OnStatus::new().codes(codes).classify(result)
    }

    #[inline]
    fn advise(codes: OnCode, result: Result<&T, &E>) -> Advice {
        if let Some(no) = result.err().and_then(E::refusal) {
            return codes.after(no);
        }
        OnStatus::new().codes(codes).advise(result)
    }
}

impl<T: Coded<E>, E> Classify<T, E> for OnCode {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        T::classify(*self, result)
    }

    #[inline]
    fn advise(&self, result: Result<&T, &E>) -> Advice {
        T::advise(*self, result)
    }
}
