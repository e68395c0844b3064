//! A pipeline that follows a file: an edit, one that does not do, and what is told of them.
//!
//! `cargo run --example reload --features reload`
#![allow(clippy::disallowed_methods, reason = "examples may read clocks")]

use std::{env, fs, time::Duration};

use buttress::{Resilience, reload::Reload, telemetry::EventKind};
use tokio::time::sleep;

const POLICIES: &str = "
base: standard
policies:
  members:
    breaker: { failure_ratio: 0.5 }
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = env::temp_dir().join("buttress-example.yaml");
    fs::write(&path, POLICIES)?;

    let members = Resilience::builder().name("members").build()?;
    let reload = Reload::file(&path)
        .policy(&members)
        .on_event(|event| match &event.kind {
            EventKind::ConfigApplied { changes, .. } => {
                for change in changes.iter() {
                    println!("  {change}");
                }
            }
            EventKind::ConfigRejected { faults, .. } => println!("  rejected: {}", faults[0]),
            other => println!("  {other:?}"),
        });

    println!("at start:");
    let reload = reload.load().await?;
    let handle = reload.handle();
    tokio::spawn(reload.run());

    for ratio in ["0.25", "25", "0.3"] {
        println!("the ratio is set to {ratio}:");
        fs::write(&path, POLICIES.replace("0.5", ratio))?;
        sleep(Duration::from_secs(1)).await;
    }
    let seen = handle.snapshot();
    println!("applied {}, rejected {}", seen.applied, seen.rejected);
    fs::remove_file(path)?;
    Ok(())
}
