//! Calls that end with the body of their response: what each end of it says, and who gets the place back when.
#![cfg(feature = "http")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/bodies.rs"]
mod bodies;

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use bodies::{Broken, Script, Step};
use buttress::{
    Bulkhead, CircuitBreaker, Error, Fallback, Outcome, Resilience, Retry,
    breaker::{self, Snapshot},
    bulkhead,
    guard::{Guard, with_ending},
    hedge,
    http::{Adapt, AfterBody, Judged, OnCode, OnStatus, after_body},
    pipeline::Resilient,
    retry,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Reply = Response<Script>;

/// Of any pipeline.
macro_rules! running {
    ($policy:expr) => {
        $policy.snapshot().bulkhead.unwrap().in_flight
    };
}

/// Answers each request with what the closure says, by its number from 1.
fn server(
    reply: impl Fn(u32) -> Reply + Clone + Send + Sync + 'static,
) -> impl Service<Request<()>, Response = Reply, Error = Infallible, Future: Send> + Clone + Send {
    let asked = Arc::new(AtomicU32::new(0));
    service_fn(move |_: Request<()>| {
        let response = reply(asked.fetch_add(1, SeqCst) + 1);
        async { Ok(response) }
    })
}

fn with(status: u16, steps: &[Step]) -> Reply {
    let body = Script::new(steps.iter().cloned());
    Response::builder().status(status).body(body).unwrap()
}

fn grpc(steps: &[Step]) -> Reply {
    let mut reply = with(200, steps);
    let kind = http::HeaderValue::from_static("application/grpc+proto");
    reply.headers_mut().insert("content-type", kind);
    reply
}

fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(100).min_calls(100);
    builder.build().unwrap()
}

/// The counts of a breaker after one call with this response, its body read to the end.
async fn counts(reply: Reply) -> (u64, u64) {
    let breaker = breaker();
    let service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(server(move |_| reply.clone()));
    let response = service.oneshot(Request::new(())).await.unwrap();
    let body = std::panic::AssertUnwindSafe(response.into_body().collect());
    let _ = futures::FutureExt::catch_unwind(body).await;
    let Snapshot { calls, failed, .. } = breaker.snapshot();
    (calls, failed)
}

#[tokio::test(start_paused = true)]
async fn what_each_end_of_a_body_says() {
    use Step::{Data, Fail, Panic, Pending, Trailers};

    const FINE: (u64, u64) = (1, 0);
    const FAILED: (u64, u64) = (1, 1);
    for (reply, expected) in [
        (with(200, &[]), FINE),
        (with(200, &[Data(3), Pending, Data(3)]), FINE),
        (with(404, &[Data(3)]), FINE),
        (with(200, &[Data(3), Fail]), FAILED),
        (with(200, &[Fail]), FAILED),
        (with(404, &[Data(3), Fail]), FAILED),
        (with(200, &[Data(3), Panic]), FAILED),
        // Settled at the head, whatever the body does.
        (with(503, &[Data(3)]), FAILED),
        (with(503, &[Data(3), Fail]), FAILED),
        (with(429, &[Data(3), Fail]), FINE),
        // A code after the last message, among trailers that say nothing elsewhere.
        (grpc(&[Data(3), Trailers(0)]), FINE),
        (grpc(&[Data(3), Trailers(5)]), FINE),
        (grpc(&[Data(3), Trailers(14)]), FAILED),
        (grpc(&[Data(3), Trailers(8)]), FINE),
        (grpc(&[Data(3), Trailers(1)]), (0, 0)),
        (with(200, &[Data(3), Trailers(14)]), FINE),
        // A stream of gRPC that ends without a code was cut off.
        (grpc(&[Data(3)]), FAILED),
        (grpc(&[Data(3), Fail]), FAILED),
    ] {
        let told = format!("{reply:?}");
        assert_eq!(counts(reply).await, expected, "{told}");
    }
    // A code in the headers is all there is.
    let mut bare = grpc(&[]);
    bare.headers_mut().insert("grpc-status", 7.into());
    assert_eq!(counts(bare).await, FINE);
}

