//! Calls of gRPC that are made again: unary ones whose server was away, as early as it wants them.
#![cfg(feature = "tonic")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets keep real time"
)]

#[path = "support/health.rs"]
mod health;

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use buttress::{
    Resilience,
    backoff::Backoff,
    grpc, hedge,
    http::{Buffered, OnCode, respond},
    pipeline::Builder,
    rate_limit::Quota,
    retry,
};
use health::{Answer, Running, Script, ask, routes};
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::layer::util::Identity;

/// Tries three times, at once.
fn eager() -> Builder {
    let mut config = retry::Config::default();
    config.backoff = Backoff::none();
    Resilience::builder().retry(config)
}

fn away() -> Status {
    Status::unavailable("restarting")
}

fn pushing(mut status: Status, millis: &'static str) -> Answer {
    let value = MetadataValue::from_static(millis);
    status
        .metadata_mut()
        .insert("grpc-retry-pushback-ms", value);
    Answer::Fails(status)
}

macro_rules! client {
    ($policy:expr, $channel:expr) => {
        HealthClient::new(grpc::client($policy, $channel))
    };
}

#[tokio::test]
async fn a_unary_call_is_made_again_after_unavailable() {
    let script = Script::of(vec![Answer::Fails(away()); 2]);
    let server = Running::start(Identity::new(), &script);
    let policy = eager().grpc().build().expect("valid settings");
    let mut client = client!(policy, server.channel());
    let request = HealthCheckRequest {
        service: "members".into(),
    };
    client.check(request).await.expect("the third");
    assert_eq!(script.asked(), ["members"; 3]);
}

#[tokio::test]
async fn a_unary_call_is_made_again_around_a_generated_client() {
    let script = Script::of(vec![Answer::Fails(away()); 2]);
    let server = Running::start(Identity::new(), &script);
    let policy = eager().build().expect("valid settings");
    let client = HealthClient::new(server.channel());
    let checked = policy.call_flat(|_| {
        let mut client = client.clone();
        async move { client.check(ask()).await }
    });
    checked.await.expect("the third");
    assert_eq!(script.calls(), 3);
}

#[tokio::test]
async fn the_last_answer_stands() {
    let script = Script::of(vec![Answer::Fails(away()); 9]);
    let server = Running::start(Identity::new(), &script);
    let policy = eager().grpc().build().expect("valid settings");
    let mut client = client!(policy, server.channel());
    let status = client.check(ask()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "restarting")
    );
    assert_eq!(script.calls(), 3);
}

#[tokio::test]
async fn only_unavailable_is_asked_again() {
    for code in (1..=16)
        .map(Code::from)
        .filter(|code| *code != Code::Unavailable)
    {
        let script = Script::of([Answer::Fails(Status::new(code, "said"))]);
        let server = Running::start(Identity::new(), &script);
        let policy = eager().grpc().build().expect("valid settings");
        let mut client = client!(policy, server.channel());
        let status = client.check(ask()).await.unwrap_err();
        assert_eq!((status.code(), script.calls()), (code, 1));
    }
}

/// One layer for both sides, when the server refuses.
#[tokio::test]
async fn a_server_that_is_full_for_now_is_asked_again_when_it_says() {
    let quota = Quota::new(NonZeroU32::MIN, Duration::from_millis(150));
    let policy = Resilience::builder().rate_limit(quota).grpc();
    let layer = respond(policy.build().expect("valid settings"));
    let script = Script::default();
    let server = Running::start(layer, &script);
    let policy = eager().grpc().build().expect("valid settings");
    let mut client = client!(policy, server.channel());
    let begun = Instant::now();
    for _ in 0..3 {
        client.check(ask()).await.expect("in turn");
    }
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(script.calls(), 3);
}

#[tokio::test]
async fn pushback_is_obeyed() {
    for status in [away(), Status::resource_exhausted("busy")] {
        let script = Script::of([pushing(status, "200")]);
        let server = Running::start(Identity::new(), &script);
        let policy = eager().grpc().build().expect("valid settings");
        let mut client = client!(policy, server.channel());
        let begun = Instant::now();
        client.check(ask()).await.expect("the second");
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert_eq!(script.calls(), 2);
    }
}

#[tokio::test]
async fn negative_pushback_stops() {
    for millis in ["-1", "soon"] {
        let script = Script::of([pushing(away(), millis)]);
        let server = Running::start(Identity::new(), &script);
        let policy = eager().grpc().build().expect("valid settings");
        let mut client = client!(policy, server.channel());
        let status = client.check(ask()).await.unwrap_err();
        assert_eq!((status.code(), script.calls()), (Code::Unavailable, 1));
        // And around a generated client.
        let script = Script::of([pushing(away(), millis)]);
        let server = Running::start(Identity::new(), &script);
        let client = HealthClient::new(server.channel());
        let policy = eager().build().expect("valid settings");
        let checked = policy.call_flat(|_| {
            let mut client = client.clone();
            async move { client.check(ask()).await }
        });
        assert_eq!(checked.await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(script.calls(), 1);
    }
}

#[tokio::test]
async fn a_message_beyond_the_cap_is_sent_once() {
    // Five bytes before the message, two at its beginning.
    for (length, calls) in [(57, 3), (58, 1)] {
        let script = Script::of(vec![Answer::Fails(away()); 9]);
        let server = Running::start(Identity::new(), &script);
        let policy = eager().classify(OnCode::new()).replay(Buffered::new(64));
        let policy = policy.build().expect("valid settings");
        let mut client = client!(policy, server.channel());
        let request = HealthCheckRequest {
            service: "x".repeat(length),
        };
        let status = client.check(request).await.unwrap_err();
        assert_eq!((status.code(), script.calls()), (Code::Unavailable, calls));
    }
}

#[tokio::test]
async fn a_call_that_hangs_is_hedged() {
    let script = Script::of([Answer::Hangs]);
    let server = Running::start(Identity::new(), &script);
    let hedge = hedge::Config::new(Duration::from_millis(50));
    let policy = Resilience::builder().hedge(hedge).grpc();
    let policy = policy.build().expect("valid settings");
    let mut client = client!(policy, server.channel());
    client.check(ask()).await.expect("the second");
    assert_eq!(script.calls(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_asked_again() {
    let script = Script::default();
    let server = Running::start(Identity::new(), &script);
    let (address, channel) = (server.address(), server.channel());
    drop(server);
    let mut config = retry::Config::default();
    config.max_attempts = 50;
    config.backoff = Backoff::constant(Duration::from_millis(20));
    let policy = Resilience::builder().retry(config).grpc();
    let policy = policy.build().expect("valid settings");
    let mut client = client!(policy, channel);
    let later = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        Running::at(address, Identity::new(), routes(&script))
    };
    let (checked, _server) = tokio::join!(client.check(ask()), later);
    checked.expect("at last");
    assert_eq!(script.calls(), 1);
}
