//! Three copies of one shop, one broken service, and what a circuit breaker changes.
//!
//! ```text
//! cargo run --release --example storefront                 # the member service hangs
//! cargo run --release --example storefront -- --fault all  # every fault, one after another
//! ```
//!
//! Real HTTP over loopback: three gateways, nine services, open-loop visitors. `shop.rs` is the
//! file to copy from, `run.rs` the order of the acts.

// The library has one door to clocks and locks; a program that uses it needs no such rule.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// A program has no outside: `pub` says enough.
#![allow(unreachable_pub)]

mod account;
mod fault;
mod figures;
mod files;
mod json;
mod load;
mod report;
mod run;
mod service;
mod shop;
mod story;
mod text;
mod verdict;

use std::error;
use std::process::ExitCode;

use clap::Parser;

use fault::Fault;
use run::Run;
use verdict::Verdict;

/// Breaks one of three services in three copies of a shop and shows what a circuit breaker saves.
///
/// Exits with 0 when the fault was isolated, 1 when it was not, 2 when the run proves nothing.
#[derive(Parser)]
struct Args {
    /// How the member service breaks: it accepts calls and never answers, fails at once, answers
    /// 300 ms late, hangs and recovers in turns, or is gone altogether.
    #[arg(long, default_value = "hang", value_name = FAULTS, value_parser = faults)]
    fault: &'static [Fault],
    /// Decides when exactly each visitor arrives.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// One JSON document instead of the screen.
    #[arg(long)]
    json: bool,
}

const FAULTS: &str = "hang|error|slow|flap|refuse|all";

fn faults(name: &str) -> Result<&'static [Fault], String> {
    if name == "all" {
        return Ok(&Fault::ALL);
    }
    let known = Fault::ALL.iter().position(|fault| fault.name() == name);
    known
        .map(|index| &Fault::ALL[index..=index])
        .ok_or_else(|| "no such fault".into())
}

fn main() -> ExitCode {
    match play(&Args::parse()) {
        Ok(worst) => ExitCode::from(worst.exit_code()),
        Err(error) => {
            eprintln!("NO VERDICT: {error}");
            ExitCode::from(Verdict::Unproven.exit_code())
        }
    }
}

fn play(args: &Args) -> Result<Verdict, Box<dyn error::Error>> {
    files::make_room()?;
    let mut runs: Vec<Run> = Vec::new();
    for &fault in args.fault {
        // A runtime for each run: nothing of one fault is left when the next begins.
        let run = tokio::runtime::Runtime::new()?.block_on(run::run(fault, args.seed))?;
        if !args.json {
            println!("{}\n", report::screen(&run));
        }
        runs.push(run);
    }
    let worst = runs.iter().map(|run| run.verdict).max();
    let worst = worst.unwrap_or(Verdict::Unproven);
    if args.json {
        println!("{:#}", json::document(&runs, worst));
    }
    Ok(worst)
}
