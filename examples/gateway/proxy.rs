//! What becomes of a request.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, Response};

use crate::headers::refuse_upgrade;
use crate::live::Live;
use crate::refusal::Refusal;

/// Answers one request. The order of its lines is the order of what is taken from whom: nobody unknown uses a
/// client's limit up, no client beyond its limit takes a place at an upstream.
pub async fn forward(
    State(live): State<Live>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Result<Response<Body>, Refusal> {
    // A request stays with the table that it has met.
    let table = live.table();
    refuse_upgrade(&request)?;
    let route = table.route(request.method(), request.uri().path())?;
    table.headers.strip(request.headers_mut());
    let client = table.authenticate(&mut request, peer.ip())?;
    route.admit(&client)?;
    let (mut head, body) = request.into_parts();
    table.headers.request(&mut head, peer);
    // What the server has noted there is of this connection, and of no use at the next.
    head.extensions = Extensions::new();
    let mut response = route
        .upstream
        .send(&client, Request::from_parts(head, body.into()))
        .await?;
    let version = response.version();
    table.headers.response(response.headers_mut(), version);
    Ok(response)
}
