//! Statuses of tonic: made of refusals, found along chains of sources, judged by their code.
#![cfg(feature = "tonic")]

#[path = "support/health.rs"]
mod health;

use std::{error::Error as StdError, fmt, time::Duration};

use buttress::{
    Advice, CircuitBreaker, Classify, Error, OnError, Outcome, Reason, Refusal, Rejected,
    Resilience,
    breaker::State,
    grpc::refusal,
    http::{Fault, OnCode},
    retry,
};
use health::{Answer, Running, Script, ask};
use tonic::{Code, Response, Status, metadata::MetadataValue};
use tonic_health::pb::health_client::HealthClient;
use tower::{BoxError, layer::util::Identity};

const REASONS: [(Reason, Code); 11] = [
    (Reason::Open, Code::Unavailable),
    (Reason::HalfOpen, Code::Unavailable),
    (Reason::ForcedOpen, Code::Unavailable),
    (Reason::Recovering, Code::Unavailable),
    (Reason::Full, Code::ResourceExhausted),
    (Reason::RateLimited, Code::ResourceExhausted),
    (Reason::CostAboveBurst, Code::ResourceExhausted),
    (Reason::TooManyKeys, Code::ResourceExhausted),
    (Reason::TimedOut, Code::DeadlineExceeded),
    (Reason::DeadlineExceeded, Code::DeadlineExceeded),
    (Reason::Expired, Code::DeadlineExceeded),
];

#[derive(Debug)]
struct Around<E>(E);

impl<E> fmt::Display for Around<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl<E: StdError + 'static> StdError for Around<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// An error as tonic passes them around.
fn boxed(error: impl StdError + Send + Sync + 'static) -> BoxError {
    error.into()
}

#[test]
fn tonic_finds_the_code_of_every_refusal_at_any_depth() {
    type Inner = std::io::Error;
    for (reason, code) in REASONS {
        let no = Rejected::new("members", reason);
        let errors = [
            boxed(no.clone()),
            boxed(Error::<Inner>::from(no.clone())),
            boxed(Fault::<Inner>::from(no.clone())),
            boxed(Error::Inner(Error::<Inner>::from(no.clone()))),
            boxed(Error::Inner(Around(Fault::<Inner>::from(no.clone())))),
            boxed(Around(Around(no.clone()))),
        ];
        for error in errors {
            let told = format!("{error:?}");
            let status = Status::from_error(error);
            assert_eq!(status.code(), code, "{told}");
            assert_eq!(status.message(), reason.sentence(), "{told}");
            // And the refusal is not lost.
            assert_eq!(refusal(&status), Some(&no), "{told}");
        }
        let status = Status::from(no.clone());
        assert_eq!((status.code(), refusal(&status)), (code, Some(&no)));
    }
}

#[test]
fn errors_of_the_service_itself_keep_the_code_that_tonic_gives_them() {
    let own = Error::Inner(Status::not_found("no such member"));
    assert_eq!(Status::from_error(own.into()).code(), Code::NotFound);
    let unknown = Error::Inner(std::io::Error::other("boom"));
    let status = Status::from_error(unknown.into());
    assert_eq!((status.code(), refusal(&status)), (Code::Unknown, None));
}

/// As a log prints it.
fn chain(error: &dyn StdError) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        lines.push(error.to_string());
        source = error.source();
    }
    lines
}

