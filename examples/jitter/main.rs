//! Why a wait needs jitter: clients that fail together, and what each kind of jitter makes of it.
//!
//! `cargo run --release --example jitter`
#![allow(missing_docs, reason = "an example")]

mod simulation;

use std::time::Duration;

use buttress::backoff::{Backoff, Jitter};

const RUNS: u64 = 100;

fn main() {
    let jitters = [
        Jitter::None,
        Jitter::Full,
        Jitter::Equal,
        Jitter::Decorrelated,
    ];
    let exponential = Backoff::exponential(Duration::from_millis(5)).cap(Duration::from_secs(2));
    println!(
        "Calls, and milliseconds, until all clients have changed the row (mean of {RUNS} runs):\n"
    );
    println!("| clients | no jitter | full | equal | decorrelated |");
    println!("|---|---|---|---|---|");
    for clients in std::iter::once(1).chain((10..=100).step_by(10)) {
        print!("| {clients} |");
        for jitter in jitters {
            let cost = simulation::mean(clients, &exponential.clone().jitter(jitter), RUNS);
            print!(" {:.0}, {:.0} ms |", cost.calls, cost.millis);
        }
        println!();
    }
}
