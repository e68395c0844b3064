//! A shop in several copies on one clock, what breaks it, and what keeps it standing. Three acts:
//!
//! ```text
//! cargo run --release --example storefront                 # all of them, in under 30 s
//! cargo run --release --example storefront -- --act storm  # isolation|storm|chain|all
//! cargo run --release --example storefront -- --fault all  # the first, with every fault
//! ```
//!
//! * isolation: a dependency breaks, and a circuit breaker keeps the rest of the shop well.
//! * storm: a short overload, and retries that keep it alive, or do not (`storm/`).
//! * chain: three services in a row that all retry (`chain/`).
//!
//! Real HTTP over loopback, open-loop visitors. The files to copy from are `shop.rs` (a gateway with a
//! breaker) and `retrying.rs`; `run.rs` tells what happens in which order.

// The library has one door to clocks and locks; a program that uses it needs no such rule.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// A program has no outside: `pub` says enough.
#![allow(unreachable_pub)]

mod account;
mod arrivals;
mod chain;
mod fault;
mod figures;
mod files;
mod json;
mod load;
mod progress;
mod report;
mod retrying;
mod run;
mod screen;
mod service;
mod shop;
mod storm;
mod story;
mod text;
mod verdict;

use std::error;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use tokio::runtime::Runtime;

use fault::Fault;
use run::Run;
use screen::coloured;
use verdict::Verdict;

/// Breaks a shop in several copies and shows what a circuit breaker and a budget for retries save.
///
/// Exits with 0 when the harm was isolated or contained, 1 when it was not, 2 when the run proves
/// nothing.
#[derive(Parser)]
#[command(name = "storefront")]
struct Args {
    /// What to play. Default: all, or the first act when a fault is named.
    #[arg(long, value_enum)]
    act: Option<Act>,
    /// How the member service breaks in the first act: it accepts calls and never answers, fails at
    /// once, answers 300 ms late, hangs and recovers in turns, or is gone altogether. Default: hang.
    #[arg(long, value_name = FAULTS, value_parser = faults)]
    fault: Option<&'static [Fault]>,
    /// Decides when exactly each visitor arrives.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// One JSON document instead of the screen.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Act {
    /// A dependency breaks: three copies of the shop, two with a circuit breaker
    Isolation,
    /// A short overload: naive retries against ours
    Storm,
    /// Three services in a row: naive retries against ours
    Chain,
    /// One after another
    All,
}

impl Args {
    fn plays(&self, act: Act) -> bool {
        let all = match self.fault {
            Some(_) => Act::Isolation,
            None => Act::All,
        };
        let chosen = self.act.unwrap_or(all);
        chosen == act || chosen == Act::All
    }

    /// A fault belongs to the first act.
    fn check(self) -> Self {
        if self.fault.is_some() && !self.plays(Act::Isolation) {
            let says = "--fault is for the act `isolation`";
            Self::command()
                .error(ErrorKind::ArgumentConflict, says)
                .exit();
        }
        self
    }
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
    match play(&Args::parse().check()) {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            eprintln!("NO VERDICT: {error}");
            ExitCode::from(Verdict::Unproven.exit_code())
        }
    }
}

/// Plays what was asked for, and answers with the exit code of the worst that was seen.
fn play(args: &Args) -> Result<u8, Box<dyn error::Error>> {
    files::make_room()?;
    let mut verdicts: Vec<(Verdict, &str)> = Vec::new();
    let show = |screen: String| {
        if !args.json {
            println!("{}\n", coloured(screen));
        }
    };
    // A runtime for each run: nothing of one is left when the next begins.
    let mut runs: Vec<Run> = Vec::new();
    if args.plays(Act::Isolation) {
        for &fault in args.fault.unwrap_or(&[Fault::Hang]) {
            let run = Runtime::new()?.block_on(run::run(fault, args.seed))?;
            show(report::screen(&run));
            verdicts.push((run.verdict, run::PROMISE));
            runs.push(run);
        }
    }
    let mut storm = None;
    if args.plays(Act::Storm) {
        let seen = Runtime::new()?.block_on(storm::run(args.seed))?;
        show(storm::screen(&seen));
        verdicts.push((seen.verdict, storm::PROMISE));
        storm = Some(seen);
    }
    let mut chain = None;
    if args.plays(Act::Chain) {
        let seen = Runtime::new()?.block_on(chain::run(args.seed))?;
        show(chain::screen(&seen));
        verdicts.push((seen.verdict, chain::PROMISE));
        chain = Some(seen);
    }
    let worst = verdicts.into_iter().max_by_key(|(verdict, _)| *verdict);
    let (worst, promise) = worst.ok_or("nothing was played")?;
    if args.json {
        let says = (&*worst.name(promise), worst.exit_code());
        let document = json::document(&runs, storm.as_ref(), chain.as_ref(), says);
        println!("{document:#}");
    }
    Ok(worst.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_without_an_act_means_the_first_one() {
        let plays = |line: &str| {
            let args = Args::try_parse_from(line.split(' ')).unwrap();
            [Act::Isolation, Act::Storm, Act::Chain].map(|act| args.plays(act))
        };
        assert_eq!(plays("storefront --seed 7"), [true, true, true]);
        assert_eq!(plays("storefront --fault all"), [true, false, false]);
        assert_eq!(plays("storefront --act storm"), [false, true, false]);
        let both = "storefront --act all --fault flap";
        assert_eq!(plays(both), [true, true, true]);
    }
}