#[test]
fn a_printed_chain_ends_with_the_code() {
    let after = Duration::from_secs(3);
    let no = Rejected::new("members", Reason::Open).with_retry_after(after);
    let lines = chain(&Error::<std::io::Error>::from(no));
    let expected = [
        "refused by members",
        "members: circuit breaker is open, retry after 3.0s",
        "code: 'The service is currently unavailable', message: \"circuit breaker is open\"",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn pushback_is_rounded_up_and_absent_where_nobody_knows() {
    let pushback = |no: Rejected| {
        let status = Status::from(no);
        let value = status.metadata().get("grpc-retry-pushback-ms");
        value.map(|value| value.to_str().expect("digits").to_owned())
    };
    let no = Rejected::new("members", Reason::RateLimited);
    assert_eq!(pushback(no.clone()), None);
    for (nanos, millis) in [(0, "0"), (1, "1"), (1_000_000, "1"), (1_000_001, "2")] {
        let no = no.clone().with_retry_after(Duration::from_nanos(nanos));
        assert_eq!(pushback(no).as_deref(), Some(millis), "{nanos} ns");
    }
}

/// What the default classifier says of a `call_flat`, and `OnCode` of that and of a `call`.
fn judged(status: &Status) -> (Outcome, Advice) {
    type Answer = Response<()>;
    let by_default = OnError;
    let said = (
        by_default.classify(Err::<&Answer, _>(status)),
        by_default.advise(Err::<&Answer, _>(status)),
    );
    let codes = OnCode::new();
    let flat = (
        codes.classify(Err::<&Answer, _>(status)),
        codes.advise(Err::<&Answer, _>(status)),
    );
    let error = Error::Inner(status.clone());
    let called = (
        codes.classify(Err::<&Answer, _>(&error)),
        codes.advise(Err::<&Answer, _>(&error)),
    );
    assert_eq!((said, said), (flat, called), "{status}");
    said
}

#[test]
fn statuses_are_judged_by_their_code() {
    let failures = [
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::Internal,
        Code::DataLoss,
    ];
    for code in (1..=16).map(Code::from) {
        let expected = match code {
            Code::Unavailable => (Outcome::Failure, Advice::Retry),
            Code::Cancelled => (Outcome::Ignored, Advice::Stop),
            code if failures.contains(&code) => (Outcome::Failure, Advice::Stop),
            _ => (Outcome::Success, Advice::Stop),
        };
        assert_eq!(judged(&Status::new(code, "said")), expected, "{code:?}");
    }
    let well = Response::new(());
    assert_eq!(OnError.classify(Ok::<_, &Status>(&well)), Outcome::Success);
    let strict = OnCode::new().failures([8]).retried([8]);
    let busy = Status::resource_exhausted("busy");
    let result = Err::<&Response<()>, _>(&busy);
    assert_eq!(strict.classify(result), Outcome::Failure);
    assert_eq!(strict.advise(result), Advice::Retry);
}

#[test]
fn pushback_in_the_metadata_is_advice() {
    let said = |code, value: &'static str| {
        let mut status = Status::new(code, "said");
        let value = MetadataValue::from_static(value);
        status
            .metadata_mut()
            .insert("grpc-retry-pushback-ms", value);
        judged(&status).1
    };
    let after = |millis| Advice::RetryAfter(Duration::from_millis(millis));
    assert_eq!(said(Code::Unavailable, "250"), after(250));
    assert_eq!(said(Code::ResourceExhausted, "250"), after(250));
    assert_eq!(said(Code::Unavailable, "-1"), Advice::Stop);
    assert_eq!(said(Code::Unavailable, "soon"), Advice::Stop);
    assert_eq!(said(Code::NotFound, "250"), Advice::Stop);
}

#[test]
fn a_refusal_in_the_source_counts_for_what_it_is() {
    let after = Duration::from_secs(3);
    let no = Rejected::new("inner", Reason::Open).with_retry_after(after);
    let refused = (Outcome::Ignored, Advice::Refused(Some(after)));
    assert_eq!(judged(&Status::from(no.clone())), refused);
    let through_tonic = Status::from_error(Error::<std::io::Error>::from(no.clone()).into());
    assert_eq!(judged(&through_tonic), refused);
    // A timeout of ours says what a server's would.
    let late = Status::from(Rejected::new("inner", Reason::TimedOut));
    assert_eq!(judged(&late), judged(&Status::deadline_exceeded("late")));

    let error = Error::<Status>::from(no);
    let result = Err::<&Response<()>, _>(&error);
    assert_eq!(OnCode::new().classify(result), refused.0);
    assert_eq!(OnCode::new().advise(result), refused.1);
    // A boxed status shows it, too.
    let boxed: BoxError = through_tonic.into();
    assert!(boxed.rejected().is_some());
}

fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(2).min_calls(2);
    builder.build().expect("valid settings")
}

#[tokio::test]
async fn mistakes_of_a_caller_open_no_breaker_and_are_not_repeated() {
    let missing = Answer::Fails(Status::not_found("no such service"));
    let script = Script::of(vec![missing; 10]);
    let server = Running::start(Identity::new(), &script);
    let client = HealthClient::new(server.channel());
    let check = |_| {
        let mut client = client.clone();
        async move { client.check(ask()).await }
    };
    let flat = Resilience::standard();
    let named = Resilience::builder()
        .retry(retry::Config::default())
        .classify(OnCode::new())
        .build()
        .expect("valid settings");
    for _ in 0..5 {
        let status = flat.call_flat(check).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let error = named.call(check).await.unwrap_err();
        assert_eq!(error.inner().map(Status::code), Some(Code::NotFound));
    }
    assert_eq!(script.calls(), 10);
    let breaker = flat.snapshot().breaker.expect("it has one");
    assert_eq!((breaker.calls, breaker.failed), (5, 0));
}

#[tokio::test]
async fn timeouts_of_tonic_itself_are_failures_though_it_calls_them_cancelled() {
    let script = Script::of(vec![Answer::Hangs; 2]);
    let server = Running::start(Identity::new(), &script);
    let endpoint = server.endpoint().timeout(Duration::from_millis(50));
    let client = HealthClient::new(endpoint.connect_lazy());
    let breaker = breaker();
    for _ in 0..2 {
        let mut client = client.clone();
        let call = breaker.call_flat(async || client.check(ask()).await);
        assert_eq!(call.await.unwrap_err().code(), Code::Cancelled);
    }
    assert_eq!(breaker.snapshot().state, State::Open);
}

#[tokio::test]
async fn lost_connections_are_failures() {
    let script = Script::of(vec![Answer::Hangs; 2]);
    let breaker = breaker();
    for _ in 0..2 {
        let server = Running::start(Identity::new(), &script);
        let mut client = HealthClient::new(server.channel());
        let arrived = script.calls();
        let call = breaker.call_flat(async || client.check(ask()).await);
        let stop = async {
            while script.calls() == arrived {
                tokio::task::yield_now().await;
            }
            drop(server);
        };
        let (called, ()) = tokio::join!(call, stop);
        let status = called.unwrap_err();
        assert!(status.source().is_some(), "{status}");
    }
    assert_eq!(breaker.snapshot().state, State::Open);
    // And those that were never made.
    let nobody = tonic::transport::Endpoint::from_static("http://127.0.0.1:1");
    let mut client = HealthClient::new(nobody.connect_lazy());
    let status = client.check(ask()).await.unwrap_err();
    assert_eq!(judged(&status), (Outcome::Failure, Advice::Retry));
}
