//! A retry with a budget: hiccups are smoothed out, an outage is not made worse.
//!
//! ```text
//! cargo run --example retry
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example counts its attempts"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use buttress::{Retry, backoff::Backoff};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let attempts = Arc::new(AtomicU64::new(0));
    let every = Arc::new(AtomicU64::new(5));
    // Fails every so many attempts.
    let members = service_fn({
        let (attempts, every) = (attempts.clone(), every.clone());
        move |id: u32| {
            let fails = attempts.fetch_add(1, Relaxed) % every.load(Relaxed) == 0;
            async move {
                if fails {
                    Err("connection reset")
                } else {
                    Ok(id)
                }
            }
        }
    });

    let retry = Retry::builder()
        .name("members")
        .backoff(Backoff::exponential(Duration::from_millis(1)).cap(Duration::from_millis(10)))
        .build()?;
    let mut members = ServiceBuilder::new()
        .layer(retry.clone())
        .map_err(BoxError::from)
        .service(members);

    for (what, fails_every) in [("a hiccup", 5), ("an outage", 1)] {
        every.store(fails_every, Relaxed);
        attempts.store(0, Relaxed);
        let mut answered = 0;
        for id in 0..500 {
            answered += u64::from(members.ready().await?.call(id).await.is_ok());
        }
        let per_call = attempts.load(Relaxed) as f64 / 500.0;
        println!("{what}: {answered} of 500 calls answered, {per_call:.2} attempts a call");
    }
    println!("{:#?}", retry.snapshot());
    Ok(())
}
