//! Deadlines of gRPC: read at a server, written at a client, and one code for all who wait for them.
#![cfg(feature = "tonic")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets keep real time"
)]

#[path = "support/health.rs"]
mod health;

use std::time::{Duration, Instant};

use buttress::{
    Deadline, Resilience,
    backoff::{Backoff, Jitter},
    breaker, grpc,
    header::grpc_timeout,
    http::{self, DeadlineHeader, OnCode},
    retry,
};
use futures::stream::Empty;
use health::{Answer, Running, Script, ask};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tonic::{Code, Response, Status, body::Body, service::Routes, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::{Layer, ServiceBuilder, layer::util::Identity};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

/// A client that tells a server of its deadline and then has all the time in the world, which tonic's has not.
type Patient = Client<HttpConnector, Body>;

fn patient() -> Patient {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(true).build_http()
}

fn patiently(server: &Running) -> HealthClient<Patient> {
    let origin = format!("http://{}", server.address());
    HealthClient::with_origin(patient(), origin.parse().expect("an address"))
}

fn within(timeout: &'static str) -> tonic::Request<HealthCheckRequest> {
    let mut request = tonic::Request::new(ask());
    let timeout = timeout.parse().expect("text");
    request.metadata_mut().insert("grpc-timeout", timeout);
    request
}

#[tokio::test]
async fn a_server_ends_what_the_caller_no_longer_waits_for() {
    let script = Script::of([Answer::Hangs]);
    let policy = Resilience::builder().deadline(LONG).grpc().build();
    let layer = http::respond(policy.expect("valid settings"));
    let server = Running::start(layer, &script);
    let begun = Instant::now();
    let status = patiently(&server).check(within("50m")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "the deadline passed while the call ran");
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG);
    assert_eq!(script.calls(), 1);
}

#[tokio::test]
async fn a_server_with_less_time_than_the_caller_ends_earlier() {
    let script = Script::of([Answer::Hangs]);
    let policy = Resilience::builder().deadline(SHORT).grpc().build();
    let layer = http::respond(policy.expect("valid settings"));
    let server = Running::start(layer, &script);
    let begun = Instant::now();
    let status = patiently(&server).check(within("20S")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG);
}

#[tokio::test]
async fn what_has_expired_never_reaches_the_handler() {
    let script = Script::default();
    let policy = Resilience::builder().grpc().build();
    let layer = http::respond(policy.expect("valid settings"));
    let server = Running::start(layer, &script);
    let status = patiently(&server).check(within("0n")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let expired = "the deadline had passed before the call was started";
    assert_eq!((status.message(), script.calls()), (expired, 0));
}

#[tokio::test]
async fn a_malformed_timeout_is_ignored() {
    let script = Script::default();
    let policy = Resilience::builder().grpc().build();
    let layer = http::respond(policy.expect("valid settings"));
    let server = Running::start(layer, &script);
    for timeout in ["soon", "-1S", "123456789S", "1"] {
        patiently(&server)
            .check(within(timeout))
            .await
            .expect(timeout);
    }
    assert_eq!(script.calls(), 4);
}

/// What the server was told, attempt by attempt.
fn told(script: &Script) -> Vec<Duration> {
    let headers = script.header("grpc-timeout").into_iter();
    let read = |value: Option<String>| grpc_timeout(&value.expect("it is there"));
    headers
        .map(|value| read(value).expect("well formed"))
        .collect()
}

#[tokio::test]
async fn a_server_is_told_what_is_left_with_every_attempt() {
    let away = Answer::Fails(Status::unavailable("restarting"));
    let script = Script::of(vec![away; 2]);
    let server = Running::start(Identity::new(), &script);
    let pause = Duration::from_millis(30);
    let mut config = retry::Config::default();
    config.backoff = Backoff::constant(pause).jitter(Jitter::None);
    let policy = Resilience::builder().retry(config).deadline(LONG).grpc();
    let policy = policy.build().expect("valid settings");
    let mut client = HealthClient::new(grpc::client(policy, server.channel()));
    client.check(ask()).await.expect("the third");
    let told = told(&script);
    assert!(told[0] <= LONG && told[0] >= LONG / 2, "{told:?}");
    assert!(told[1] <= told[0] - pause, "{told:?}");
    assert!(told[2] <= told[1] - pause, "{told:?}");
}

#[tokio::test]
async fn the_shortest_of_all_times_is_told() {
    let script = Script::default();
    let server = Running::start(Identity::new(), &script);
    let policy = Resilience::builder()
        .deadline(LONG)
        .attempt_timeout(LONG / 2);
    let policy = policy.grpc().build().expect("valid settings");
    let mut client = HealthClient::new(grpc::client(policy, server.channel()));
    client.check(ask()).await.expect("all is well");
    let mut request = tonic::Request::new(ask());
    request.set_timeout(LONG / 4);
    client.check(request).await.expect("all is well");
    let mut request = tonic::Request::new(ask());
    request.set_timeout(LONG * 4);
    client.check(request).await.expect("all is well");
    let told = told(&script);
    for (told, most) in told.into_iter().zip([LONG / 2, LONG / 4, LONG / 2]) {
        assert!(told <= most && told > most / 2, "{told:?} of {most:?}");
    }
}

/// Serves by asking another server.
struct Relay(HealthClient<grpc::Client<Channel>>);

#[tonic::async_trait]
impl Health for Relay {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let mut onward = tonic::Request::new(ask());
        if let Some(deadline) = request.extensions().get::<Deadline>() {
            onward.extensions_mut().insert(*deadline);
        }
        self.0.clone().check(onward).await
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("a relay only checks"))
    }
}

