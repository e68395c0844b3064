//! The door of a shop, at which every client has a quota of its own. This is a file to copy from.

use std::convert::Infallible;
use std::num::NonZeroU32;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use buttress::rate_limit::Quota;
use buttress::{Adapt, Error, InvalidConfig, RateLimit};
use tower::ServiceBuilder;

/// Calls per second that a client may make. What all ten may make is just what the shop can do.
pub const QUOTA: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// At once, after a pause: room for clients that come a little unevenly, and for little more.
pub const BURST: u32 = 10;

/// Who is calling. A real shop takes this from a key that it has checked, not from whatever comes.
pub const CLIENT: &str = "x-client";

/// Puts the quotas before an app. A limiter alone and no `Resilience`: a door has no dependency to
/// break, to retry or to wait for, and there is to be one limiter for each client.
pub fn with_quotas(app: Router) -> Result<Router, InvalidConfig> {
    let limit = RateLimit::builder(Quota::per_second(QUOTA))
        .name("client")
        .burst(BURST);
    // Made-up names cost the memory of so many and no more: those beyond share one quota.
    let per_client = limit.build()?.keyed_ref(client).max_keys(1_000).build()?;
    let door = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(turned_away))
        .layer(per_client)
        .layer(Adapt);
    Ok(app.layer(door))
}

/// All who do not say it are one client.
fn client(request: &Request) -> &str {
    let client = request.headers().get(CLIENT);
    let client = client.and_then(|client| client.to_str().ok());
    client.unwrap_or_default()
}

/// A client over its quota is told when to come again.
async fn turned_away(error: Error<Infallible>) -> Response {
    let no = match error {
        Error::Rejected(no) => no,
        Error::Inner(never) => match never {},
    };
    // The header knows whole seconds only: never earlier than is true.
    let seconds = no
        .retry_after()
        .map_or(1, |after| after.as_secs_f64().ceil() as u64);
    let after = [(header::RETRY_AFTER, seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, after, no.to_string()).into_response()
}
