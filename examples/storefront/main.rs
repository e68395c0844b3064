//! A shop in several copies on one clock, what breaks it, and what keeps it standing. Five acts:
//!
//! ```text
//! cargo run --release --example storefront                 # all of them, in under 30 s
//! cargo run --release --example storefront -- --act storm  # isolation|storm|chain|neighbour|live|all
//! cargo run --release --example storefront -- --fault all  # the first, with every fault
//! cargo run --release --example storefront -- --fault all --seeds 10   # and added up: 12 minutes
//! ```
//!
//! * isolation: a dependency breaks; breaker and bulkhead keep the rest of the shop well.
//! * storm: a short overload, and retries that keep it alive, or do not (`storm/`).
//! * chain: three services in a row that all retry (`chain/`).
//! * neighbour: one client floods, and a limiter for each keeps the others' share (`neighbour/`).
//! * live: the file of policies is edited while the shop runs on it (`live/`).
//!
//! All policies but those of the door stand in one file, `storefront.yaml`, which is followed while it is
//! edited. Take a copy, name it with `--config`, and change it during any run.
//!
//! Real HTTP over loopback, open-loop visitors. The files to copy from are `storefront.yaml`,
//! `settings.rs` (who follows it), `shop.rs` (a gateway that is built with it), `retrying.rs` and
//! `neighbour/door.rs`; `run.rs` tells what happens in which order.

// The library has one door to clocks and locks; a program that uses it needs no such rule.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// A program has no outside: `pub` says enough.
#![allow(unreachable_pub)]

mod account;
mod args;
mod arrivals;
mod bars;
mod chain;
mod fault;
mod figures;
mod files;
mod json;
mod limited;
mod live;
mod load;
mod neighbour;
mod place;
mod progress;
mod report;
mod retrying;
mod run;
mod screen;
mod service;
mod settings;
mod shop;
mod slots;
mod storm;
mod story;
mod sums;
mod text;
mod verdict;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use args::{Act, Args};
use chain::Chain;
use live::Live;
use neighbour::Neighbour;
use place::Place;
use run::Run;
use screen::coloured;
use storm::Storm;
use sums::{Sums, Trial};
use verdict::Verdict;

/// All that was played, as far as it was.
#[derive(Default)]
struct Played {
    runs: Vec<Run>,
    storm: Option<Storm>,
    chain: Option<Chain>,
    neighbours: Vec<Neighbour>,
    live: Option<Live>,
    /// Of the act that was played with many seeds.
    sums: Option<Sums>,
}

fn main() -> ExitCode {
    let args = Args::parse().check();
    match play(&args).and_then(|played| played.end(args.json)) {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            eprintln!("NO VERDICT: {error}");
            ExitCode::from(Verdict::Unproven.exit_code())
        }
    }
}

fn play(args: &Args) -> Result<Played, Box<dyn Error>> {
    files::make_room()?;
    let show = |screen: String| {
        if !args.json {
            println!("{}", coloured(screen));
        }
    };
    let place = Place::of(args.config.as_deref())?;
    let file = &place.path();
    let mut played = Played::default();
    // A runtime for each run: nothing of one is left when the next begins.
    if args.plays(Act::Isolation) {
        for &fault in args.faults() {
            for seed in args.seeds() {
                let run = Runtime::new()?.block_on(run::run(fault, seed, file))?;
                show(if args.sums() {
                    Trial::from(&run).line()
                } else {
                    report::screen(&run) + "\n"
                });
                played.runs.push(run);
            }
        }
    }
    for seed in args.seeds() {
        // Each of the four needs little of a machine, and all together no longer than the longest.
        let short = async {
            tokio::try_join!(
                only(args.plays(Act::Storm), storm::run(seed, file)),
                only(args.plays(Act::Chain), chain::run(seed, file)),
                only(args.plays(Act::Neighbour), neighbour::run(seed)),
                only(args.plays(Act::Live), live::run(seed, &place)),
            )
        };
        let (storm, chain, neighbour, live) = Runtime::new()?.block_on(short)?;
        if args.sums() {
            neighbour.iter().for_each(|it| show(Trial::from(it).line()));
        } else {
            storm.iter().for_each(|it| show(storm::screen(it) + "\n"));
            chain.iter().for_each(|it| show(chain::screen(it) + "\n"));
            neighbour
                .iter()
                .for_each(|it| show(neighbour::screen(it) + "\n"));
            live.iter().for_each(|it| show(live::screen(it) + "\n"));
        }
        (played.storm, played.chain, played.live) = (storm, chain, live);
        played.neighbours.extend(neighbour);
    }
    if args.sums() {
        let runs = played.runs.iter().map(Trial::from);
        let trials = runs.chain(played.neighbours.iter().map(Trial::from));
        played.sums = Sums::of(trials.collect());
        played
            .sums
            .iter()
            .for_each(|sums| show(format!("\n{}\n", sums.screen())));
    }
    Ok(played)
}

async fn only<T>(
    plays: bool,
    act: impl Future<Output = Result<T, Box<dyn Error>>>,
) -> Result<Option<T>, Box<dyn Error>> {
    Ok(if plays { Some(act.await?) } else { None })
}

impl Played {
    /// The exit code of the worst that was seen, with the document for machines.
    fn end(&self, json: bool) -> Result<u8, Box<dyn Error>> {
        let worst = self
            .verdicts()
            .into_iter()
            .max_by_key(|(verdict, _)| *verdict);
        let (worst, promise) = worst.ok_or("nothing was played")?;
        if json {
            let says = (&*worst.name(promise), worst.exit_code());
            println!("{:#}", json::document(self, says));
        }
        Ok(worst.exit_code())
    }

    /// The sums speak for the runs that they are made of.
    fn verdicts(&self) -> Vec<(Verdict, &'static str)> {
        if let Some(sums) = &self.sums {
            return vec![(sums.verdict, sums.promise)];
        }
        let runs = self.runs.iter().map(|it| (it.verdict, run::PROMISE));
        let storm = self.storm.iter().map(|it| (it.verdict, storm::PROMISE));
        let chain = self.chain.iter().map(|it| (it.verdict, chain::PROMISE));
        let neighbours = self.neighbours.iter();
        let neighbours = neighbours.map(|it| (it.verdict, neighbour::PROMISE));
        let live = self.live.iter().map(|it| (it.verdict, live::PROMISE));
        let short = storm.chain(chain).chain(neighbours).chain(live);
        runs.chain(short).collect()
    }
}