#[tokio::test]
async fn a_deadline_travels_through_a_server_to_the_next() {
    let script = Script::default();
    let last = Running::start(Identity::new(), &script);
    let policy = || Resilience::builder().deadline(LONG).grpc().build();
    let policy = || policy().expect("valid settings");
    let client = HealthClient::new(grpc::client(policy(), last.channel()));
    let layer = ServiceBuilder::new()
        .layer(http::arrive(DeadlineHeader::GRPC))
        .layer(http::respond(policy()));
    let routes = Routes::new(HealthServer::new(Relay(client)));
    let first = Running::serve(layer.into_inner(), routes);
    let mut client = HealthClient::new(first.channel());
    client.check(within("10S")).await.expect("all is well");
    client.check(ask()).await.expect("all is well");
    let told = told(&script);
    let ten = Duration::from_secs(10);
    assert!(told[0] < ten && told[0] > ten / 2, "{told:?}");
    assert!(told[1] <= LONG && told[1] > ten, "{told:?}");
}

/// Pipeline, channel and server wait for the same moment.
#[tokio::test]
async fn whoever_notices_first_it_is_deadline_exceeded_and_a_failure() {
    const CALLS: u32 = 25;
    let script = Script::of(vec![Answer::Hangs; 2 * CALLS as usize]);
    let server = Running::start(Identity::new(), &script);
    let time = Duration::from_millis(20);
    for by_deadline in [true, false] {
        let builder = Resilience::builder().retry(retry::Config::default());
        let mut config = breaker::Config::default();
        config.min_calls = 1_000;
        let builder = builder.breaker(config);
        let builder = match by_deadline {
            true => builder.deadline(time),
            false => builder.attempt_timeout(time),
        };
        let policy = builder.grpc().build().expect("valid settings");
        let mut client = HealthClient::new(grpc::client(policy.clone(), server.channel()));
        let arrived = script.calls();
        for _ in 0..CALLS {
            let status = client.check(ask()).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        }
        // Each once, though it may be retried.
        let breaker = policy.snapshot().breaker.expect("it has one");
        assert_eq!(
            (breaker.calls, breaker.failed),
            (CALLS.into(), CALLS.into())
        );
        assert!(script.calls() <= arrived + CALLS as usize);
    }
}

#[tokio::test]
async fn attempts_that_ran_out_of_time_are_made_again_where_every_method_can_be() {
    let script = Script::of([Answer::Hangs]);
    let server = Running::start(Identity::new(), &script);
    let policy = Resilience::builder()
        .retry(retry::Config::default())
        .attempt_timeout(SHORT)
        .grpc()
        .classify(OnCode::new().retried([4]))
        .build()
        .expect("valid settings");
    let mut client = HealthClient::new(grpc::client(policy, server.channel()));
    client.check(ask()).await.expect("the second");
    assert_eq!(script.calls(), 2);
}

/// What a server of tonic says without us, to a client that is none of tonic's.
#[tokio::test]
async fn a_server_of_tonic_alone_is_corrected() {
    let script = Script::of(vec![Answer::Hangs; 2]);
    let server = Running::start(Identity::new(), &script);
    let status = patiently(&server).check(within("50m")).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
    let origin = format!("http://{}", server.address());
    let corrected = grpc::Correct.layer(patient());
    let mut client = HealthClient::with_origin(corrected, origin.parse().unwrap());
    let status = client.check(within("50m")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "Timeout expired");
    client.check(ask()).await.expect("all else is passed on");
}

/// What a channel of tonic says without us.
#[tokio::test]
async fn a_channel_of_tonic_alone_is_corrected() {
    let script = Script::of(vec![Answer::Hangs; 2]);
    let server = Running::start(Identity::new(), &script);
    let channel = server.endpoint().timeout(SHORT).connect_lazy();
    let status = HealthClient::new(channel.clone()).check(ask()).await;
    assert_eq!(status.unwrap_err().code(), Code::Cancelled);
    let mut client = HealthClient::new(grpc::Correct.layer(channel));
    let status = client.check(ask()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    client.check(ask()).await.expect("all else is passed on");
}
