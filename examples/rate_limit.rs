//! A quota that two kinds of caller share: one is refused beyond it, the other waits for its turn.
//!
//! `cargo run --example rate_limit`

#![allow(clippy::disallowed_methods, reason = "an example may read clocks")]

use std::{num::NonZeroU32, time::Duration};

use buttress::{RateLimit, Refusal, rate_limit::Quota};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// Postcards, and how many at once.
async fn post(cards: u32) -> Result<u32, BoxError> {
    Ok(cards)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // Ten cards a second, three at once.
    let quota = Quota::per_second(TEN).burst(THREE);
    let limit = RateLimit::builder(quota)
        .name("post")
        .cost(|cards: &u32| *cards)
        .build()?;
    let mut office = ServiceBuilder::new()
        .layer(limit.clone())
        .service(service_fn(post));

    println!("refused beyond the rate:");
    for cards in [2, 2, 4] {
        while let Err(error) = office.ready().await?.call(cards).await {
            println!("  {cards} cards: {error}");
            match error.rejected().and_then(|no| no.retry_after()) {
                Some(wait) => sleep(wait).await,
                None => break,
            }
        }
    }
    println!("  {:?}", limit.snapshot());

    println!("made to wait:");
    let patient = RateLimit::builder(quota)
        .max_wait(Duration::from_millis(500))
        .build()?;
    let office = ServiceBuilder::new()
        .layer(patient.clone())
        .service(service_fn(post));
    let begun = Instant::now();
    let calls = (1..=10).map(|card| {
        let call = office.clone().oneshot(card);
        async move {
            let said = match call.await {
                Ok(_) => "sent".to_owned(),
                Err(error) => error.to_string(),
            };
            println!("  card {card} after {:.0?}: {said}", begun.elapsed());
        }
    });
    futures::future::join_all(calls).await;
    println!("  {:?}", patient.snapshot());
    Ok(())
}
