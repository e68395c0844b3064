//! One upstream behind its pipeline.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use buttress::http::{
    AfterBody, Buffered, DeadlineHeader, Fault, Idempotent, ReplayBody, after_body,
};
use buttress::pipeline::{Config, NoFallback, Resilient};
use buttress::{Error, OnError, Resilience};
use tower::{Layer, Service, ServiceExt};

use crate::balance::{self, Address, Balance, Broken, Tried, attempt};
use crate::clients::Client;
use crate::file;
use crate::refusal::Refusal;
use crate::share::{Shared, Shares};

/// The body of a request on its way to an upstream.
pub type Sent = ReplayBody<Body>;

/// Idempotent requests are sent again, if no more of their body was sent than is kept.
type Replay = Idempotent<Buffered>;

/// Judged by status, sent again if the method is idempotent and the body was kept, its deadline in a header.
pub type Policy = Resilience<OnError, Replay, DeadlineHeader>;
type Guarded = Resilient<Balance, OnError, Replay, DeadlineHeader, NoFallback, AfterBody>;

/// What all upstreams have in common, for as long as the gateway runs.
pub struct Terms {
    pub client: balance::Client,
    pub deadline: DeadlineHeader,
    pub bare: bool,
}

pub struct Upstream {
    pub policy: Policy,
    pub balance: Balance,
    /// None if the gateway is to be bare.
    guarded: Option<Guarded>,
    replay: usize,
    /// What each client may have of it.
    pub shares: Option<Shares>,
}

impl Upstream {
    /// What was known `before` stays, but for a pipeline that keeps so much of a body: another is another.
    pub fn new(
        name: &str,
        settings: &file::Upstream,
        mut config: Config,
        before: Option<&Self>,
        terms: &Terms,
    ) -> Self {
        // One policy, in two places: what concerns an address stands there, for each of them; all else here, for all
        // of them together.
        let (breaker, limit) = (config.breaker.take(), config.attempt_timeout.take());
        let replay = settings.replay;
        let policy = match before.filter(|before| before.replay == replay) {
            Some(before) => {
                before.policy.reconfigure(config).expect("it was checked");
                before.policy.clone()
            }
            None => Resilience::builder()
                .name(name)
                .config(config)
                .replay(Idempotent::of(Buffered::new(replay)))
                .deadline_in(terms.deadline)
                .build()
                .expect("it was checked"),
        };
        let known = before.map_or(&[][..], |before| before.balance.addresses());
        let addresses = settings.addresses.iter().map(|file::Address(address)| {
            let before = known.iter().find(|it| it.authority == *address);
            Arc::new(Address::new(
                address,
                name,
                breaker.clone(),
                before.map(|it| &**it),
            ))
        });
        let timeout = attempt(name, limit, terms.deadline);
        let balance = Balance::new(terms.client.clone(), addresses.collect(), timeout);
        // A place in the bulkhead is taken for as long as the response, and not only until its head.
        let guarded = after_body(policy.clone()).layer(balance.clone());
        let share = settings.per_client.filter(|_| !terms.bare);
        let shares = share.map(|config| {
            let before = before.and_then(|before| before.shares.as_ref());
            Shares::new(name, config, before)
        });
        Self {
            policy,
            balance,
            guarded: Some(guarded).filter(|_| !terms.bare),
            replay,
            shares,
        }
    }

    pub async fn send(
        &self,
        client: &Client,
        mut request: Request<Sent>,
    ) -> Result<Response<Body>, Refusal> {
        let Some(guarded) = &self.guarded else {
            let response = self.balance.send_bare(request).await;
            return response
                .map(|it| it.map(Body::new))
                .map_err(Refusal::Broken);
        };
        let share = self
            .shares
            .as_ref()
            .map(|it| it.enter(client))
            .transpose()?;
        // With one address there is nothing to choose.
        if self.balance.addresses().len() > 1 {
            request.extensions_mut().insert(Tried::default());
        }
        let mut guarded = guarded.clone();
        let ready = guarded.ready().await.map_err(refusal)?;
        let response = ready.call(request).await.map_err(refusal)?;
        Ok(response.map(|body| Body::new(Shared::new(body, share))))
    }
}

fn refusal(fault: Fault<Broken>) -> Refusal {
    match fault.into_error() {
        Error::Rejected(no) => Refusal::Policy(no),
        Error::Inner(Broken::Connection(error)) => Refusal::Broken(error),
        Error::Inner(Broken::Slow) => Refusal::Slow,
    }
}
