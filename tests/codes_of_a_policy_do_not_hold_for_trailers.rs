//! A gRPC client whose policy has codes of its own judged only heads by them: what stood in trailers was judged by
//! the usual ones, and there was no way to say otherwise.
#![cfg(feature = "tonic")]

#[path = "support/health.rs"]
mod health;

use buttress::{
    CircuitBreaker, grpc,
    http::{AfterBody, OnCode},
};
use health::{Answer, Running, Script, ask};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::health_client::HealthClient;
use tower::layer::util::Identity;

#[tokio::test]
async fn trailers_are_judged_by_codes_of_ones_own() {
    let strict = OnCode::new().failures([8]);
    let endings = [AfterBody::new(), AfterBody::new().codes(strict)];
    for (ending, failed) in endings.into_iter().zip(1..) {
        let busy = || Status::resource_exhausted("busy");
        let answers = [Answer::Fails(busy()), Answer::Breaks(busy())];
        let server = Running::start(Identity::new(), &Script::of(answers));
        let breaker = CircuitBreaker::builder().classify(strict).build();
        let breaker = breaker.expect("valid settings");
        let client = grpc::client_with(breaker.clone(), ending, server.channel());
        let mut client = HealthClient::new(client);

        let status = client.check(ask()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let mut messages = client.watch(ask()).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let seen = breaker.snapshot();
        assert_eq!((seen.calls, seen.failed), (2, failed));
    }
}

/// Its type is that of the other.
#[tokio::test]
async fn it_fits_into_the_same_field() {
    let policy = || buttress::Resilience::builder().grpc().build().unwrap();
    let channel = || Endpoint::from_static("http://[::1]:1").connect_lazy();
    let clients: [grpc::Client<Channel>; 2] = [
        grpc::client(policy(), channel()),
        grpc::client_with(policy(), AfterBody::new(), channel()),
    ];
    for client in clients {
        let status = HealthClient::new(client).check(ask()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }
}
