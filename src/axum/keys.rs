//! Whose a request is, as axum notes it. See [`http::keys`](crate::http::keys).

use std::net::{IpAddr, SocketAddr};

use ::axum::extract::{ConnectInfo, MatchedPath};

use crate::{
    http::{
        RequestHead,
        keys::{Text, network},
    },
    keyed::{Finds, KeyOf},
    sys::Arc,
};

/// The route that matched ([`MatchedPath`]): the pattern and not the path.
///
/// Requests without, those of a fallback, share the empty key. A client cannot forge it.
///
/// ```
/// use axum::{Router, routing::get};
/// use buttress::{Bulkhead, axum::keys::Route, http::respond};
///
/// // Eight calls at a time, of each route.
/// let places = Bulkhead::builder(8).build()?.keyed_by(Route).build()?;
/// let app: Router = Router::new()
///     .route("/members/{id}", get(|| async { "one" }))
///     .route("/members", get(|| async { "all" }))
///     .route_layer(respond(places));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route;

impl Finds for Route {
    type Key = Arc<str>;
}

impl<R: RequestHead> KeyOf<R, Arc<str>> for Route {
    type Found<'r>
        = Text<'r>
    where
        R: 'r;

    fn find<'r>(&self, request: &'r R) -> Text<'r> {
        let noted = request.extensions().and_then(|noted| noted.get());
        Text::new(noted.map(MatchedPath::as_str))
    }

    fn is(found: &Text<'_>, key: &Arc<str>) -> bool {
        found.is(key)
    }

    fn keep(found: Text<'_>) -> Arc<str> {
        found.keep()
    }
}

/// The address at the other end of the connection ([`ConnectInfo<SocketAddr>`](ConnectInfo)): serve the router by
/// `into_make_service_with_connect_info::<SocketAddr>()`.
///
/// An address of IPv6 counts by its first 64 bits. Requests without share the key `0.0.0.0`: without that way to serve,
/// all of them. A client cannot forge it; behind a proxy it is the proxy's, and
/// [`ForwardedFor`](crate::http::keys::ForwardedFor) is right.
///
/// ```
/// use axum::{Router, routing::get};
/// use buttress::{RateLimit, axum::keys::Peer, http::respond, rate_limit::Quota};
/// use std::{net::SocketAddr, num::NonZeroU32};
///
/// let limit = RateLimit::builder(Quota::per_second(NonZeroU32::new(50).unwrap())).build()?;
/// let app = Router::new()
///     .route("/members", get(|| async { "all" }))
///     .layer(respond(limit.keyed_by(Peer).build()?))
///     .into_make_service_with_connect_info::<SocketAddr>();
/// # let _ = app;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer;

impl Finds for Peer {
    type Key = IpAddr;
}

impl<R: RequestHead> KeyOf<R, IpAddr> for Peer {
    type Found<'r>
        = IpAddr
    where
        R: 'r;

    fn find(&self, request: &R) -> IpAddr {
        let noted = request.extensions().and_then(|noted| noted.get());
        network(noted.map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip()))
    }

    fn is(found: &IpAddr, key: &IpAddr) -> bool {
        found == key
    }

    fn keep(found: IpAddr) -> IpAddr {
        found
    }
}
