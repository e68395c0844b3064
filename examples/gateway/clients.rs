//! Who a request comes from: the place for your own authentication.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use buttress::http::keys::{ForwardedFor, network};
use buttress::keyed::KeyOf;

use crate::file;
use crate::refusal::Refusal;

/// Who it is, as far as limits are concerned. It has to be something that nobody can make up: each new name
/// starts with a full limit.
pub type Client = Arc<str>;

/// The clients that are known.
pub struct Clients {
    header: HeaderName,
    identity: HeaderName,
    keys: Vec<(String, Client)>,
}

impl Clients {
    pub fn new(settings: &file::Clients) -> Self {
        let keys = settings.keys.iter();
        Self {
            header: settings.header.clone(),
            identity: settings.identity.clone(),
            keys: keys
                .map(|(key, name)| (key.clone(), name.as_str().into()))
                .collect(),
        }
    }

    /// Comes before any limit is taken: whoever is not known uses nothing up.
    ///
    /// This is a sample. Check a signed token here, or ask a service (behind a pipeline of its own, since it
    /// is a dependency like any other). What it finds out is told to the upstream in a header of the gateway's own,
    /// so the upstream must be reached by no other way.
    pub fn authenticate(&self, headers: &mut HeaderMap) -> Result<Client, Refusal> {
        // Removed in any case: it is a secret between the client and the gateway.
        let given = headers.remove(&self.header).ok_or(Refusal::Unknown)?;
        // All are looked at, and all of each, so that the time it takes tells nothing of them.
        let known = self.keys.iter().fold(None, |found, (key, client)| {
            let same = same(key.as_bytes(), given.as_bytes());
            if same { Some(client) } else { found }
        });
        let client = known.ok_or(Refusal::Unknown)?;
        let identity = HeaderValue::from_str(client).expect("names were checked");
        headers.insert(self.identity.clone(), identity);
        Ok(Client::clone(client))
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    let differ = one
        .iter()
        .zip(other)
        .fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && differ == 0
}

/// Where no clients are named, one is the address that it comes from: of IPv6 the network, of which anybody has
/// plenty of addresses.
pub fn by_address(peer: IpAddr) -> Client {
    network(Some(peer)).to_string().into()
}

/// Behind a proxy that is trusted: the address that it saw, which is the last that is told. What stands before it
/// is what the client wrote. Those of whom nothing is told share one name: they came by another way.
pub fn by_forwarded<B>(request: &Request<B>) -> Client {
    ForwardedFor::trusting(1).find(request).to_string().into()
}
