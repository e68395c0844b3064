//! What many runs come to.

use std::time::Duration;

use serde_json::{Value, json};

use super::bound::{CONFIDENCE, lower_bound};
use super::trial::Trial;
use crate::bars::BOTH_ANSWER;
use crate::figures::Share;
use crate::json::{bar, share};
use crate::screen;
use crate::text::{percent, thousands};
use crate::verdict::{self, Bar, Rule, Unit, Verdict};

/// The runs of one act.
pub struct Sums {
    pub promise: &'static str,
    of_what: &'static str,
    /// A row for each kind, and one for all.
    rows: Vec<Row>,
    trials: Vec<Trial>,
    bars: Vec<Bar>,
    pub verdict: Verdict,
}

struct Row {
    kind: &'static str,
    runs: usize,
    kept: Share,
    /// Of the run that came nearest to its limit, and that limit.
    p99: f64,
    limit: Option<f64>,
    /// Without protection.
    control: Share,
}

impl Row {
    fn of(kind: &'static str, trials: &[&Trial]) -> Self {
        let add = |part: fn(&Trial) -> Share| {
            let zero = Share { part: 0, of: 0 };
            trials.iter().fold(zero, |sum, trial| Share {
                part: sum.part + part(trial).part,
                of: sum.of + part(trial).of,
            })
        };
        let beyond = |trial: &Trial| trial.p99 - trial.limit.unwrap_or(0.0);
        let slowest = trials
            .iter()
            .max_by(|a, b| beyond(a).total_cmp(&beyond(b)))
            .expect("a kind has a run");
        Self {
            kind,
            runs: trials.len(),
            kept: add(|trial| trial.kept),
            p99: slowest.p99,
            limit: slowest.limit,
            control: add(|trial| trial.control),
        }
    }

    fn line(&self) -> String {
        let (kept, of) = (thousands(self.kept.part), thousands(self.kept.of));
        let limit = self
            .limit
            .map_or("-".into(), |limit| format!("{limit:.1} ms"));
        format!(
            "{:8}{:>5}{kept:>9} of {of:8}{:>9}{:>12}{:>11}{:>11}{:>12}",
            self.kind,
            self.runs,
            percent(self.kept.ratio()),
            exactly(lower_bound(self.kept)),
            format!("{:.1} ms", self.p99),
            limit,
            percent(self.control.ratio()),
        )
    }
}

impl Sums {
    pub fn of(trials: Vec<Trial>) -> Option<Self> {
        let &Trial {
            promise, of_what, ..
        } = trials.first()?;
        let mut kinds: Vec<_> = trials.iter().map(|trial| trial.kind).collect();
        kinds.dedup();
        let row = |kind| {
            let of_kind: Vec<_> = trials.iter().filter(|trial| trial.kind == kind).collect();
            Row::of(kind, &of_kind)
        };
        let mut rows: Vec<_> = kinds.into_iter().map(row).collect();
        rows.push(Row::of("all", &trials.iter().collect::<Vec<_>>()));
        let bars = bars(&rows, &trials);
        // Only a machine that stood still in a run that went wrong is an excuse.
        let wrong = trials.iter().filter(|trial| trial.verdict != Verdict::Kept);
        let latest = wrong.map(|trial| trial.latest).max();
        Some(Self {
            promise,
            of_what,
            verdict: verdict::verdict(&bars, latest.unwrap_or(Duration::ZERO)),
            rows,
            trials,
            bars,
        })
    }

    fn all(&self) -> Share {
        self.rows[self.rows.len() - 1].kept
    }

    pub fn screen(&self) -> String {
        let heading = format!(
            "{:8}{:>5}{:>20}{:>10}{:>12}{:>11}{:>11}{:>12}",
            "",
            "runs",
            "answered, protected",
            "share",
            "at least*",
            "worst p99",
            "its limit",
            "unprotected"
        );
        // One kind is all.
        let rows = self.rows.iter().skip(usize::from(self.rows.len() == 2));
        let rows = rows.map(Row::line);
        let table = std::iter::once(heading).chain(rows).collect::<Vec<_>>();
        let (sure, all) = (format!("{:.0} %", CONFIDENCE * 100.0), self.all());
        let words = format!(
            "{}: {} of {} {} were lost in {} runs: with {sure} confidence at least {} are answered.",
            self.verdict.name(self.promise),
            thousands(all.lost()),
            thousands(all.of),
            self.of_what,
            self.trials.len(),
            exactly(lower_bound(all)),
        );
        let note = format!(
            "* lower {sure} bound (Clopper and Pearson), the calls taken for independent of each other"
        );
        [table.join("\n"), note, screen::bars(&self.bars), words].join("\n\n")
    }

