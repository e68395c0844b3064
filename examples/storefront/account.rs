//! The second half of the screen: what breaker B saw, and the verdict in words.

use crate::fault::HEALS;
use crate::run::{PROMISE, Run};
use crate::screen;
use crate::shop::PROBES;
use crate::story::{Change, Judged, Span};
use crate::text::{exact, secs, thousands};
use crate::verdict::Verdict;

/// One line for each span; lost rounds after the first are told together.
pub fn story(spans: &[Span]) -> String {
    let mut lines = vec!["what breaker B saw".into()];
    if spans.is_empty() {
        lines.push("  nothing that made it open".into());
    }
    let mut rest = spans.iter().peekable();
    while let Some(span) = rest.next() {
        lines.push(tell(span));
        if span.came_to == Change::Reopened {
            let lost = std::iter::from_fn(|| rest.next_if(|next| next.came_to == Change::Reopened));
            let more: Vec<u64> = lost.map(|span| span.reached).collect();
            if !more.is_empty() {
                let (rounds, probes) = (more.len(), more.iter().sum::<u64>());
                lines.push(format!(
                    "          ... {rounds} more rounds, {probes} probes"
                ));
            }
        }
    }
    lines.join("\n")
}

fn tell(span: &Span) -> String {
    let Judged {
        calls,
        failed,
        slow,
    } = span.judged;
    let blame = match (failed, slow) {
        (failed, 0) => format!("{failed} failed"),
        (0, slow) => format!("{slow} slow, none failed"),
        (failed, slow) => format!("{failed} failed, {slow} slow"),
    };
    let probes = span.reached;
    let (from, at) = (exact(span.from), exact(span.at));
    match span.came_to {
        Change::Opened => format!("{from:>8}  opened: of the last {calls} calls {blame}"),
        Change::Reopened => {
            format!("{from:>8}  half-open, {probes} probes arrived; re-opened at {at}: {blame}")
        }
        Change::HalfOpened => {
            format!("{from:>8}  half-open, {probes} probes arrived; the run was over first")
        }
        Change::Closed => {
            let healed = span.at.checked_sub(HEALS).map(exact);
            let healed = healed.map_or(String::new(), |after| format!(", {after} after the heal"));
            format!(
                "{at:>8}  closed: {} of {PROBES} probes answered{healed}",
                calls - failed
            )
        }
    }
}

/// The verdict, and no word more than the run has shown.
pub fn words(run: &Run) -> String {
    let [a, b, _] = &run.figures;
    let (lost, of) = (b.lists.of - b.lists.part, thousands(b.lists.of));
    let (before, after) = (run.lost_before, thousands(lost - run.lost_before));
    let verdict = match run.verdict {
        Verdict::Kept => {
            let (down, hurt) = (secs(run.fault.down()), exact(run.hurt));
            format!("member was down {down}, the product list was hurt for {hurt} of them.")
        }
        Verdict::Broken if run.spans.is_empty() => {
            format!(
                "B lost {} of {of} lists, and its breaker never opened.",
                thousands(lost)
            )
        }
        Verdict::Broken => {
            let lost = thousands(lost);
            format!("B lost {lost} of {of} lists, {before} before its breaker first opened.")
        }
        Verdict::Unproven if run.bars.iter().any(|bar| !bar.control && !bar.met()) => {
            format!(
                "this machine stood still for {}, so this run proves nothing",
                exact(run.latest)
            )
        }
        Verdict::Unproven if run.spans.is_empty() => {
            "the breaker of B never opened, so this run proves nothing".into()
        }
        Verdict::Unproven => "the control survived, so this run proves nothing".into(),
    };
    let mut lines = vec![format!("{}: {verdict}", run.verdict.name(PROMISE))];

    lines.extend(screen::missed(&run.bars));
    if run.verdict != Verdict::Unproven && run.fault.control_below().is_none() {
        lines.push(
            "This fault holds no slot, its errors come at once: the verdict is on B alone.".into(),
        );
        lines.push(format!(
            "Without a breaker {} of the lists were answered, with it {}.",
            a.lists, b.lists
        ));
    }
    if run.verdict == Verdict::Kept && before > 0 {
        lines.push(format!(
            "Lost before the breaker could know: {before} of {of} lists; later: {after}."
        ));
        lines.push(
            "A breaker must see harm before it acts; closing that gap is a bulkhead's work.".into(),
        );
    }
    if a.pages.ratio() > b.pages.ratio() + 0.05 {
        let (a, b) = (a.pages, b.pages);
        lines.push(format!(
            "The price: member pages answered {a} without a breaker, {b} with it."
        ));
    }
    let (latest, silent) = (run.latest.as_millis(), run.silent);
    lines.push(format!(
        "No request was sent more than {latest} ms late; {silent} were never answered."
    ));
    lines.join("\n")
}
