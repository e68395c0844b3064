//! A pipeline as a link of a chain, over real sockets.
#![cfg(feature = "reqwest-middleware")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/scripted.rs"]
mod scripted;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use buttress::{
    Reason, Resilience,
    backoff::Backoff,
    breaker,
    reqwest::middleware::{Middleware, rejected},
    retry,
};
use http::Extensions;
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Next, Result};
use scripted::{Answer, Scripted};

#[derive(Clone)]
struct Mark(u32);

/// A link further in: counts, and leaves a mark in the extensions.
#[derive(Clone, Default)]
struct Counts(Arc<AtomicU32>);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Counts {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let times = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let before = extensions.insert(Mark(times));
        assert!(before.is_none_or(|mark| mark.0 == 0), "another attempt's");
        next.run(request, extensions).await
    }
}

/// The outermost link: sees what those further in have left.
#[derive(Clone, Default)]
struct Sees(Arc<AtomicU32>);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Sees {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        extensions.insert(Mark(0));
        let answer = next.run(request, extensions).await;
        let mark = extensions.get::<Mark>().map_or(99, |mark| mark.0);
        self.0.store(mark, Ordering::Relaxed);
        answer
    }
}

fn chain(policy: &Resilience, counts: &Counts, sees: &Sees) -> ClientWithMiddleware {
    let client = Client::builder().no_proxy().build().unwrap();
    ClientBuilder::new(client)
        .with(sees.clone())
        .with(Middleware::new(policy.clone()))
        .with(counts.clone())
        .build()
}

fn policy() -> Resilience {
    let mut retry = retry::Config::default();
    retry.backoff = Backoff::constant(Duration::from_millis(1));
    let builder = Resilience::builder().retry(retry);
    builder.breaker(breaker::Config::default()).build().unwrap()
}

#[tokio::test]
async fn what_stands_further_in_belongs_to_each_attempt() {
    let server = Scripted::start([Answer::Status(503), Answer::Status(500)]).await;
    let (policy, counts, sees) = (policy(), Counts::default(), Sees::default());
    let client = chain(&policy, &counts, &sees);
    let response = client.get(&server.url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((counts.0.load(Ordering::Relaxed), server.times()), (3, 3));
    // What the attempt that answered has left comes out.
    assert_eq!(sees.0.load(Ordering::Relaxed), 3);
    let breaker = policy.snapshot().breaker.unwrap();
    assert_eq!((breaker.failed, breaker.calls), (2, 3));
}

#[tokio::test]
async fn a_refusal_is_found_in_the_error() {
    let server = Scripted::start([]).await;
    let policy = policy();
    policy.order(breaker::Order::ForceOpen(None));
    let client = chain(&policy, &Counts::default(), &Sees::default());
    let error = client.get(&server.url).send().await.unwrap_err();
    let no = rejected(&error).unwrap();
    assert_eq!((no.reason(), server.times()), (Reason::ForcedOpen, 0));
}

#[tokio::test]
async fn an_error_of_the_client_stays_what_it_is() {
    let policy = policy();
    let client = chain(&policy, &Counts::default(), &Sees::default());
    let error = client.get("http://127.0.0.1:1/").send().await.unwrap_err();
    assert!(error.is_connect() && rejected(&error).is_none());
    assert_eq!(policy.snapshot().breaker.unwrap().failed, 3);
}

#[tokio::test]
async fn a_post_is_sent_once() {
    let server = Scripted::start([Answer::Status(503)]).await;
    let client = chain(&policy(), &Counts::default(), &Sees::default());
    let response = client.post(&server.url).body("x").send().await.unwrap();
    assert_eq!((response.status().as_u16(), server.times()), (503, 1));
}
