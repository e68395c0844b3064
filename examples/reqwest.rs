//! A reqwest client behind a circuit breaker that judges by HTTP status, and its type in a struct.
//!
//! `cargo run --example reqwest`

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use buttress::{Adapt, Adapted, CircuitBreaker, Classify, Error, OnError, Outcome, guard::Guarded};
use reqwest::{Client, Method, Request, Response, Url};
use tokio::{net::TcpListener, sync::watch};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

/// A closure that captures nothing is a `fn`, and that has a name.
type Judge = fn(Result<&Response, &Error<reqwest::Error>>) -> Outcome;

struct Catalogue {
    url: Url,
    http: Guarded<Adapted<Client>, CircuitBreaker<Judge>>,
}

impl Catalogue {
    fn new(url: Url) -> Result<Self, BoxError> {
        let judge: Judge = |result| match result.map(Response::status) {
            // A server that cannot do it (501) or wants fewer of us (429) is not broken.
            Ok(status) if status == StatusCode::NOT_IMPLEMENTED => Outcome::Success,
            Ok(status) if status.is_server_error() => Outcome::Failure,
            _ => OnError.classify(result),
        };
        let breaker = CircuitBreaker::builder()
            .name("catalogue")
            .count_window(10)
            .open_for(Duration::from_millis(300))
            .probes(2)
            .classify(judge)
            .build()?;
        // The timeout stands inside, so that the breaker hears of a server that hangs. `Adapt` goes
        // innermost: it makes room for a refusal in an error type that is not ours.
        let client = Client::builder().timeout(Duration::from_secs(1)).build()?;
        let http = ServiceBuilder::new()
            .layer(breaker)
            .layer(Adapt)
            .service(client);
        Ok(Self { url, http })
    }

    async fn get(&mut self) -> Result<StatusCode, Error<reqwest::Error>> {
        let request = Request::new(Method::GET, self.url.clone());
        let response = self.http.ready().await?.call(request).await?;
        Ok(response.status())
    }
}

/// A server on loopback that answers with the status of the hour.
async fn serve(status: watch::Receiver<StatusCode>) -> Result<Url, BoxError> {
    let answer =
        |State(status): State<watch::Receiver<StatusCode>>| async move { *status.borrow() };
    let app = Router::new().route("/", get(answer)).with_state(status);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?).parse()?;
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (hour, status) = watch::channel(StatusCode::OK);
    let mut catalogue = Catalogue::new(serve(status).await?)?;

    for (status, calls) in [(200, 3), (429, 4), (501, 4), (503, 9), (200, 9)] {
        hour.send(status.try_into()?)?;
        println!("the server answers {status}");
        for _ in 0..calls {
            match catalogue.get().await {
                Ok(status) => println!("    {status}"),
                Err(Error::Rejected(no)) => println!("    not sent: {no}"),
                Err(Error::Inner(error)) => println!("    failed: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    Ok(())
}
