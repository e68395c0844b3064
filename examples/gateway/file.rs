//! What stands in the file, and what can be wrong with it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderName, Method};
use buttress::{
    Bulkhead, InvalidConfig, RateLimit, bulkhead, document::Document, pipeline, rate_limit,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::paths;

#[derive(Debug, Deserialize)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub name: String,
    #[serde(deserialize_with = "parsed")]
    pub deadline_header: HeaderName,
    #[serde(default)]
    pub trust_forwarded: bool,
    pub clients: Option<Clients>,
    pub routes: Vec<Route>,
    pub upstreams: BTreeMap<String, Upstream>,
    /// All the rest: `base` and `policies`. It knows no other names, so nothing in the file is ignored.
    #[serde(flatten)]
    policies: Document,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    #[serde(deserialize_with = "parsed")]
    pub header: HeaderName,
    #[serde(deserialize_with = "parsed")]
    pub identity: HeaderName,
    /// Who has which key.
    pub keys: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub path: String,
    pub upstream: String,
    /// All, if none is named.
    #[serde(default)]
    pub methods: Vec<Verb>,
    pub per_client: Option<rate_limit::Config>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Verb(#[serde(deserialize_with = "parsed")] pub Method);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub addresses: Vec<Address>,
    #[serde(default)]
    pub replay: usize,
    pub per_client: Option<bulkhead::Config>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Address(#[serde(deserialize_with = "parsed")] pub Authority);

impl Settings {
    /// Reads a text. What it says can be put in force without a fault: everything is checked here.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let settings: Self = serde_yaml_ng::from_str(text).map_err(|error| {
            // Of a document, each fault has its line.
            error
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })?;
        let faults = settings.faults();
        match faults.is_empty() {
            true => Ok(settings),
            false => Err(faults),
        }
    }

    /// The policy of an upstream.
    pub fn policy(&self, upstream: &str) -> pipeline::Config {
        let policy = self.policies.get(upstream);
        policy.expect("it was checked").clone()
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_token(&self.name) {
            faults.push(format!(
                "name: `{}`: must be letters, digits, `-`, `.` and `_`",
                self.name
            ));
        }
        let keys = self.clients.iter();
        let keys = keys.flat_map(|it| {
            [
                ("clients.header", &it.header),
                ("clients.identity", &it.identity),
            ]
        });
        let named = keys.chain([("deadline_header", &self.deadline_header)]);
        faults.extend(named.filter(|(_, name)| name.as_str().contains('_')).map(
            |(field, name)| {
                format!("{field}: `{name}`: must have no `_`: such headers are dropped")
            },
        ));
        let clients = self
            .clients
            .iter()
            .flat_map(|clients| clients.keys.values());
        faults.extend(clients.filter(|name| !is_token(name)).map(|name| {
            format!("clients.keys: `{name}`: a name must be letters, digits, `-`, `.` and `_`")
        }));
        for (name, upstream) in &self.upstreams {
            let path = format!("upstreams.{name}");
            if self.policies.get(name).is_none() {
                faults.push(format!("{path}: there is no `policies.{name}`"));
            }
            let share = upstream.per_client;
            let share = share.map(|it| Bulkhead::builder(it.max_concurrent).config(it).build());
            faults.extend(broken(&path, share.and_then(Result::err)));
            let addresses: BTreeSet<_> =
                upstream.addresses.iter().map(|it| it.0.as_str()).collect();
            match upstream.addresses.len() {
                0 => faults.push(format!("{path}.addresses: none")),
                n if n > MOST_ADDRESSES => {
                    faults.push(format!("{path}.addresses: {n}: at most {MOST_ADDRESSES}"));
                }
                n if n > addresses.len() => {
                    faults.push(format!("{path}.addresses: one is given twice"));
                }
                _ => {}
            }
        }
        for (n, route) in self.routes.iter().enumerate() {
            let path = format!("routes[{n}]");
            if !self.upstreams.contains_key(&route.upstream) {
                let upstream = &route.upstream;
                faults.push(format!(
                    "{path}.upstream: there is no `upstreams.{upstream}`"
                ));
            }
            let plain = route.path == "/" || !route.path.ends_with('/');
            if !route.path.starts_with('/') || !plain {
                let given = &route.path;
                faults.push(format!(
                    "{path}.path: `{given}`: must begin with a slash, and not end with one"
                ));
            }
            if !matches!(paths::read(&route.path), Ok(Cow::Borrowed(_))) {
                let given = &route.path;
                faults.push(format!(
                    "{path}.path: `{given}`: must be written plainly, without dots, empty parts and escapes of letters"
                ));
            }
            if self.routes[..n].iter().any(|other| other.overlaps(route)) {
                faults.push(format!(
                    "{path}: a route before has this path and method as well"
                ));
            }
            let limit = route
                .per_client
                .clone()
                .map(|limit| RateLimit::builder(limit).build());
            faults.extend(broken(&path, limit.and_then(Result::err)));
        }
        faults
    }
}

/// As many as there are bits to say which of them a request has tried.
pub const MOST_ADDRESSES: usize = 64;

impl Route {
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|verb| verb.0 == method)
    }

    /// Whether this path is the route's, or below it: `/members/7` is below `/members`, `/memberships` is not.
    pub fn leads(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.path.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn overlaps(&self, other: &Self) -> bool {
        let any = |one: &Self, other: &Self| {
            one.methods.is_empty() || one.methods.iter().any(|verb| other.takes(&verb.0))
        };
        self.path == other.path && (any(self, other) || any(other, self))
    }
}

/// Which rules the limit for each client breaks.
fn broken(path: &str, invalid: Option<InvalidConfig>) -> Vec<String> {
    let broken = invalid.iter().flat_map(|it| it.violations());
    let broken =
        broken.map(|it| format!("{path}.per_client.{}: {}: {}", it.field, it.value, it.rule));
    broken.collect()
}

/// What can stand in any header.
fn is_token(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

/// A type that says itself how it is written.
fn parsed<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    text.parse()
        .map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}
