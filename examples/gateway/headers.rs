//! What a proxy adds to a message, and what it takes away.

use std::net::SocketAddr;

use axum::http::header::{self, HOST, VIA};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, request};

use crate::refusal::Refusal;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers for the next hop alone, besides those that `Connection` names (RFC 9110, section 7.6.1).
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What the gateway says of itself, and whom it believes.
pub struct Headers {
    /// Its name in `Via`.
    pub name: String,
    pub trust_forwarded: bool,
}

impl Headers {
    /// Takes from a request what goes no further than here. It comes before all that the gateway adds, or a client
    /// could name that in `Connection` and have it removed.
    pub fn strip(&self, headers: &mut HeaderMap) {
        remove_hop_by_hop(headers);
        let claimed: Vec<_> = headers
            .keys()
            .filter(|it| self.drops(it))
            .cloned()
            .collect();
        for name in &claimed {
            headers.remove(name);
        }
    }

    /// Where variables stand for headers (CGI, WSGI and their like), `X_Client` and `X-Client` are the same.
    fn drops(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        text.contains('_') || !self.trust_forwarded && is_claim(text)
    }

    /// The head of a request for the upstream. `Traceparent` and the like pass: the gateway has no spans
    /// of its own, so it is no link of a trace.
    pub fn request(&self, head: &mut request::Parts, peer: SocketAddr) {
        self.via(&mut head.headers, head.version);
        let headers = &mut head.headers;
        // The server has answered `100-continue` itself, when the body was asked for.
        headers.remove(header::EXPECT);

        // The upstream is asked by its own name, its address; who wants the client's finds it here. (HTTP/2 has
        // the host in its target.)
        let host = headers.remove(HOST);
        let target = head.uri.authority().map(|authority| authority.as_str());
        let host = host.or_else(|| HeaderValue::from_str(target?).ok());
        // Each proxy adds whom it has seen: the last entry is the only one that this gateway vouches for.
        let peer = peer.ip().to_canonical().to_string();
        let addresses = headers.get_all(&FORWARDED_FOR).iter();
        let told = addresses
            .filter_map(|it| it.to_str().ok())
            .chain([peer.as_str()]);
        let told = told.collect::<Vec<_>>().join(", ");
        let told = HeaderValue::try_from(told).expect("header values and an address");
        headers.insert(&FORWARDED_FOR, told);
        // The others tell of the client's own request, so the first proxy's word stands.
        if let Some(host) = host.filter(|_| !headers.contains_key(&FORWARDED_HOST)) {
            headers.insert(&FORWARDED_HOST, host);
        }
        if !headers.contains_key(&FORWARDED_PROTO) {
            headers.insert(&FORWARDED_PROTO, HeaderValue::from_static("http"));
        }
    }

    /// The head of a response for the client.
    pub fn response(&self, headers: &mut HeaderMap, version: Version) {
        remove_hop_by_hop(headers);
        self.via(headers, version);
    }

    /// The version is that of the message as it came.
    fn via(&self, headers: &mut HeaderMap, version: Version) {
        let version = match version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        let via = HeaderValue::try_from(format!("{version} {}", self.name));
        headers.append(VIA, via.expect("its name was checked"));
    }
}

/// Another protocol would be a tunnel past all policies. `h2c` is only an offer, which a server may ignore.
pub fn refuse_upgrade<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut wanted = request.headers().get_all(header::UPGRADE).iter();
    let ignored = wanted.all(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"h2c"));
    match ignored && request.method() != Method::CONNECT {
        true => Ok(()),
        false => Err(Refusal::Upgrade),
    }
}

/// What only a proxy in front could know.
fn is_claim(name: &str) -> bool {
    name.starts_with("x-forwarded") || matches!(name, "forwarded" | "x-real-ip")
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}