#[tokio::test(start_paused = true)]
async fn codes_in_trailers_are_judged_by_a_list_of_ones_own() {
    let breaker = breaker();
    let strict = AfterBody::new().codes(OnCode::new().failures([8]));
    let service = ServiceBuilder::new()
        .layer(with_ending(breaker.clone(), strict))
        .layer(Adapt)
        .service(server(|_| grpc(&[Step::Trailers(8)])));
    let response = service.oneshot(Request::new(())).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(breaker.snapshot().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_settles_at_once() {
    let breaker = breaker();
    let service = service_fn(|_: Request<()>| async { Err::<Reply, _>(Broken) });
    let service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(service);
    assert!(service.oneshot(Request::new(())).await.is_err());
    assert_eq!(breaker.snapshot().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn the_place_lasts_as_long_as_the_body() {
    let bulkhead = Bulkhead::builder(1).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(after_body(bulkhead.clone()))
        .layer(Adapt)
        .service(server(|_| with(200, &[Step::Data(1), Step::Data(1)])));
    let running = || bulkhead.snapshot().in_flight;
    for reads in 0..3 {
        let response = service.ready().await.unwrap().call(Request::new(())).await;
        let mut body = response.unwrap().into_body();
        for _ in 0..reads {
            body.frame().await.unwrap().unwrap();
        }
        assert!(body.is_running());
        assert_eq!(running(), 1);
        let refused = service.clone().oneshot(Request::new(())).await;
        assert!(refused.unwrap_err().is_rejected());
        drop(body);
        assert_eq!(running(), 0, "dropped after {reads} frames");
    }
    let response = service.ready().await.unwrap().call(Request::new(())).await;
    let mut body = response.unwrap().into_body();
    while body.frame().await.is_some() {}
    assert!(!body.is_running());
    assert_eq!(running(), 0, "read to its end, and still there");
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_owes_nothing() {
    let bulkhead = Bulkhead::builder(1).build().unwrap();
    let service = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let mut service = ServiceBuilder::new()
        .layer(after_body(bulkhead.clone()))
        .layer(Adapt)
        .service(service);
    let response = service.ready().await.unwrap().call(Request::new(())).await;
    assert_eq!(bulkhead.snapshot().in_flight, 0);
    assert!(response.unwrap().body().is_end_stream());
}

/// hyper does not poll a body again that says that it has ended.
#[tokio::test(start_paused = true)]
async fn a_body_that_says_that_it_has_ended_has_ended() {
    let bulkhead = Bulkhead::builder(1).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(after_body(bulkhead.clone()))
        .layer(Adapt)
        .service(server(|_| with(200, &[Step::Data(1)]).map(Script::eager)));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    assert!(!body.is_end_stream());
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream() && !body.is_running());
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_body_says_is_passed_on() {
    let service = ServiceBuilder::new()
        .layer(after_body(breaker()))
        .layer(Adapt)
        .service(server(|_| {
            with(200, &[Step::Data(3), Step::Pending, Step::Trailers(0)]).map(Script::exact)
        }));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(3));
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), [1, 2, 3][..]);
    assert_eq!(body.size_hint().exact(), Some(0));
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap(), bodies::trailers(0));
    assert!(body.frame().await.is_none());
}

/// A call dropped half-way is judged by nobody, unless it was slow.
#[tokio::test(start_paused = true)]
async fn a_body_dropped_before_its_end_is_abandoned() {
    let slow = Duration::from_secs(1);
    let breaker = CircuitBreaker::builder()
        .slow_call_duration(slow)
        .min_calls(100)
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(server(|_| with(200, &[Step::Data(3)])));
    drop(service.ready().await.unwrap().call(Request::new(())).await);
    assert_eq!(breaker.snapshot().calls, 0);
    let response = service.ready().await.unwrap().call(Request::new(())).await;
    tokio::time::advance(2 * slow).await;
    drop(response);
    assert_eq!((breaker.snapshot().calls, breaker.snapshot().slow), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn several_policies_end_together() {
    let (breaker, bulkhead) = (breaker(), Bulkhead::builder(1).build().unwrap());
    let both = Guard::all((breaker.clone(), bulkhead.clone()));
    let service = ServiceBuilder::new()
        .layer(after_body(both))
        .layer(Adapt)
        .service(server(|_| with(200, &[Step::Data(1), Step::Fail])));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(
        (breaker.snapshot().calls, bulkhead.snapshot().in_flight),
        (0, 1)
    );
    body.frame().await.unwrap().unwrap_err();
    assert_eq!(
        (breaker.snapshot().failed, bulkhead.snapshot().in_flight),
        (1, 0)
    );
}

/// The next attempt needs the place that the last one's response would hold.
#[tokio::test(start_paused = true)]
async fn a_retry_finds_its_place_free() {
    for status in [503, 429] {
        let reply = move |n| match n {
            1 => with(status, &[Step::Data(5)]),
            _ => with(200, &[Step::Data(5)]),
        };
        // Around a bulkhead that judges nothing, and in a pipeline.
        let bulkhead = Bulkhead::builder(1).build().unwrap();
        let service = ServiceBuilder::new()
            .layer(Retry::builder().build().unwrap())
            .layer(after_body(bulkhead.clone()))
            .layer(Adapt)
            .service(server(reply));
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(
            (response.status(), bulkhead.snapshot().in_flight),
            (StatusCode::OK, 1)
        );
        drop(response);
        assert_eq!(bulkhead.snapshot().in_flight, 0);

        let policy = pipeline();
        let service = after_body(policy.clone()).layer(server(reply));
        let response = service.request(Request::new(())).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(running!(policy), 1);
        response.into_body().collect().await.unwrap();
        assert_eq!(running!(policy), 0);
    }
}

fn pipeline() -> Resilience {
    Resilience::builder()
        .retry(retry::Config::default())
        .breaker(breaker::Config::default())
        .bulkhead(bulkhead::Config::new(1))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_counts_a_broken_body() {
    let policy = pipeline();
    let members: Resilient<_, _, _, _, _, AfterBody> =
        after_body(policy.clone()).layer(server(|_| with(200, &[Step::Data(5), Step::Fail])));
    let response = members.request(Request::new(())).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    assert_eq!(policy.snapshot().breaker.unwrap().failed, 1);
    assert_eq!(running!(policy), 0);
}

#[tokio::test(start_paused = true)]
async fn the_slower_of_two_hedged_calls_gives_its_place_back() {
    let policy = Resilience::builder()
        .hedge(hedge::Config::from(Duration::from_millis(10)))
        .bulkhead(bulkhead::Config::new(2))
        .build()
        .unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let service = service_fn(move |_: Request<()>| {
        let late = asked.fetch_add(1, SeqCst) == 0;
        async move {
            if late {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(with(200, &[Step::Data(5)]))
        }
    });
    let service = after_body(policy.clone()).layer(service);
    let response = service.request(Request::new(())).await.unwrap();
    assert_eq!(running!(policy), 1, "the winner's body");
    drop(response);
    assert_eq!(running!(policy), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_with_a_body_that_owes_nothing() {
    let policy = Resilience::builder()
        .bulkhead(bulkhead::Config::new(1))
        .classify(OnStatus::new())
        .fallback(Fallback::function(|_| {
            Ok(Response::new(Judged::from(Script::new([Step::Data(2)]))))
        }))
        .build()
        .unwrap();
    let service = after_body(policy.clone()).layer(server(|_| with(503, &[Step::Data(5)])));
    let response: Response<Judged<Script, _>> = service.request(Request::new(())).await.unwrap();
    assert_eq!((response.status(), running!(policy)), (StatusCode::OK, 0));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_body_travels_on_and_is_told_once() {
    let breaker = breaker();
    let service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(Adapt)
        .service(server(|_| with(200, &[Step::Panic])));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    let mut cx = Context::from_waker(Waker::noop());
    let poll = AssertUnwindSafe(|| {
        let _ = std::pin::Pin::new(&mut body).poll_frame(&mut cx);
    });
    catch_unwind(poll).unwrap_err();
    drop(body);
    assert_eq!(
        (breaker.snapshot().calls, breaker.snapshot().failed),
        (1, 1)
    );
}

/// A guard whose classifier says that a status is none of the server's doing listens to the body all the same.
#[tokio::test(start_paused = true)]
async fn a_classifier_has_its_word_at_the_head() {
    let judge = |result: Result<&Reply, &Error<Infallible>>| match result {
        Ok(response) if response.status() == 404 => Outcome::Ignored,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    };
    let breaker = CircuitBreaker::builder()
        .min_calls(100)
        .classify(judge)
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(after_body(breaker.clone()))
        .layer(buttress::Adapt)
        .service(server(|n| match n {
            1 => with(404, &[Step::Data(1)]),
            _ => with(404, &[Step::Data(1), Step::Fail]),
        }));
    for failed in [0, 1] {
        let response = service.ready().await.unwrap().call(Request::new(())).await;
        let _ = response.unwrap().into_body().collect().await;
        assert_eq!(breaker.snapshot().calls, failed);
        assert_eq!(breaker.snapshot().failed, failed);
    }
}
