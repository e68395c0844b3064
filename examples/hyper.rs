//! hyper-util's client behind all five patterns, and its type in a struct.
//!
//! `cargo run --example hyper --features http`

use std::error::Error as _;

use axum::{Router, http::StatusCode, routing::get};
use buttress::{Error, Resilience, pipeline::Resilient};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower::{BoxError, Layer};

struct Members {
    address: String,
    http: Resilient<Client<HttpConnector, Full<Bytes>>>,
}

impl Members {
    fn new(address: String) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        // A retry, a circuit breaker, a bulkhead, and timeouts of each attempt and of the whole.
        let http = Resilience::standard().layer(client);
        Self { address, http }
    }

    async fn ask(&self, path: &str) -> Result<String, BoxError> {
        let request = Request::get(format!("{}{path}", self.address));
        // Statuses are judged, and GET is sent again after a 503, as `Retry-After` says.
        let response = self.http.request(request.body(Full::default())?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(format!("{status}: {}", String::from_utf8_lossy(&body)))
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let members = Members::new(serve().await?);
    for path in ["/members/7", "/broken"] {
        println!("{path}: {}", members.ask(path).await?);
    }

    let nobody = Request::get("http://127.0.0.1:1/").body(Full::default())?;
    match members.http.request(nobody).await {
        Ok(response) => println!("somebody answers: {}", response.status()),
        // One of the policies did not let it through.
        Err(Error::Rejected(no)) => println!("not sent: {no}, again in {:?}", no.retry_after()),
        Err(Error::Inner(error)) => println!("failed: {error}: {:?}", error.source()),
    }
    Ok(())
}

/// A server on loopback.
async fn serve() -> Result<String, BoxError> {
    let app = Router::new()
        .route("/members/7", get(|| async { "Ada" }))
        .route("/broken", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(address)
}
