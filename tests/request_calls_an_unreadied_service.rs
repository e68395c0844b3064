//! `request` called a clone of its service that nobody had made ready: one with a limit of tower's panicked, and
//! others broke their own.
#![cfg(feature = "http")]

use std::{convert::Infallible, time::Duration};

use buttress::{
    Error, Reason, Resilience, breaker,
    pipeline::{Config, Resilient},
    retry,
};
use http::{Request, Response};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceBuilder, service_fn, util::BoxCloneSyncService};

type Web = BoxCloneSyncService<Request<()>, Response<()>, Infallible>;

/// Answers after a second with the status that its path says, one request after the other.
fn web() -> Web {
    let service = service_fn(|request: Request<()>| async move {
        sleep(Duration::from_secs(1)).await;
        let status = request.uri().path().trim_start_matches('/').parse::<u16>();
        let mut response = Response::new(());
        *response.status_mut() = status.expect("digits").try_into().expect("a status");
        Ok(response)
    });
    let limited = ServiceBuilder::new().concurrency_limit(1).service(service);
    BoxCloneSyncService::new(limited)
}

fn request(path: &str) -> Request<()> {
    Request::get(path).body(()).expect("a path")
}

fn members(attempt_timeout: Duration, retried: bool) -> Resilient<Web> {
    let mut config = Config::default();
    config.attempt_timeout = Some(attempt_timeout);
    config.retry = retried.then(retry::Config::default);
    config.breaker = Some(breaker::Config::default());
    let policy = Resilience::builder().config(config).build();
    policy.expect("valid settings").layer(web())
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_waits_until_the_service_is_ready() {
    let members = members(Duration::from_secs(10), false);
    let (first, second) = tokio::join!(
        members.request(request("/200")),
        members.request(request("/204"))
    );
    assert_eq!(first.expect("it answers").status(), 200);
    assert_eq!(second.expect("it answers").status(), 204);
}

#[tokio::test(start_paused = true)]
async fn later_attempts_do_as_well() {
    let members = members(Duration::from_secs(10), true);
    let response = members.request(request("/503")).await;
    assert_eq!(response.expect("it answers").status(), 503);
    let seen = members.resilience().snapshot().breaker.expect("it has one");
    assert_eq!((seen.calls, seen.failed), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn the_wait_belongs_to_the_attempt() {
    let members = members(Duration::from_millis(1_500), false);
    let (first, second) = tokio::join!(
        members.request(request("/200")),
        members.request(request("/200"))
    );
    first.expect("it answers");
    let Err(Error::Rejected(no)) = second else {
        panic!("it had half a second");
    };
    assert_eq!(no.reason(), Reason::TimedOut);
    // It has given its place back.
    let third = members.request(request("/200")).await;
    third.expect("it answers");
}

/// Is never ready.
#[derive(Clone)]
struct Broken;

impl Service<Request<()>> for Broken {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), &'static str>> {
        std::task::Poll::Ready(Err("it is broken"))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("it was not ready");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_become_ready_is_the_error_of_the_attempt() {
    let members = Resilience::standard().layer(Broken);
    let failed = members.request(request("/200")).await;
    assert_eq!(
        failed.expect_err("it is broken").inner(),
        Some(&"it is broken")
    );
    let seen = members.resilience().snapshot().breaker.expect("it has one");
    assert_eq!((seen.calls, seen.failed), (3, 3));
}
