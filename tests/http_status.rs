//! What statuses and codes say, to whoever asks.
#![cfg(feature = "http")]

use std::{convert::Infallible, error::Error as _, io, time::Duration};

use buttress::{
    Advice, CircuitBreaker, Classify, Error, OnError, Outcome, Reason, Refusal, Rejected,
    http::{Adapt, Fault, OnCode, OnStatus},
};
use http::{Request, Response};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

type Flat = Error<io::Error>;

fn response(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let response = Response::builder().status(status);
    let with = |response: http::response::Builder, (name, value): &(&str, &str)| {
        response.header(*name, *value)
    };
    headers.iter().fold(response, with).body(()).unwrap()
}

fn grpc(headers: &[(&str, &str)]) -> Response<()> {
    let mut response = response(200, headers);
    let kind = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// What three that should agree say of a response: the classifier, the default one over an HTTP error, and
/// the other classifier.
fn says(response: &Response<()>) -> (Outcome, Advice) {
    let status = OnStatus::new();
    let said = (
        status.classify(Ok::<_, &Flat>(response)),
        status.advise(Ok::<_, &Flat>(response)),
    );
    let fault = Ok::<_, &Fault<io::Error>>(response);
    assert_eq!((OnError.classify(fault), OnError.advise(fault)), said);
    let code = OnCode::new();
    let boxed = Ok::<_, &BoxError>(response);
    assert_eq!((code.classify(boxed), code.advise(boxed)), said);
    said
}

#[test]
fn every_status_says_what_the_table_has() {
    for status in 100..=999 {
        let expected = match status {
            501 => (Outcome::Success, Advice::Stop),
            500..=599 | 408 => (Outcome::Failure, Advice::Retry),
            429 => (Outcome::Success, Advice::Retry),
            _ => (Outcome::Success, Advice::Stop),
        };
        assert_eq!(says(&response(status, &[])), expected, "{status}");
    }
}

#[test]
fn a_hint_is_obeyed_where_another_attempt_may_follow() {
    let hint = [("retry-after", "7")];
    let wait = Advice::RetryAfter(Duration::from_secs(7));
    assert_eq!(says(&response(429, &hint)), (Outcome::Success, wait));
    assert_eq!(says(&response(503, &hint)), (Outcome::Failure, wait));
    assert_eq!(says(&response(500, &hint)), (Outcome::Failure, wait));
    for status in [200, 301, 404, 501] {
        let stands = (Outcome::Success, Advice::Stop);
        assert_eq!(says(&response(status, &hint)), stands);
    }
    // A malformed one is as none.
    let soon = response(429, &[("retry-after", "soon")]);
    assert_eq!(says(&soon), (Outcome::Success, Advice::Retry));
}

#[test]
fn a_list_of_ones_own() {
    let own = OnStatus::new()
        .failures([404])
        .failures(520..=530)
        .no_failures([503])
        .retried([425])
        .not_retried([500]);
    let says = |status| {
        let response = response(status, &[]);
        let result = Ok::<_, &Flat>(&response);
        (own.classify(result), own.advise(result))
    };
    assert_eq!(says(404), (Outcome::Failure, Advice::Retry));
    assert_eq!(says(530), (Outcome::Failure, Advice::Retry));
    assert_eq!(says(503), (Outcome::Success, Advice::Stop));
    assert_eq!(says(425), (Outcome::Success, Advice::Retry));
    assert_eq!(says(500), (Outcome::Failure, Advice::Stop));
    assert_eq!(says(502), (Outcome::Failure, Advice::Retry));
}

#[test]
#[should_panic = "an HTTP status must be 100 to 999"]
fn what_is_no_status_is_no_setting() {
    let _ = OnStatus::new().failures([5030]);
}

#[test]
#[should_panic = "gRPC code 17: must be 1 to 16"]
fn what_is_no_code_is_no_setting() {
    let _ = OnCode::new().failures([17]);
}

#[test]
fn every_code_says_what_the_table_has() {
    for code in 0..=20 {
        let expected = match code {
            14 => (Outcome::Failure, Advice::Retry),
            1 => (Outcome::Ignored, Advice::Stop),
            // Beyond 16 there is none: unknown.
            2 | 4 | 13 | 15 | 17.. => (Outcome::Failure, Advice::Stop),
            _ => (Outcome::Success, Advice::Stop),
        };
        let text = code.to_string();
        let response = grpc(&[("grpc-status", &text)]);
        assert_eq!(says(&response), expected, "{code}");
    }
    let strange = grpc(&[("grpc-status", "fine")]);
    assert_eq!(says(&strange), (Outcome::Failure, Advice::Stop));
}

#[test]
fn a_server_says_when_and_whether() {
    let wait = Advice::RetryAfter(Duration::from_millis(1500));
    for (code, pushback, expected) in [
        ("14", "1500", (Outcome::Failure, wait)),
        ("8", "1500", (Outcome::Success, wait)),
        ("14", "-1", (Outcome::Failure, Advice::Stop)),
        ("14", "soon", (Outcome::Failure, Advice::Stop)),
        // Not one after which another attempt may follow.
        ("13", "1500", (Outcome::Failure, Advice::Stop)),
        ("0", "1500", (Outcome::Success, Advice::Stop)),
    ] {
        let headers = [("grpc-status", code), ("grpc-retry-pushback-ms", pushback)];
        assert_eq!(says(&grpc(&headers)), expected, "{code} {pushback}");
    }
}

#[test]
fn codes_of_ones_own() {
    let own = OnCode::new()
        .failures([1, 8])
        .no_failures([2])
        .retried([10])
        .not_retried([14]);
    let says = |code: &str| {
        let response = grpc(&[("grpc-status", code)]);
        let result = Ok::<_, &Flat>(&response);
        (own.classify(result), own.advise(result))
    };
    assert_eq!(says("1"), (Outcome::Failure, Advice::Stop));
    assert_eq!(says("8"), (Outcome::Failure, Advice::Stop));
    assert_eq!(says("2"), (Outcome::Success, Advice::Stop));
    assert_eq!(says("10"), (Outcome::Success, Advice::Retry));
    assert_eq!(says("14"), (Outcome::Failure, Advice::Stop));
}

#[test]
fn only_what_is_grpc_is_judged_by_a_code() {
    for (kind, is) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        let headers = [("content-type", kind), ("grpc-status", "14")];
        let (outcome, _) = says(&response(200, &headers));
        assert_eq!(outcome == Outcome::Failure, is, "{kind}");
    }
    // A proxy's answer in place of a gRPC server's.
    assert_eq!(says(&response(503, &[])).0, Outcome::Failure);
    // The code is yet to come, in the trailers.
    assert_eq!(says(&grpc(&[])), (Outcome::Success, Advice::Stop));
}

