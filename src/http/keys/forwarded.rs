//! Addresses that proxies tell of.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
};

use super::address::network;
use crate::{
    header::Malformed,
    http::head::RequestHead,
    keyed::{Finds, KeyOf},
    telemetry::ignore_malformed,
};

/// The address in `X-Forwarded-For` that the outermost of your own proxies saw.
///
/// Each proxy appends whom it was asked by, so the last entry is of the innermost proxy, and the n-th from the
/// right of the outermost of n. What stands further left is whatever the client wrote, and is not looked at.
/// Entries in several lines count as in one. An address of IPv6 counts by its first 64 bits; a port is left out.
///
/// A request with fewer entries came by another way, and shares the key `0.0.0.0` with all such; and so does one
/// whose entry is no address, which is counted as malformed.
///
/// A client cannot forge it if the number is right and nobody gets around the proxies. With a number
/// that is too large, the client chooses its key; with one that is too small, all clients share that of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardedFor {
    proxies: NonZeroUsize,
}

impl ForwardedFor {
    /// Through so many proxies of your own.
    ///
    /// # Panics
    ///
    /// When it is none: then it is [`Peer`](super::Peer) that says who asks.
    #[must_use]
    pub const fn trusting(proxies: usize) -> Self {
        match NonZeroUsize::new(proxies) {
            Some(proxies) => Self { proxies },
            None => panic!("0 proxies: must be 1 or more"),
        }
    }

    fn entry(self, request: &impl RequestHead) -> Option<&[u8]> {
        let lines = request.headers().get_all(NAME).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        // Empty entries count for nothing (RFC 9110, 5.6.1.2).
        let entries = entries.map(<[u8]>::trim_ascii);
        let mut entries = entries.filter(|entry| !entry.is_empty());
        entries.nth(self.proxies.get() - 1)
    }
}

const NAME: &str = "x-forwarded-for";

/// An address, with or without a port, in brackets or not.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(v6) = bare {
        return v6.parse().ok().map(IpAddr::V6);
    }
    let ip = text.parse::<IpAddr>();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    ip.or_else(|_| with_port()).ok()
}

impl Finds for ForwardedFor {
    type Key = IpAddr;
}

impl<R: RequestHead> KeyOf<R, IpAddr> for ForwardedFor {
    type Found<'r>
        = IpAddr
    where
        R: 'r;

    fn find(&self, request: &R) -> IpAddr {
        let read = self.entry(request).map(|entry| {
            let malformed = Malformed::new(NAME);
            address(entry).ok_or(malformed)
        });
        network(read.and_then(ignore_malformed))
    }

    fn is(found: &IpAddr, key: &IpAddr) -> bool {
        found == key
    }

    fn keep(found: IpAddr) -> IpAddr {
        found
    }
}
