//! What a layer under `respond` answers, and what it leaves alone.
#![cfg(feature = "http")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    Bulkhead, CircuitBreaker, RateLimit, Reason, Rejected, Resilience, Timeout,
    breaker::State,
    guard,
    http::{Answer, Fault, Respond, Responding, Usual, respond},
    pipeline,
    rate_limit::Quota,
    replay::Never,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use strict::{Ask, Failed, Strict, Watch, panic_of};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, layer::layer_fn, service_fn, util::ServiceFn,
};

/// The strict mock, in words of HTTP.
#[derive(Clone)]
struct Web(Strict<Failed>);

impl Service<Request<Ask>> for Web {
    type Response = Response<Empty<Bytes>>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failed>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        let answer = self.0.call(request.into_body());
        Box::pin(async { answer.await.map(|_| Response::new(Empty::new())) })
    }
}

type Reply = Response<Answer<Empty<Bytes>>>;
type Slow = ServiceFn<fn(Request<()>) -> Slowly>;
type Slowly = Pin<Box<dyn Future<Output = Result<Response<Empty<Bytes>>, Infallible>> + Send>>;

/// Answers after an hour.
fn slow() -> Slow {
    service_fn(|_| {
        Box::pin(async {
            sleep(Duration::from_secs(3_600)).await;
            Ok(Response::new(Empty::new()))
        })
    })
}

fn web() -> (Web, std::sync::Arc<Watch>) {
    let (strict, watch) = Strict::new();
    (Web(strict), watch)
}

/// Opens at the first failure, for a second and a bit.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder()
        .name("secret")
        .count_window(10)
        .min_calls(1)
        .open_for(Duration::from_millis(1_200))
        .open_jitter(0.0)
        .probes(1)
        .build()
        .unwrap()
}

fn grpc<T>(body: T) -> Request<T> {
    let request = Request::builder().header("content-type", "application/grpc+proto");
    request.body(body).unwrap()
}

