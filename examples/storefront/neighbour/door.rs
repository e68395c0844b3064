//! The door of a shop, at which every client has a quota of its own. This is a file to copy from.

use std::num::NonZeroU32;

use axum::Router;
use buttress::http::{keys::Header, respond};
use buttress::rate_limit::Quota;
use buttress::{InvalidConfig, RateLimit};

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
    // Made-up names cost the memory of so many and no more: those beyond share one quota. All who give none
    // are one client.
    let per_client = limit
        .build()?
        .keyed_by(Header::named(CLIENT))
        .max_keys(1_000);
    // A client over its quota is told when to come again.
    Ok(app.layer(respond(per_client.build()?)))
}
