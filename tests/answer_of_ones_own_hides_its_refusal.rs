//! A refusal that was answered with a response built from scratch had no trace of the refusal in it: policies
//! further out took it for a failure of the service.
#![cfg(feature = "http")]

use std::convert::Infallible;

use buttress::{
    CircuitBreaker, Outcome, Reason, Rejected, Resilience, breaker,
    http::{OnStatus, respond},
    pipeline,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, service_fn};

fn from_scratch(_: &Rejected) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"come back later"));
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    response
}

#[tokio::test]
async fn every_answer_holds_the_refusal_that_it_tells_of() {
    let inner = CircuitBreaker::builder().build().expect("valid settings");
    inner.force_open();
    let service = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let refusing = respond(inner).with(from_scratch).layer(service);

    let mut config = pipeline::Config::default();
    config.breaker = Some(breaker::Config::default());
    let outer = Resilience::builder().config(config).build();
    let outer = outer.expect("valid settings").layer(refusing);
    let response = outer.request(Request::new(())).await.expect("it answers");
    assert_eq!(response.status(), 503);
    let no = response.extensions().get::<Rejected>();
    assert_eq!(no.map(Rejected::reason), Some(Reason::ForcedOpen));
    let says = buttress::Classify::classify(
        &OnStatus::new(),
        Ok::<_, &buttress::Error<Infallible>>(&response),
    );
    assert_eq!(says, Outcome::Ignored);
    let seen = outer.resilience().snapshot().breaker.expect("it has one");
    assert_eq!((seen.calls, seen.failed), (0, 0));
}
