//! `grpc-status: +0` was read as 0, a success. gRPC knows no signs: a code that is no number is `UNKNOWN`.
#![cfg(feature = "http")]

use buttress::{Classify, Error, Outcome, http::OnCode};
use http::Response;

#[test]
fn a_code_with_a_sign_is_unknown() {
    for (code, expected) in [
        ("0", Outcome::Success),
        ("+0", Outcome::Failure),
        ("-0", Outcome::Failure),
        ("", Outcome::Failure),
    ] {
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", code)
            .body(())
            .unwrap();
        let judged = OnCode::new().classify(Ok::<_, &Error<()>>(&response));
        assert_eq!(judged, expected, "{code}");
    }
}
