//! A limit per client and a breaker per host: a flood and a broken host trouble nobody else.
//!
//! `cargo run --example keyed`

use std::{cmp::Reverse, num::NonZeroU32, time::Duration};

use buttress::{
    CircuitBreaker, RateLimit, breaker::Order, guard::Guard, keyed::Overflow, rate_limit::Quota,
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

struct Request {
    client: u64,
    host: &'static str,
}

async fn fetch(request: Request) -> Result<&'static str, BoxError> {
    match request.host {
        "broken.example" => Err("connection reset".into()),
        host => Ok(host),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let quota = Quota::per_second(NonZeroU32::new(5).unwrap());
    let per_client = RateLimit::builder(quota)
        .name("clients")
        .build()?
        .keyed(|request: &Request| request.client)
        .max_keys(50_000)
        .build()?;
    let per_host = CircuitBreaker::builder()
        .name("hosts")
        .min_calls(3)
        .build()?
        .keyed_ref(|request: &Request| request.host)
        // Our own hosts: more of them are a mistake.
        .max_keys(100)
        .overflow(Overflow::Reject)
        .configure(|host, mut config| {
            if host == "slow.example" {
                config.slow_call_duration = Some(Duration::from_secs(5));
            }
            config
        })
        .build()?;
    let mut service = ServiceBuilder::new()
        .layer(Guard::all((per_client.clone(), per_host.clone())))
        .service(service_fn(fetch));

    for (client, host, calls) in [
        (1, "good.example", 9),
        (2, "broken.example", 4),
        (3, "good.example", 1),
        (3, "broken.example", 1),
    ] {
        for _ in 0..calls {
            let request = Request { client, host };
            match service.ready().await?.call(request).await {
                Ok(page) => println!("client {client}: {page}"),
                Err(error) => println!("client {client}: {host}: {error}"),
            }
        }
    }

    let mut clients = per_client.snapshot().keys;
    clients.sort_by_key(|(_, seen)| Reverse(seen.rejected));
    for (client, seen) in clients {
        println!("client {client} was refused {} times", seen.rejected);
    }
    for (host, seen) in per_host.snapshot().keys {
        println!("{host} is {}", seen.state);
    }
    // One host can be given an order.
    per_host.with("broken.example", |breaker| breaker.order(Order::Reset));
    Ok(())
}