async fn text<B: Body<Error: std::fmt::Debug>>(body: B) -> String {
    let bytes = body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

fn poll_ready<S: Service<Request<Ask>>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_response_and_names_no_policy() {
    let breaker = breaker();
    let (web, watch) = web();
    let service = respond(breaker.clone()).layer(web);
    breaker.try_acquire().unwrap().failure();
    advance(Duration::from_millis(100)).await;

    let response = service.oneshot(Request::new(Ask::answer())).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers().clone();
    assert_eq!(
        header(&headers, "content-type"),
        Some("application/problem+json")
    );
    // 1.1 s are left.
    assert_eq!(header(&headers, "retry-after"), Some("2"));
    assert_eq!(headers.len(), 2);
    let body = response.into_body();
    assert!(!body.is_end_stream());
    let text = text(body).await;
    assert!(!text.contains("secret"));
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "title": "Service Unavailable",
        "status": 503,
        "detail": "circuit breaker is open",
        "reason": "open",
    });
    assert_eq!(problem, expected);
    assert_eq!(watch.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_refusal_has_its_status_and_its_code() {
    let quota = Quota::new(1.try_into().unwrap(), Duration::from_millis(1_500));
    let limit = RateLimit::builder(quota).build().unwrap();
    limit.try_acquire().unwrap().success();
    let places = Bulkhead::builder(1).build().unwrap();
    let taken = places.try_acquire().unwrap();
    let timeout = Timeout::builder(Duration::from_millis(10)).build().unwrap();
    let breaker = breaker();
    breaker.force_open();

    async fn both<L>(layer: L) -> [Reply; 2]
    where
        L: Layer<buttress::http::Adapted<Slow>>,
        Responding<L::Service>: Service<Request<()>, Response = Reply, Error = Infallible> + Clone,
    {
        let service = respond(layer).layer(slow());
        let http = service.clone().oneshot(Request::new(())).await;
        let grpc = service.oneshot(grpc(())).await;
        [http.unwrap(), grpc.unwrap()]
    }

    let check = |[http, grpc]: [Reply; 2], status, wait, code, push| {
        assert_eq!(http.status(), status);
        assert_eq!(header(http.headers(), "retry-after"), wait);
        assert_eq!(grpc.status(), 200);
        assert_eq!(
            header(grpc.headers(), "content-type"),
            Some("application/grpc")
        );
        assert_eq!(header(grpc.headers(), "grpc-status"), Some(code));
        assert_eq!(header(grpc.headers(), "grpc-retry-pushback-ms"), push);
        assert!(header(grpc.headers(), "grpc-message").is_some());
        // Or it would not be trailers alone.
        assert!(grpc.body().is_end_stream());
    };
    check(both(limit).await, 429, Some("2"), "8", Some("1500"));
    check(both(places).await, 503, None, "8", None);
    check(both(breaker).await, 503, None, "14", None);
    check(both(timeout).await, 504, None, "4", None);
    drop(taken);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_refusal_passes_as_it_is() {
    let (web, watch) = web();
    let mut service = respond(breaker()).layer(web);
    let response = service
        .ready()
        .await
        .unwrap()
        .call(Request::new(Ask::answer()));
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().into_inner().is_some());
    // The error is the inner service's own, and not ours around it.
    let failed: Failed = service
        .ready()
        .await
        .unwrap()
        .call(Request::new(Ask::fail()))
        .await
        .unwrap_err();
    assert_eq!(failed.to_string(), "the mock failed");
    assert_eq!(watch.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn statuses_are_judged_with_default_settings() {
    let breaker = breaker();
    let broken = service_fn(|_: Request<()>| async {
        let response = Response::builder().status(500).body(Empty::<Bytes>::new());
        Ok::<_, Infallible>(response.unwrap())
    });
    let service = respond(breaker.clone()).layer(broken);
    let first = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(
        (first.status().as_u16(), breaker.snapshot().state),
        (500, State::Open)
    );
    let second = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(second.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_is_no_failure_further_out() {
    let places = Bulkhead::builder(1).build().unwrap();
    let taken = places.try_acquire().unwrap();
    for request in [Request::new(()), grpc(())] {
        let (outer, inner) = (breaker(), respond(places.clone()));
        let service = respond(outer.clone()).layer(inner.layer(slow()));
        let response = service.oneshot(request).await.unwrap();
        let no = response.extensions().get::<Rejected>().unwrap();
        assert_eq!(no.reason(), Reason::Full);
        assert_eq!(outer.snapshot().state, State::Closed);
    }
    drop(taken);
    // But a timeout is one.
    let outer = breaker();
    let timeout = Timeout::builder(Duration::from_secs(1)).build().unwrap();
    let service = respond(outer.clone()).layer(respond(timeout).layer(slow()));
    assert_eq!(
        service.oneshot(Request::new(())).await.unwrap().status(),
        504
    );
    assert_eq!(outer.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn stacks_and_pipelines_and_guards_of_several_work_alike() {
    let request = || Request::new(());
    let stack = ServiceBuilder::new()
        .layer(breaker())
        .layer(Timeout::builder(Duration::from_secs(1)).build().unwrap());
    let response = respond(stack).layer(slow()).oneshot(request()).await;
    assert_eq!(response.unwrap().status(), 504);

    let config = pipeline::Config::standard();
    let pipeline = Resilience::builder().config(config).replay(Never);
    let pipeline = pipeline.build().unwrap();
    let response = respond(pipeline).layer(slow()).oneshot(request()).await;
    assert_eq!(response.unwrap().status(), 504);

    let places = Bulkhead::builder(1).build().unwrap();
    let taken = places.try_acquire().unwrap();
    let several = guard::Guard::all((breaker(), places.clone()));
    let response = respond(several).layer(slow()).oneshot(request()).await;
    assert_eq!(response.unwrap().status(), 503);
    drop(taken);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_ones_own_is_for_http_alone() {
    fn own(rejected: &Rejected) -> Response<Bytes> {
        let body = Bytes::from_static(rejected.reason().as_str().as_bytes());
        Response::builder().status(418).body(body).unwrap()
    }
    let breaker = breaker();
    breaker.force_open();
    // Its type has a name.
    let layer: Respond<CircuitBreaker, Usual> = respond(breaker).with(own);
    assert_eq!(layer.get_ref().name(), "secret");
    let service = layer.layer(web().0);
    let response = service
        .clone()
        .oneshot(Request::new(Ask::answer()))
        .await
        .unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(text(response.into_body()).await, "forced_open");
    let response = service.oneshot(grpc(Ask::answer())).await.unwrap();
    assert_eq!(header(response.headers(), "grpc-status"), Some("14"));
}

#[tokio::test(start_paused = true)]
async fn only_grpc_is_answered_in_its_words() {
    let breaker = breaker();
    breaker.force_open();
    let service = respond(breaker).layer(web().0);
    for (kind, is_grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        let request = Request::builder().header("content-type", kind);
        let response = service
            .clone()
            .oneshot(request.body(Ask::answer()).unwrap());
        let response = response.await.unwrap();
        assert_eq!(
            response.headers().contains_key("grpc-status"),
            is_grpc,
            "{kind}"
        );
        assert_eq!(response.status() == 200, is_grpc, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_tower_is_kept() {
    let (web, watch) = web();
    let breaker = breaker();
    // The panic below is a failure; let it not open the breaker.
    breaker.force_closed();
    let mut service = respond(breaker).layer(web);
    // A clone owns no readiness.
    assert_ready_ok!(poll_ready(&mut service));
    let mut clone = service.clone();
    assert!(panic_of(|| clone.call(Request::new(Ask::answer()))).contains("polled ready"));
    // The instance that was made ready is the one that is called, again and again.
    service.call(Request::new(Ask::answer())).await.unwrap();
    service
        .ready()
        .await
        .unwrap()
        .call(Request::new(Ask::answer()))
        .await
        .unwrap();
    // Not ready is not ready.
    watch.hold_back();
    assert_pending!(poll_ready(&mut service));
    watch.let_go();
    // An error of the inner service in `poll_ready` is its own.
    watch.break_down();
    let failed: Failed = assert_ready_err!(poll_ready(&mut service));
    assert_eq!(failed.to_string(), "the mock failed");
}

/// Refuses in `poll_ready`, as a layer of somebody else's may.
#[derive(Clone)]
struct Early<S>(S, bool);

impl<S: Service<R, Error = Fault<Failed>>, R> Service<R> for Early<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.1 {
            return Poll::Ready(Err(Rejected::new("early", Reason::RateLimited).into()));
        }
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_poll_ready_is_the_answer_of_the_call() {
    let (web, watch) = web();
    let layer = layer_fn(|inner| Early(inner, true));
    let mut service = respond(layer).layer(web);
    for _ in 0..2 {
        assert_ready_ok!(poll_ready(&mut service));
        let response = service.call(Request::new(Ask::answer())).await.unwrap();
        assert_eq!(response.status(), 429);
    }
    // The answer belongs to the instance that was asked, and to its next call.
    assert_ready_ok!(poll_ready(&mut service));
    let mut clone = service.clone();
    assert!(panic_of(|| clone.call(Request::new(Ask::answer()))).contains("polled ready"));
    service.get_mut().1 = false;
    assert_ready_ok!(poll_ready(&mut service));
    let response = service.call(Request::new(Ask::answer())).await.unwrap();
    assert_eq!((response.status().as_u16(), watch.calls()), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_gives_back_all() {
    for polls in 0..4 {
        let places = Bulkhead::builder(1)
            .max_queue(1)
            .max_wait(Duration::from_secs(9))
            .build()
            .unwrap();
        let (web, watch) = web();
        let mut service = respond(places.clone()).layer(web);
        let ready = service.ready().await.unwrap();
        let mut call = spawn(ready.call(Request::new(Ask::answer().after(9))));
        for _ in 0..polls {
            assert_pending!(call.poll());
        }
        assert_eq!(places.snapshot().in_flight, 1);
        // One in the queue, never polled, or polled once.
        let ready = service.ready().await.unwrap();
        let mut queued = spawn(ready.call(Request::new(Ask::answer())));
        if polls % 2 == 1 {
            assert_pending!(queued.poll());
        }
        assert_eq!(places.snapshot().queued, 1);
        drop(queued);
        drop(call);
        let left = places.snapshot();
        assert_eq!((left.in_flight, left.queued), (0, 0), "after {polls} polls");
        assert_eq!(watch.dropped(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_travels_on_and_is_a_failure() {
    let breaker = breaker();
    let mut service = respond(breaker.clone()).layer(web().0);
    let ready = service.ready().await.unwrap();
    let mut call = spawn(ready.call(Request::new(Ask::panic_in_poll())));
    assert!(panic_of(|| call.poll()).contains("panics in poll"));
    drop(call);
    assert_eq!(breaker.snapshot().state, State::Open);
}

#[tokio::test]
async fn a_body_is_passed_on_frame_by_frame_with_its_size() {
    let body = Answer::from(Full::new(Bytes::from_static(b"abc")));
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    assert_eq!(text(body).await, "abc");
    assert!(Answer::from(Empty::<Bytes>::new()).is_end_stream());

    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    let trailed = Full::new(Bytes::new()).with_trailers(async { Some(Ok(trailers)) });
    let collected = Answer::from(trailed).collect().await.unwrap();
    assert_eq!(
        header(collected.trailers().unwrap(), "grpc-status"),
        Some("0")
    );

    let mut ours = Answer::<Empty<Bytes>>::ours(Bytes::from_static(b"no"));
    assert_eq!(ours.size_hint().exact(), Some(2));
    let frame = ours.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "no");
    assert!(ours.is_end_stream() && ours.frame().await.is_none());
    assert_eq!(ours.size_hint().exact(), Some(0));
}

#[test]
fn it_is_sent_and_shared_between_threads() {
    fn check<T: Send + Sync + 'static>(_: &T) {}
    let layer = respond(breaker());
    check(&layer);
    let service = layer.layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    check(&service);
    fn sent<T: Send>(_: T) {}
    let mut service = service;
    sent(service.call(Request::new(())));
}
