//! What is asked for on the command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};

use crate::fault::Fault;

/// Breaks a shop in several copies, and shows what breaker, bulkhead, rate limiter and a budget for
/// retries save, and that all of it can be changed while it runs.
///
/// Exits with 0 when every protection held, 1 when one did not, 2 when the run proves nothing.
#[derive(Parser)]
#[command(name = "storefront")]
pub struct Args {
    /// What to play. Default: all; the first act when a fault is named, or many seeds.
    #[arg(long, value_enum)]
    act: Option<Act>,
    /// How the member service breaks in the first act: it accepts calls and never answers, fails at
    /// once, answers 300 ms late, hangs and recovers in turns, or is gone altogether. Default: hang.
    #[arg(long, value_name = FAULTS, value_parser = faults)]
    fault: Option<&'static [Fault]>,
    /// Decides when exactly each visitor arrives.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Plays so many seeds in a row and adds them up: for the acts `isolation` and `neighbour`.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// A file of policies of your own, to be edited during any run: begin with a copy of
    /// `examples/storefront/storefront.yaml`. The act `live` leaves the editing to you, for 30 s.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON document instead of the screen.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Act {
    /// A dependency breaks: four copies of the shop, with and without breaker and bulkhead
    Isolation,
    /// A short overload: naive retries against ours
    Storm,
    /// Three services in a row: naive retries against ours
    Chain,
    /// One client floods: a limiter for each client against none
    Neighbour,
    /// The file of policies is edited while the shop runs on it
    Live,
    /// One after another, the four short ones at the same time
    All,
}

impl Args {
    pub fn plays(&self, act: Act) -> bool {
        let all = if self.fault.is_some() || self.sums() {
            Act::Isolation
        } else {
            Act::All
        };
        let chosen = self.act.unwrap_or(all);
        chosen == act || chosen == Act::All
    }

    pub fn faults(&self) -> &'static [Fault] {
        self.fault.unwrap_or(&[Fault::Hang])
    }

    pub fn seeds(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        let first = self.seed;
        (0..self.seeds).map(move |more| first.wrapping_add(more))
    }

    /// Whether the figures of many runs are to be added up.
    pub fn sums(&self) -> bool {
        self.seeds > 1
    }

    /// A fault belongs to the first act; many seeds are for the two whose losses add up.
    pub fn check(self) -> Self {
        if let Some(says) = self.conflict() {
            Self::command()
                .error(ErrorKind::ArgumentConflict, says)
                .exit();
        }
        self
    }

    fn conflict(&self) -> Option<&'static str> {
        if self.fault.is_some() && !self.plays(Act::Isolation) {
            return Some("--fault is for the act `isolation`");
        }
        let one_run = [Act::Storm, Act::Chain, Act::Live];
        let one_run = one_run.into_iter().any(|act| self.plays(act));
        (self.sums() && one_run).then_some("--seeds is for one of `isolation` and `neighbour`")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Args {
        Args::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn a_fault_without_an_act_means_the_first_one() {
        let acts = [
            Act::Isolation,
            Act::Storm,
            Act::Chain,
            Act::Neighbour,
            Act::Live,
        ];
        let plays = |line: &str| acts.map(|act| parsed(line).plays(act));
        assert_eq!(plays("storefront --seed 7"), [true; 5]);
        let first = [true, false, false, false, false];
        assert_eq!(plays("storefront --fault all"), first);
        assert_eq!(plays("storefront --seeds 10"), first);
        let storm = [false, true, false, false, false];
        assert_eq!(plays("storefront --act storm"), storm);
        assert_eq!(plays("storefront --act all --fault flap"), [true; 5]);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "--act storm --fault hang",
            "--act all --seeds 2",
            "--act live --seeds 2",
        ] {
            assert!(parsed(&format!("storefront {line}")).conflict().is_some());
        }
        for line in ["--fault all --seeds 10", "--act neighbour --seeds 2"] {
            assert!(parsed(&format!("storefront {line}")).conflict().is_none());
        }
    }

    #[test]
    fn seeds_follow_the_first() {
        let args = parsed("storefront --seed 7 --seeds 3");
        assert_eq!(args.seeds().collect::<Vec<_>>(), [7, 8, 9]);
        assert!(Args::try_parse_from(["storefront", "--seeds", "0"]).is_err());
    }
}
