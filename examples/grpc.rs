//! A client and a server of tonic, each behind a pipeline.
//!
//! ```text
//! cargo run --example grpc --features tonic
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example takes the time of its calls"
)]

use std::{num::NonZeroU32, time::Instant};

use buttress::{Resilience, grpc, http::respond, pipeline::Config, rate_limit::Quota};
use tokio::net::TcpListener;
use tonic::{
    Status,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};

/// What calls the members service.
#[derive(Clone)]
struct Members {
    health: HealthClient<grpc::Client<Channel>>,
}

impl Members {
    fn new(channel: Channel) -> Result<Self, buttress::InvalidConfig> {
        let mut config = Config::standard();
        // A call lasts until its stream has been read: callers who take their time are no slow server.
        config.breaker.get_or_insert_default().slow_call_duration = None;
        let policy = Resilience::builder()
            .name("members")
            .config(config)
            .grpc()
            .build()?;
        let health = HealthClient::new(grpc::client(policy, channel));
        Ok(Self { health })
    }

    async fn check(&mut self) -> Result<String, Status> {
        let request = HealthCheckRequest::default();
        let response = self.health.check(request).await?.into_inner();
        Ok(format!("{:?}", response.status()))
    }
}

/// Serves ten calls a second, of which two may come at once.
async fn serve(listener: TcpListener) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let calls = |n| NonZeroU32::new(n).expect("some");
    let quota = Quota::per_second(calls(10)).burst(calls(2));
    let policy = Resilience::builder()
        .name("server")
        .bulkhead(64)
        .rate_limit(quota)
        .grpc()
        .build()?;
    let (_, health) = health_reporter();
    let server = Server::builder().layer(respond(policy)).add_service(health);
    Ok(server
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener));

    let begun = Instant::now();
    let mut members = Members::new(Endpoint::from_shared(address)?.connect_lazy())?;
    // The server says when it has time again, and the client comes then.
    for n in 1..=5 {
        let status = members.check().await?;
        println!(
            "check {n}: {status} after {} ms",
            begun.elapsed().as_millis()
        );
    }

    // Where nobody serves: the breaker has had enough of it before we have.
    let mut members = Members::new(Endpoint::from_static("http://127.0.0.1:1").connect_lazy())?;
    for n in 1..=10 {
        if let Err(status) = members.check().await {
            println!(
                "nobody there, {n}: {:?}: {}",
                status.code(),
                status.message()
            );
        }
    }
    Ok(())
}
