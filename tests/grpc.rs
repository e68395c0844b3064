//! Rejections arrive at callers of tonic with their code, however the policy was put around a client.
#![cfg(feature = "tonic")]

#[path = "support/health.rs"]
mod health;
#[path = "support/rejecting.rs"]
mod rejecting;

use std::{
    future::{Future, pending},
    time::Duration,
};

use buttress::{Adapt, Deadline, grpc, http};
use health::{Answer, Running, Script, ask};
use rejecting::{EXPIRED, FULL, Policy, hasty, narrow, policy, refusing};
use tokio_test::{assert_pending, task};
use tonic::{Response, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tower::{Layer, layer::util::Identity};

/// What one call of a client came to.
type Called = Result<Response<HealthCheckResponse>, Status>;

/// `call` checks once, through the client that it makes of a policy and a channel.
async fn assert_codes<Fut: Future<Output = Called>>(call: impl Fn(Policy, Channel, bool) -> Fut) {
    let script = Script::of(vec![Answer::Hangs; 2]);
    let server = Running::start(Identity::new(), &script);
    let channel = server.channel();
    let fails = async |policy: &Policy, code, message| {
        let called = call(policy.clone(), channel.clone(), false).await;
        let status = called.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message));
    };
    // Those that hang, first.
    for (policy, code, message) in hasty() {
        fails(&policy, code, message).await;
    }
    for (policy, code, message) in refusing().await {
        fails(&policy, code, message).await;
    }
    let full = narrow();
    let mut running = task::spawn(full.call(async |_| pending::<Result<(), ()>>().await));
    assert_pending!(running.poll());
    fails(&full, FULL.0, FULL.1).await;
    drop(running);
    let called = call(full, channel.clone(), false).await;
    called.expect("there is a place again");
}

async fn assert_expires<Fut: Future<Output = Called>>(call: impl Fn(Policy, Channel, bool) -> Fut) {
    let script = Script::default();
    let server = Running::start(Identity::new(), &script);
    let any = policy(|builder| builder.deadline(Duration::from_secs(5)));
    let called = call(any.clone(), server.channel(), false).await;
    called.expect("in time");
    let status = call(any, server.channel(), true).await.unwrap_err();
    assert_eq!((status.code(), status.message()), EXPIRED);
    assert_eq!(script.calls(), 1);
}

/// A request, whose deadline has passed.
fn asked(late: bool) -> tonic::Request<HealthCheckRequest> {
    let mut request = tonic::Request::new(ask());
    if late {
        request
            .extensions_mut()
            .insert(Deadline::after(Duration::ZERO));
    }
    request
}

#[tokio::test]
async fn codes_arrive_through_adapt() {
    let call = async |policy: Policy, channel, late| {
        let mut client = HealthClient::new(policy.layer(Adapt.layer(channel)));
        client.check(asked(late)).await
    };
    assert_codes(call).await;
    assert_expires(call).await;
}

#[tokio::test]
async fn codes_arrive_through_adapt_of_http() {
    let call = async |policy: Policy, channel, late| {
        let mut client = HealthClient::new(policy.layer(http::Adapt.layer(channel)));
        client.check(asked(late)).await
    };
    assert_codes(call).await;
    assert_expires(call).await;
}

#[tokio::test]
async fn codes_arrive_in_responses() {
    let call = async |policy: Policy, channel, late| {
        let mut client = HealthClient::new(http::respond(policy).layer(channel));
        client.check(asked(late)).await
    };
    assert_codes(call).await;
    assert_expires(call).await;
}

#[tokio::test]
async fn codes_arrive_through_a_client_of_ours() {
    let call = async |policy: Policy, channel, late| {
        let mut client = HealthClient::new(grpc::client(policy, channel));
        client.check(asked(late)).await
    };
    assert_codes(call).await;
    assert_expires(call).await;
}

#[tokio::test]
async fn codes_arrive_through_a_generated_client_in_a_call() {
    assert_codes(async |policy, channel, _| {
        let client = HealthClient::new(channel);
        let checked = policy.call_flat(|_| {
            let mut client = client.clone();
            async move { client.check(ask()).await }
        });
        checked.await
    })
    .await;
}

#[tokio::test]
async fn codes_are_found_in_errors_of_calls() {
    assert_codes(async |policy, channel, _| {
        let client = HealthClient::new(channel);
        let checked = policy.call(|_| {
            let mut client = client.clone();
            async move { client.check(ask()).await }
        });
        checked
            .await
            .map_err(|error| Status::from_error(error.into()))
    })
    .await;
}
