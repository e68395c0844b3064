//! An axum server whose routes are protected, each as it needs. Run it and ask it:
//!
//! ```text
//! cargo run --example axum --features axum
//! curl -i http://127.0.0.1:3000/members/7
//! ```
use std::{error::Error, net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use buttress::{
    Bulkhead, CircuitBreaker, RateLimit, Timeout,
    axum::keys::Peer,
    http::{DeadlineHeader, InExtensions, arrive, respond},
    rate_limit::Quota,
};
use tower::ServiceBuilder;

async fn member(Path(id): Path<u64>) -> Result<String, StatusCode> {
    // A handler that answers 500 is a failure for the breaker around it.
    (id != 13)
        .then(|| format!("member {id}\n"))
        .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn report() -> &'static str {
    tokio::time::sleep(Duration::from_secs(1)).await;
    "everything is fine\n"
}

fn app() -> Result<Router, buttress::InvalidConfig> {
    // One value, one state: both routes of the members share the breaker.
    let breaker = CircuitBreaker::builder().name("members").build()?;

    // The same settings with a state of its own for each route: reports never take the members' places.
    let places = Bulkhead::builder(64).name("members").build()?;
    let few = Bulkhead::builder(2)
        .name("reports")
        .max_queue(8)
        .max_wait(Duration::from_secs(2));
    let reports = ServiceBuilder::new()
        .layer(breaker.fork("reports"))
        .layer(few.build()?.deadline(InExtensions))
        // Or earlier, if the caller will not wait that long.
        .layer(
            Timeout::builder(Duration::from_secs(5))
                .deadline(InExtensions)
                .build()?,
        );

    // For each client: 50 requests a second.
    let quota = Quota::per_second(NonZeroU32::new(50).expect("it is not 0"));
    let per_client = RateLimit::builder(quota)
        .name("clients")
        .build()?
        .keyed_by(Peer)
        .build()?;

    Ok(Router::new()
        .route("/members/{id}", get(member).layer(respond(places)))
        .route("/members", get(|| async { "all of them\n" }))
        .route_layer(respond(breaker))
        .route("/report", get(report).layer(respond(reports)))
        // Outermost: what is refused here takes nothing of the routes.
        .layer(respond(per_client))
        // Notes once how long the caller will wait.
        .layer(arrive(DeadlineHeader::ENVOY)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // With the peers' addresses, by which clients are told apart.
    let app = app()?.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
