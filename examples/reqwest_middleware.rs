//! A pipeline as a link of a chain of reqwest-middleware: what stands before it in the chain sees one call,
//! what stands after it every attempt.
//!
//! `cargo run --example reqwest_middleware --features reqwest-middleware`

// The library has one door to clocks and locks; a program that uses it needs no such rule.
#![allow(clippy::disallowed_types)]

use std::sync::atomic::{AtomicU32, Ordering};

use axum::{Router, http::StatusCode, routing::get};
use buttress::pipeline::Config;
use buttress::reqwest::middleware::{Middleware, rejected};
use buttress::{Resilience, breaker};
use http::Extensions;
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, Next, Result};

/// A link that people have already: it says what passes by.
struct Tells(&'static str);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Tells {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        println!("{} {} {}", self.0, request.method(), request.url().path());
        next.run(request, extensions).await
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let server = serve().await?;
    let policy = Resilience::builder()
        .name("members")
        .config(Config::standard());
    let policy = policy.build()?;
    // Who retries is the pipeline, on its budget: no `reqwest-retry` in the chain, and reqwest's own switched off.
    let client = Client::builder().retry(reqwest::retry::never()).no_proxy();
    let members = ClientBuilder::new(client.build()?)
        .with(Tells("call"))
        .with(Middleware::new(policy.clone()))
        .with(Tells("    attempt"))
        .build();

    let response = members.get(format!("{server}/members/7")).send().await?;
    println!("{}", response.status());

    policy.order(breaker::Order::ForceOpen(None));
    if let Err(error) = members.get(format!("{server}/members/8")).send().await {
        match rejected(&error) {
            Some(no) => println!("refused: {no}"),
            None => println!("failed: {error}"),
        }
    }
    Ok(())
}

/// A server on loopback that fails at first.
async fn serve() -> std::io::Result<String> {
    static CAME: AtomicU32 = AtomicU32::new(0);
    let member = || async {
        match CAME.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(StatusCode::SERVICE_UNAVAILABLE),
            _ => Ok("member"),
        }
    };
    let app = Router::new().route("/members/{id}", get(member));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}
