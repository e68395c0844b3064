//! A reqwest client behind a whole pipeline: five patterns, judged as HTTP means it.
//!
//! `cargo run --example reqwest --features reqwest`

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use buttress::pipeline::{Config, Resilient};
use buttress::{Error, Resilience, breaker, rate_limit};
use reqwest::Client;
use tokio::{net::TcpListener, sync::watch};
use tower::{BoxError, Layer};

struct Catalogue {
    url: String,
    http: Resilient<Client>,
}

impl Catalogue {
    fn new(url: String) -> Result<Self, BoxError> {
        // The preset has a deadline, retries on a budget, a breaker, a bulkhead and a timeout of each attempt.
        // The breaker is made small here, so that it opens while you watch.
        let mut config = Config::standard();
        config.rate_limit = Some(rate_limit::Config::per_second(200));
        config.breaker = Some(quick());
        let policy = Resilience::builder()
            .name("catalogue")
            .config(config)
            .build()?;
        // Who retries is the pipeline, on its budget; and no proxy stands before loopback.
        let client = Client::builder().retry(reqwest::retry::never()).no_proxy();
        let http = policy.layer(client.build()?);
        Ok(Self { url, http })
    }

    async fn get(&self) -> Result<StatusCode, Error<reqwest::Error>> {
        let request = self.http.get_ref().get(&self.url).build();
        let response = self.http.execute(request.map_err(Error::Inner)?).await?;
        Ok(response.status())
    }
}

fn quick() -> breaker::Config {
    let mut breaker = breaker::Config::default();
    breaker.min_calls = 10;
    breaker.open_for = Duration::from_millis(300);
    breaker.probes = 2;
    breaker
}

/// A server on loopback that answers with the status of the hour.
async fn serve(status: watch::Receiver<StatusCode>) -> Result<String, BoxError> {
    let answer =
        |State(status): State<watch::Receiver<StatusCode>>| async move { *status.borrow() };
    let app = Router::new().route("/", get(answer)).with_state(status);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (hour, status) = watch::channel(StatusCode::OK);
    let catalogue = Catalogue::new(serve(status).await?)?;

    for (status, calls) in [(200, 3), (404, 3), (501, 3), (503, 9), (200, 9)] {
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
    println!("{:#?}", catalogue.http.resilience().snapshot().breaker);
    Ok(())
}