#[test]
fn errors_say_what_they_are() {
    let judge = OnStatus::new();
    let refused = |reason| Rejected::new("members", reason);
    let cases = [
        (Reason::Open, Outcome::Ignored, Advice::Refused(None)),
        (Reason::TimedOut, Outcome::Failure, Advice::Retry),
    ];
    for (reason, outcome, advice) in cases {
        let flat = Flat::from(refused(reason));
        let fault = Fault::<io::Error>::from(refused(reason));
        let boxed = BoxError::from(refused(reason));
        let flat = Err::<&Response<()>, _>(&flat);
        let fault = Err::<&Response<()>, _>(&fault);
        let boxed = Err::<&Response<()>, _>(&boxed);
        for (said, advised) in [
            (judge.classify(flat), judge.advise(flat)),
            (judge.classify(fault), judge.advise(fault)),
            (judge.classify(boxed), judge.advise(boxed)),
            (OnError.classify(fault), OnError.advise(fault)),
        ] {
            assert_eq!((said, advised), (outcome, advice));
        }
    }
    let broken = Fault::failure(io::Error::other("reset"));
    let broken = Err::<&Response<()>, _>(&broken);
    let said = (OnError.classify(broken), OnError.advise(broken));
    assert_eq!(said, (Outcome::Failure, Advice::Retry));
    let unsent = Fault::ignored(io::Error::other("no address"));
    let unsent = Err::<&Response<()>, _>(&unsent);
    let said = (OnError.classify(unsent), OnError.advise(unsent));
    assert_eq!(said, (Outcome::Ignored, Advice::Stop));
}

#[test]
fn a_fault_is_read_like_the_error_that_it_holds() {
    let no = Rejected::new("members", Reason::Open).with_retry_after(Duration::from_secs(3));
    let fault = Fault::<io::Error>::from(no.clone());
    assert!(fault.is_rejected());
    assert_eq!(fault.retry_after(), Some(Duration::from_secs(3)));
    assert!(fault.source().unwrap().is::<Rejected>());
    assert_eq!(fault.to_string(), "refused by members");
    assert_eq!(Flat::from(fault).rejected(), Some(&no));

    let fault = Fault::failure(io::Error::other("reset"));
    assert_eq!(fault.source().unwrap().to_string(), "reset");
    let error: BoxError = fault.into();
    assert!(error.rejected().is_none());
}

#[tokio::test]
async fn a_breaker_with_default_settings_opens_on_statuses() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let down = |_: Request<()>| async { Ok::<_, Infallible>(response(503, &[])) };
    let members = ServiceBuilder::new()
        .layer(breaker.clone())
        .layer(Adapt)
        .service(service_fn(down));
    for _ in 0..20 {
        let answer = members.clone().oneshot(Request::new(())).await;
        assert_eq!(answer.unwrap().status(), 503);
    }
    let no = members.oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(no.rejected().unwrap().reason(), Reason::Open);
}
