//! Two limits and a deadline: for each request, for the whole call, and from the caller.
//!
//! `cargo run --example timeout`

#![allow(clippy::disallowed_methods, reason = "an example may read clocks")]

use std::time::Duration;

use buttress::{Deadline, Timeout};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// A page that takes its time, and when its reader wants to have it.
struct Page {
    takes: Duration,
    read_by: Option<Deadline>,
}

async fn print(page: Page) -> Result<&'static str, BoxError> {
    sleep(page.takes).await;
    Ok("printed")
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    const MS: Duration = Duration::from_millis(1);
    let timeout = Timeout::builder(100 * MS)
        .name("printer")
        .deadline(|page: &Page| page.read_by)
        // A page that is known to be long gets more.
        .by_request(|page: &Page| (page.takes > 150 * MS).then_some(250 * MS))
        .on_event(|event| println!("  event: {:?}", event.kind))
        .build()?;
    let mut printer = ServiceBuilder::new()
        .layer(timeout.clone())
        .service(service_fn(print));

    for (takes, reader_waits) in [
        (20, None),
        (120, None),
        (200, None),
        (200, Some(50)),
        (20, Some(0)),
    ] {
        let read_by = reader_waits.map(|waits| Deadline::after(waits * MS));
        let takes = takes * MS;
        println!("a page of {takes:?}, reader waits {reader_waits:?} ms:");
        let begun = Instant::now();
        let answer = printer.ready().await?.call(Page { takes, read_by }).await;
        let answer = answer.unwrap_or_else(|error| {
            println!("  {error}");
            "not printed"
        });
        println!("  {answer} after {:.0?}", begun.elapsed());
    }
    println!("{:?}", timeout.snapshot());
    Ok(())
}
