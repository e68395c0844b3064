//! What a request costs through the gateway, and through the same without policies.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::runtime::Builder;
use tokio::time::Instant;

use super::Bar;
use super::servers::{Client, Gateway, client, upstream};

/// Of a few milliseconds each, in turns, so that whatever else the machine does concerns all alike.
const ROUNDS: usize = 250;
const WARM: usize = 10;
const PER_ROUND: u32 = 80;
const AT_MOST: f64 = 15.0;

/// Client, gateways and upstream share one thread: a request then takes what all of them compute, and no time in
/// which one of several threads is woken, which is what would be measured otherwise.
pub fn measure() -> Result<Vec<Bar>, Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let direct = upstream(Arc::default()).await?;
        let text = format!(
            "clients: {{ header: x-api-key, identity: x-client, \
             keys: {{ key-of-the-shop: shop }} }}\n\
             routes: [{{ path: /members, upstream: members, \
             per_client: {{ calls: 1000000, period: 1s }} }}]\n\
             upstreams: {{ members: {{ addresses: [{direct}], replay: 65536, \
             per_client: {{ max_concurrent: 50 }} }} }}\n\
             policies: {{ members: {{ }} }}\n"
        );
        let bare = Gateway::start("bare", &text, true).await?;
        let guarded = Gateway::start("guarded", &text, false).await?;
        let doors = [direct, bare.running.address, guarded.running.address];
        println!(
            "{} requests each, one after the other on one connection, in turns \
             (medians, in us):",
            ROUNDS as u32 * PER_ROUND,
        );
        let mut bars = Vec::new();
        for (name, method, body, what) in [
            (
                "a GET",
                Method::GET,
                0,
                "GET: time a request, beyond the bare proxy's",
            ),
            (
                "a PUT of 1 KiB",
                Method::PUT,
                1024,
                "PUT: time a request, beyond the bare proxy's",
            ),
        ] {
            let rounds = compare(doors, &method, &"y".repeat(body)).await?;
            let of = |at: usize| median(rounds.iter().map(|round| round[at]));
            let beyond = median(
                rounds
                    .iter()
                    .map(|round| (round[2] / round[1] - 1.0) * 100.0),
            );
            let (direct, bare, guarded) = (of(0), of(1), of(2));
            println!(
                "  {name:<16}direct {direct:>6.1}, through the bare proxy {bare:>6.1}, \
                 through the gateway {guarded:>6.1}; \
                 of a proxy's own work {:.1} % more",
                ((guarded - direct) / (bare - direct) - 1.0) * 100.0,
            );
            bars.push(Bar {
                what,
                measured: beyond,
                at_most: AT_MOST,
                unit: "%",
            });
        }
        println!();
        Ok(bars)
    })
}

/// What a request took at each of the doors, in each round.
async fn compare(
    doors: [SocketAddr; 3],
    method: &Method,
    body: &str,
) -> Result<Vec<[f64; 3]>, Box<dyn Error>> {
    let clients = [client(), client(), client()];
    let mut rounds = Vec::new();
    for round in 0..WARM + ROUNDS {
        let mut took = [0.0; 3];
        for turn in 0..3 {
            // None is always the first.
            let at = (round + turn) % 3;
            took[at] = time(&clients[at], doors[at], method, body).await?;
        }
        rounds.push(took);
    }
    Ok(rounds.split_off(WARM))
}

/// Of one request, in microseconds.
async fn time(
    client: &Client,
    door: SocketAddr,
    method: &Method,
    body: &str,
) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for _ in 0..PER_ROUND {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{door}/members/7"))
            .header("x-api-key", "key-of-the-shop")
            .body(Body::from(body.to_owned()))?;
        let response = client.request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer was {}", response.status()).into());
        }
        response.into_body().collect().await?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(PER_ROUND))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
