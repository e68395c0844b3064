//! The screen of a file that is edited.

use std::time::Duration;

use super::editor::{Editor, STRICT};
use super::run::{CALLS_PER_SECOND, Live, PROMISE};
use super::seen::{Told, What};
use super::service::FAIL_OF_TEN;
use crate::report;
use crate::screen;
use crate::text::{exact, percent, secs};
use crate::verdict::Verdict;

pub fn screen(live: &Live) -> String {
    [
        head(live),
        table(live),
        screen::bars(&live.bars),
        words(live),
    ]
    .join("\n\n")
}

fn head(live: &Live) -> String {
    let (seed, cores) = (live.seed, live.cores);
    let breaker = live.policy.breaker.as_ref();
    let breaker = breaker.map_or("none in this file".into(), report::breaker);
    let file = match &live.editor {
        Editor::Script(_) => "\
A script edits a copy of examples/storefront/storefront.yaml.
To edit a file of yours while it runs: --act live --config FILE"
            .into(),
        Editor::You(path) => format!("You edit {}.", path.display()),
    };
    format!(
        "\
buttress storefront · a file edited while it runs · seed {seed} · {cores} cores
One shop, one file of policies. Every figure is measured in this run.
From the first second to the last, {FAIL_OF_TEN} of 10 calls fail that reach the member service.
Load: {CALLS_PER_SECOND}/s. The policy `members` at the start:
Breaker:  {breaker}
{file}"
    )
}

/// The policy as it was found every so often, and between that all that happened.
fn table(live: &Live) -> String {
    let heading = format!(
        "{:>8}  {:>13}  {:10}{:>7}{:>11}{:>9}{:>10}",
        "until", "failure_ratio", "breaker", "calls", "answered", "failed", "refused"
    );
    let rows = live.rows.iter().map(|row| {
        let calls: usize = row.calls.iter().sum();
        let [answered, failed, refused] = row
            .calls
            .map(|part| percent(part as f64 / calls.max(1) as f64));
        let ratio = row.ratio.map_or("-".into(), |ratio| ratio.to_string());
        let state = row.state.map_or("-", |state| state.as_str());
        let until = secs(row.until);
        let line = format!(
            "{until:>8}  {ratio:>13}  {state:10}{calls:>7}{answered:>11}{failed:>9}{refused:>10}"
        );
        (row.until, line)
    });
    let happened = |at, what: &str| (at, format!("{:>8}    {what}", exact(at)));
    let edits = live.edits.iter();
    let edits = edits.map(|edit| happened(edit.at, &format!("saved: {}", edit.says)));
    let told = happenings(&live.told).into_iter();
    let told = told.map(|(at, what)| happened(at, &what));
    let mut lines: Vec<(Duration, String)> = rows.chain(edits).chain(told).collect();
    lines.sort_by_key(|(at, _)| *at);
    let lines = lines.into_iter().map(|(_, line)| line);
    let lines: Vec<_> = std::iter::once(heading).chain(lines).collect();
    lines.join("\n")
}

/// In words. A breaker whose ratio is just about what fails opens and closes all the time: after an edit
/// only the first of it is told.
fn happenings(told: &[Told]) -> Vec<(Duration, String)> {
    const CHANGES: usize = 2;
    let mut changes = 0;
    let mut lines = Vec::new();
    for Told { at, what } in told {
        changes += 1;
        let says = match what {
            What::File(fate) => {
                changes = 0;
                fate.lines()
            }
            _ if changes == CHANGES + 1 => vec!["... and so on".into()],
            _ if changes > CHANGES => Vec::new(),
            What::Opened { calls, failed } => {
                vec![format!("opened: of the last {calls} calls {failed} failed")]
            }
            What::Closed { probes, failed } => {
                let answered = probes - failed;
                vec![format!("closed: {answered} of {probes} probes answered")]
            }
        };
        lines.extend(says.into_iter().map(|line| (*at, line)));
    }
    lines
}

fn words(live: &Live) -> String {
    let measured = |bar: usize| exact(Duration::from_secs_f64(live.bars[bar].measured));
    let count = |bar: usize| live.bars[bar].measured;
    let script = matches!(live.editor, Editor::Script(_));
    let verdict = match live.verdict {
        Verdict::Kept if script => {
            let (ratio, calls) = (STRICT.1, count(3));
            let [in_force, opened, reported, closed] = [1, 2, 4, 6].map(measured);
            format!(
                "{ratio} was in force {in_force} after it was saved, and the breaker open after {opened}: it judged\n\
                 the {calls} calls that it knew. The wrong ratio was reported after {reported}, with its path, and\n\
                 changed nothing. {closed} after the old text was saved the breaker had closed."
            )
        }
        Verdict::Kept => format!(
            "of {} edits the slowest was in force, or reported, after {}; what was wrong changed nothing.",
            count(0),
            measured(1)
        ),
        Verdict::Broken => "an edit came too late, or did what it should not.".into(),
        Verdict::Unproven if live.bars.iter().any(|bar| !bar.control && !bar.met()) => {
            format!(
                "this machine stood still for {}, so this run proves nothing",
                exact(live.latest)
            )
        }
        Verdict::Unproven if script => {
            "the breaker opened before anything was edited, so this run proves nothing".into()
        }
        Verdict::Unproven => "nobody edited `members`, so this run proves nothing".into(),
    };
    let mut lines = vec![format!("{}: {verdict}", live.verdict.name(PROMISE))];
    lines.extend(screen::missed(&live.bars));
    let latest = live.latest.as_millis();
    lines.push(format!("No call was sent more than {latest} ms late."));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Fate;

    #[test]
    fn a_breaker_that_flaps_is_told_of_once_for_each_edit() {
        let opened = || What::Opened {
            calls: 20,
            failed: 6,
        };
        let taken = || What::File(Fate::Taken(Vec::new()));
        let told = [opened(), opened(), opened(), opened(), taken(), opened()];
        let told = told.map(|what| Told {
            at: Duration::ZERO,
            what,
        });
        let lines: Vec<_> = happenings(&told)
            .into_iter()
            .map(|(_, line)| line)
            .collect();
        let line = "opened: of the last 20 calls 6 failed";
        let edit = "taken: nothing is another";
        assert_eq!(lines, [line, line, "... and so on", edit, line]);
    }
}
