//! Keys that are addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    http::head::RequestHead,
    keyed::{Finds, KeyOf},
};

/// The address at the other end of the connection, as your server notes it in the request's extensions: see
/// [`PeerAddr`]. (For axum's own see `axum::keys::Peer`, feature `axum`.)
///
/// An address of IPv6 counts by its first 64 bits, since whoever has one has all 2^64 of them. Requests without
/// share the key `0.0.0.0`. A client cannot forge it. Behind a proxy it is the proxy's, and all clients share its
/// limit: take [`ForwardedFor`](super::ForwardedFor) there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer;

/// In the extensions of a request: the address at the other end of its connection. Put there by your server, when it
/// has accepted the connection.
///
/// ```
/// use buttress::http::keys::PeerAddr;
/// use http::Request;
///
/// # let accepted_from = ([192, 0, 2, 7], 40_000).into();
/// let mut request = Request::get("/members/7").body(())?;
/// request.extensions_mut().insert(PeerAddr(accepted_from));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

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
        network(noted.map(|PeerAddr(peer)| peer.ip()))
    }

    fn is(found: &IpAddr, key: &IpAddr) -> bool {
        found == key
    }

    fn keep(found: IpAddr) -> IpAddr {
        found
    }
}

/// What counts of an address as one client: an address of IPv4, however it is written, and the first half of one
/// of IPv6. None is `0.0.0.0`.
///
/// ```
/// use buttress::http::keys::network;
///
/// let address = "2001:db8:1:2:aaaa:bbbb:cccc:dddd".parse().ok();
/// assert_eq!(network(address).to_string(), "2001:db8:1:2::");
/// assert_eq!(network("::ffff:192.0.2.7".parse().ok()).to_string(), "192.0.2.7");
/// ```
#[must_use]
pub const fn network(address: Option<IpAddr>) -> IpAddr {
    match address {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(address) => match address.to_canonical() {
            IpAddr::V6(v6) => {
                let first_half = u128::MAX << 64;
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & first_half))
            }
            v4 => v4,
        },
    }
}
