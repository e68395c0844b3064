//! Whose a request is: what finds the key for one policy per key. See [`keyed`](crate::keyed).
//!
//! | | finds | of a request without | can a client forge it? |
//! |---|---|---|---|
//! | [`Authority`] | whom it is for: host and port | the empty key | on a server, yes: `Host` is what the client wrote |
//! | [`Route`] | the route that matched | the empty key | no, if your router sets it |
//! | [`Header`] | the value of one header | the empty key | yes, unless something in front has checked it |
//! | [`Peer`] | the address at the other end, IPv6 by /64 | `0.0.0.0` | no; but behind a proxy it is the proxy's |
//! | [`ForwardedFor`] | the address that the outermost of your proxies saw | `0.0.0.0` | no, if the number of proxies is right and there is no way around them |
//!
//! A request that has no key shares one policy with all others that have none: it is not let through
//! unlimited. A key that a client can forge makes a client's own limit worthless, since it takes another name
//! for each call, and takes places from others: there are `max_keys` of them. So on a server limit by [`Peer`]
//! or [`ForwardedFor`], and by [`Header`] only where the value was checked before. On a client,
//! [`Authority`] is your own address and forged by nobody.
//!
//! ```
//! use buttress::{CircuitBreaker, RateLimit, http::keys::{Authority, ForwardedFor}, rate_limit::Quota};
//! use std::num::NonZeroU32;
//!
//! // A server behind one proxy of its own.
//! let limit = RateLimit::builder(Quota::per_second(NonZeroU32::new(50).unwrap())).build()?;
//! let per_client = limit.keyed_by(ForwardedFor::trusting(1)).max_keys(100_000).build()?;
//!
//! // A client that asks many hosts.
//! let per_host = CircuitBreaker::builder().name("hosts").build()?.keyed_by(Authority).build()?;
//! # let _ = (per_client, per_host);
//! # Ok::<(), buttress::InvalidConfig>(())
//! ```
//!
//! What is copied into a key is short: a value of more than 256 bytes, or one that is no text, shares a
//! key with all others like it, and is counted as malformed.

mod address;
mod forwarded;
mod text;

pub use address::{Peer, PeerAddr, network};
pub use forwarded::ForwardedFor;
pub use text::{Authority, Header, MatchedRoute, Route, Text};
