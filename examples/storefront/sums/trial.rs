//! One run among many.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bars::{LIST_OF_D, list_p99};
use crate::figures::Share;
use crate::json::share;
use crate::neighbour::{self, LOST_BY_OTHERS, Neighbour};
use crate::run::{self, Run};
use crate::text::{percent, thousands};
use crate::verdict::{Bar, Verdict};

pub struct Trial {
    pub promise: &'static str,
    /// What is answered or lost.
    pub of_what: &'static str,
    /// Runs of one kind belong together.
    pub kind: &'static str,
    pub seed: u64,
    /// Whose share is added up, the bar for it in one run, and its share without protection.
    pub kept: Share,
    pub summed: &'static str,
    pub control: Share,
    /// In ms, with its limit if there is one.
    pub p99: f64,
    pub limit: Option<f64>,
    pub bars: Vec<Bar>,
    pub latest: Duration,
    pub verdict: Verdict,
}

impl From<&Run> for Trial {
    fn from(run: &Run) -> Self {
        let [a, _, _, d] = &run.figures;
        let (p99, limit) = list_p99(d);
        Self {
            promise: run::PROMISE,
            of_what: "product lists",
            kind: run.fault.name(),
            seed: run.seed,
            kept: d.lists,
            summed: LIST_OF_D,
            control: a.lists,
            p99,
            limit: Some(limit),
            bars: run.bars.clone(),
            latest: run.latest,
            verdict: run.verdict,
        }
    }
}

impl From<&Neighbour> for Trial {
    fn from(neighbour: &Neighbour) -> Self {
        let [a, b] = &neighbour.figures;
        let p99 = b.others_p99.map(|p99| p99.as_secs_f64() * 1_000.0);
        Self {
            promise: neighbour::PROMISE,
            of_what: "calls of the others",
            kind: "flood",
            seed: neighbour.seed,
            kept: b.others,
            summed: LOST_BY_OTHERS,
            control: a.others,
            p99: p99.unwrap_or(f64::INFINITY),
            limit: None,
            bars: neighbour.bars.clone(),
            latest: neighbour.latest,
            verdict: neighbour.verdict,
        }
    }
}

impl Trial {
    /// The bars that it has missed, but for the one that is added up.
    pub fn missed(&self, control: bool) -> impl Iterator<Item = &Bar> {
        let others = self.bars.iter().filter(|bar| bar.name != self.summed);
        others.filter(move |bar| bar.control == control && !bar.met())
    }

    pub fn line(&self) -> String {
        let (kept, of) = (thousands(self.kept.part), thousands(self.kept.of));
        let limit = self.limit.map(|limit| format!(" of {limit:.1}"));
        let missed: Vec<_> = self.bars.iter().filter(|bar| !bar.met()).collect();
        let missed: String = missed
            .iter()
            .map(|bar| format!("\n    missed: {}", bar.name))
            .collect();
        format!(
            "{:8}seed {:<6}{kept:>6} of {of}   p99 {:>5.1}{} ms   control {:>7}   {} ms late   {}{missed}",
            self.kind,
            self.seed,
            self.p99,
            limit.unwrap_or_default(),
            percent(self.control.ratio()),
            self.latest.as_millis(),
            self.verdict.name(self.promise),
        )
    }

    pub fn document(&self) -> Value {
        json!({
            "kind": self.kind,
            "seed": self.seed,
            "kept": share(&self.kept),
            "p99_ms": self.p99,
            "p99_limit_ms": self.limit,
            "control": share(&self.control),
            "verdict": self.verdict.name(self.promise),
        })
    }
}
