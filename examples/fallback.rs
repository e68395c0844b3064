//! Prices behind a circuit breaker, and yesterday's when it is open: a fallback that is bounded, marked
//! and counted.
//!
//! `cargo run --example fallback`

use std::time::Duration;

use buttress::{CircuitBreaker, Fallback};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

#[derive(Clone, Debug)]
struct Price(u32, &'static str);

/// The dependency. Calls 4 to 9 find it broken, if they reach it.
async fn price_of(call: u32) -> Result<Price, BoxError> {
    match call {
        4..=9 => Err("the price service is down".into()),
        _ => Ok(Price(90 + call, "today's")),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let breaker = CircuitBreaker::builder()
        .name("prices")
        .count_window(4)
        .open_for(Duration::from_millis(100))
        .probes(1)
        .build()?;
    // It has the failure, and what was kept of the request.
    let archive = |call, failed: Result<Price, BoxError>| async move {
        println!("     call {call}: {}", failed.unwrap_err());
        // Slow: at most two at a time, so that the archive is not the next to go down.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(Price(100, ""))
    };
    let fallback = Fallback::async_function_of(|call: &u32| *call, archive)
        .name("archive")
        .max_concurrent(2)
        .mark(|price: &mut Price| price.1 = "yesterday's")
        .build()?;
    let mut prices = ServiceBuilder::new()
        .layer(fallback.clone())
        .layer(breaker.clone())
        .service(service_fn(price_of));

    for call in 1..=14 {
        let Price(cents, whose) = prices.ready().await?.call(call).await?;
        println!(
            "{call:>3}  {cents:>4} {whose:<12} {}",
            breaker.snapshot().state
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{:?}", fallback.snapshot());
    Ok(())
}
