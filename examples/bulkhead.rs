//! A slow printer, and who may wait for it: so many at once, a few in the queue, and the others are
//! told at once.
//!
//! `cargo run --example bulkhead`

use std::time::Duration;

use buttress::Bulkhead;
use futures::future::join_all;
use tokio::time::sleep;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

async fn print(page: u32) -> Result<u32, BoxError> {
    sleep(100 * MS).await;
    Ok(page)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let bulkhead = Bulkhead::builder(2)
        .name("printer")
        .max_queue(4)
        .max_wait(150 * MS)
        .on_event(|event| println!("  event: {:?}", event.kind))
        .build()?;
    let mut printer = ServiceBuilder::new()
        .layer(bulkhead.clone())
        .service(service_fn(print));

    for places in [2, 4] {
        let mut config = bulkhead.config();
        config.max_concurrent = places;
        bulkhead.reconfigure(config)?;
        println!("eight pages at once, {places} places:");
        let mut pages = Vec::new();
        for page in 1..=8 {
            pages.push(printer.ready().await?.call(page));
        }
        let answers = join_all(pages).await;
        for (page, answer) in (1..).zip(answers) {
            match answer {
                Ok(_) => println!("page {page} is printed"),
                Err(error) => println!("page {page} is not: {error}"),
            }
        }
        println!("{:?}", bulkhead.snapshot());
    }
    Ok(())
}