    pub fn document(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "kind": row.kind,
                "runs": row.runs,
                "kept": share(&row.kept),
                "lower_bound": lower_bound(row.kept),
                "worst_p99_ms": row.p99,
                "its_limit_ms": row.limit,
                "control": share(&row.control),
            })
        };
        json!({
            "confidence": CONFIDENCE,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "trials": self.trials.iter().map(Trial::document).collect::<Vec<_>>(),
            "bars": self.bars.iter().map(bar).collect::<Vec<_>>(),
            "verdict": self.verdict.name(self.promise),
            "exit": self.verdict.exit_code(),
        })
    }
}

/// A bound, with all the digits that tell it from the whole.
fn exactly(share: f64) -> String {
    format!("{:.4} %", (share * 1e6).floor() / 1e4)
}

/// The last row is that of all runs.
fn bars(rows: &[Row], trials: &[Trial]) -> Vec<Bar> {
    let Some((all, kinds)) = rows.split_last() else {
        return Vec::new();
    };
    let answered = Rule::AtLeast(BOTH_ANSWER);
    let worst = kinds.iter().map(|row| row.kept.ratio());
    let worst = worst.fold(1.0, f64::min);
    let missed = |control| {
        trials
            .iter()
            .flat_map(|trial| trial.missed(control))
            .count() as f64
    };
    let none = Rule::AtMost(0.0);
    let mut bars = vec![
        Bar::of(
            "answered behind the protection, in all",
            all.kept.ratio(),
            answered,
            Unit::Share,
        ),
        Bar::of(
            "answered, of the kind that fared worst",
            worst,
            answered,
            Unit::Share,
        ),
        Bar::of(
            "other bars missed, in all runs",
            missed(false),
            none,
            Unit::Count,
        ),
        Bar::of(
            "controls that came to no harm",
            missed(true),
            none,
            Unit::Count,
        )
        .control(),
    ];
    if let Some(limit) = all.limit {
        bars.push(Bar::of(
            "p99, in the run nearest to its limit",
            all.p99,
            Rule::AtMost(limit),
            Unit::Millis,
        ));
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(kind: &'static str, lost: usize, other: Option<Bar>) -> Trial {
        let kept = Share {
            part: 1_600 - lost,
            of: 1_600,
        };
        let answered = Rule::AtLeast(BOTH_ANSWER);
        let bar = Bar::of("lists", kept.ratio(), answered, Unit::Share);
        let bars: Vec<_> = other.into_iter().chain([bar]).collect();
        Trial {
            promise: "KEPT",
            of_what: "lists",
            kind,
            seed: 1,
            kept,
            summed: "lists",
            control: kept,
            p99: 3.0,
            limit: Some(10.0),
            verdict: verdict::verdict(&bars, Duration::ZERO),
            bars,
            latest: Duration::ZERO,
        }
    }

    fn verdict_of(trials: impl IntoIterator<Item = Trial>) -> Verdict {
        let sums = Sums::of(trials.into_iter().collect());
        sums.expect("there are trials").verdict
    }

    #[test]
    fn a_loss_counts_among_all_calls_of_its_kind() {
        let unlucky = || trial("hang", 3, None);
        assert_eq!(unlucky().verdict, Verdict::Broken);
        assert_eq!(verdict_of([unlucky()]), Verdict::Broken);
        let lucky = |kind| [1, 2].map(|_| trial(kind, 0, None));
        assert_eq!(
            verdict_of(lucky("hang").into_iter().chain([unlucky()])),
            Verdict::Kept
        );
        // Another kind is no excuse.
        assert_eq!(
            verdict_of(lucky("slow").into_iter().chain([unlucky()])),
            Verdict::Broken
        );
    }

    #[test]
    fn any_other_bar_has_to_be_met_in_every_run() {
        let missed = Bar::of("probes", 6.0, Rule::AtMost(5.0), Unit::Count);
        let with = |bar| [trial("hang", 0, None), trial("hang", 0, Some(bar))];
        assert_eq!(verdict_of(with(missed)), Verdict::Broken);
        assert_eq!(verdict_of(with(missed.control())), Verdict::Unproven);
    }
}
