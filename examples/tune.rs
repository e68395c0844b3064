//! A circuit breaker's settings, events and orders, while it runs.
//!
//! `cargo run --example tune`

use std::{error::Error, io, time::Duration};

use buttress::{
    CircuitBreaker,
    telemetry::{Event, EventKind},
};

fn tell(event: &Event) {
    print!("  event {}: ", event.seq);
    match &event.kind {
        EventKind::Opened { failed, calls, .. } => println!("opened, {failed} of {calls} failed"),
        other => println!("{other:?}"),
    }
}

/// The dependency.
async fn print_page(well: bool) -> Result<(), io::Error> {
    match well {
        true => Ok(()),
        false => Err(io::Error::other("the printer is on fire")),
    }
}

/// Makes some calls, then takes a look.
async fn call(breaker: &CircuitBreaker, calls: u32, well: bool) {
    let mut refused = 0;
    for _ in 0..calls {
        let result = breaker.call(|| print_page(well)).await;
        refused += u32::from(result.is_err_and(|error| error.is_rejected()));
    }
    let seen = breaker.snapshot();
    println!(
        "{calls} calls, {refused} refused; {} with {} of {} failed in the window",
        seen.state, seen.failed, seen.calls
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Every setting has a default; say only what you know better.
    let breaker = CircuitBreaker::builder()
        .name("printer")
        .time_window(Duration::from_secs(10))
        .min_calls(10)
        .failure_ratio(0.5)
        .slow_call_duration(Duration::from_secs(2))
        .slow_call_ratio(0.8)
        .open_for(Duration::from_millis(200))
        .open_growth(2.0, Duration::from_secs(60))
        .open_jitter(0.1)
        .probes(3)
        .probe_timeout(Duration::from_secs(5))
        .ramp(Duration::from_millis(500))
        .on_event(tell)
        .build()?;
    call(&breaker, 12, true).await;

    println!("\nLive: a quarter of failures will do. The window is kept.");
    let mut config = breaker.config();
    config.failure_ratio = 0.25;
    breaker.reconfigure(config.clone())?;
    call(&breaker, 6, false).await;
    tokio::time::sleep(config.open_for.mul_f64(1.2)).await;
    call(&breaker, 3, true).await;

    println!("\nLive, and wrong: the settings in force stay.");
    config.failure_ratio = 25.0;
    config.probes = 0;
    if let Err(invalid) = breaker.reconfigure(config) {
        println!("{invalid}");
    }

    println!("\nBy hand: open for a while, only observe, and as before.");
    breaker.force_open_for(Duration::from_secs(30));
    call(&breaker, 5, true).await;
    breaker.disable();
    call(&breaker, 20, false).await;
    println!(
        "would have refused {}",
        breaker.snapshot().would_have_rejected
    );
    breaker.reset();
    call(&breaker, 5, true).await;
    Ok(())
}
