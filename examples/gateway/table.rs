//! What the file becomes: routes and upstreams. Never changed, but replaced as a whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{Method, Request};
use buttress::RateLimit;
use buttress::keyed::{ByCaller, PerKey};
use buttress::rate_limit::Limiter;

use crate::clients::{self, Client, Clients};
use crate::file::{self, Settings};
use crate::headers::Headers;
use crate::paths;
use crate::refusal::Refusal;
use crate::upstream::{Terms, Upstream};

pub struct Table {
    pub headers: Headers,
    clients: Option<Clients>,
    /// The longest path first.
    pub routes: Vec<Route>,
    pub upstreams: BTreeMap<String, Arc<Upstream>>,
}

pub struct Route {
    /// What the file says of it.
    pub rule: file::Route,
    pub upstream: Arc<Upstream>,
    /// One limit for each client.
    pub limit: Option<PerKey<Limiter, String, ByCaller>>,
}

impl Table {
    /// What these settings say. What was in the table before and is still there keeps what it has learned
    /// and counted.
    pub fn new(settings: Settings, before: Option<&Self>, terms: &Terms) -> Self {
        let upstreams: BTreeMap<_, _> = settings
            .upstreams
            .iter()
            .map(|(name, upstream)| {
                let policy = settings.policy(name);
                let before = before.and_then(|it| it.upstreams.get(name));
                let upstream = Upstream::new(name, upstream, policy, before.map(|it| &**it), terms);
                (name.clone(), Arc::new(upstream))
            })
            .collect();
        let known = before.map_or(&[][..], |before| &before.routes);
        let mut routes: Vec<_> = settings
            .routes
            .into_iter()
            .map(|rule| Route {
                upstream: Arc::clone(&upstreams[&rule.upstream]),
                limit: limit(&rule, known).filter(|_| !terms.bare),
                rule,
            })
            .collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.rule.path.len()));
        Self {
            headers: Headers {
                name: settings.name,
                trust_forwarded: settings.trust_forwarded,
            },
            clients: settings.clients.as_ref().map(Clients::new),
            routes,
            upstreams,
        }
    }

    pub fn route(&self, method: &Method, path: &str) -> Result<&Route, Refusal> {
        let path = &*paths::read(path)?;
        let leading: Vec<_> = self
            .routes
            .iter()
            .filter(|it| it.rule.leads(path))
            .collect();
        let Some(longest) = leading.first() else {
            return Err(Refusal::NoRoute);
        };
        // A shorter path is another route, and not a second choice.
        let same = leading
            .iter()
            .take_while(|it| it.rule.path == longest.rule.path);
        let takes = same.clone().find(|it| it.rule.takes(method));
        takes.copied().ok_or_else(|| {
            let methods = same.flat_map(|it| &it.rule.methods);
            let methods: Vec<_> = methods.map(|verb| verb.0.as_str()).collect();
            Refusal::Method(methods.join(", "))
        })
    }

    pub fn authenticate<B>(
        &self,
        request: &mut Request<B>,
        peer: IpAddr,
    ) -> Result<Client, Refusal> {
        match &self.clients {
            Some(clients) => clients.authenticate(request.headers_mut()),
            None if self.headers.trust_forwarded => Ok(clients::by_forwarded(request)),
            None => Ok(clients::by_address(peer)),
        }
    }
}

impl Route {
    /// Takes one call from this client's limit.
    pub fn admit(&self, client: &Client) -> Result<(), Refusal> {
        match &self.limit {
            Some(limit) => {
                // A rate limit has no interest in how a call ends, so nothing is owed.
                let _permit = limit.for_key(&**client).try_acquire()?;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The limit of a route: the one that it had, with what each client has spent, under the settings that it has now.
fn limit(rule: &file::Route, known: &[Route]) -> Option<PerKey<Limiter, String, ByCaller>> {
    let config = rule.per_client.clone()?;
    let same = |it: &&Route| it.rule.path == rule.path && it.rule.methods == rule.methods;
    let before = known.iter().find(same).and_then(|it| it.limit.clone());
    let checked = "it was checked";
    match before {
        Some(limit) => {
            limit.reconfigure_all(config).expect(checked);
            Some(limit)
        }
        None => {
            let limit = RateLimit::builder(config).name(&rule.path).build();
            Some(limit.expect(checked).per_key().build().expect(checked))
        }
    }
}
