//! A plain tower service behind a circuit breaker: closed, open, half-open, and closed again.
//!
//! `cargo run --example tower`

use std::time::Duration;

use buttress::{CircuitBreaker, Refusal};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// The dependency. Requests 6 to 19 find it broken, if they reach it.
async fn find_member(id: u32) -> Result<String, BoxError> {
    match id {
        6..=19 => Err("the database is down".into()),
        _ => Ok(format!("member {id}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Opens when half of the last ten calls failed; after 300 ms, two probes decide.
    let breaker = CircuitBreaker::builder()
        .name("members")
        .count_window(10)
        .failure_ratio(0.5)
        .open_for(Duration::from_millis(300))
        .probes(2)
        .build()?;

    // The value is the layer; the clone that stays here is the handle to the same state.
    let mut members = ServiceBuilder::new()
        .layer(breaker.clone())
        .service(service_fn(find_member));

    for id in 1..=28 {
        let answer = match members.ready().await?.call(id).await {
            Ok(member) => member,
            Err(error) => match error.rejected() {
                // The dependency was not called: cheap here, and a rest for the other side.
                Some(no) => match no.retry_after() {
                    Some(after) => format!("refused, retry after {after:.0?}"),
                    None => format!("refused: {no}"),
                },
                None => format!("failed: {error}"),
            },
        };
        println!("{id:>3}  {answer:<30}  {}", breaker.snapshot().state);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let seen = breaker.snapshot();
    println!("{} calls were refused instead of sent", seen.rejected);
    Ok(())
}
