//! The second half of the screen: what the breakers saw, and the verdict in words.

use crate::fault::HEALS;
use crate::run::{PROMISE, Run};
use crate::screen;
use crate::slots::SLOTS;
use crate::story::{Change, Judged, Span};
use crate::text::{exact, secs, thousands};
use crate::verdict::Verdict;

/// Breaker B's in a line for each span, lost rounds after the first told together; and of D when it
/// opened.
pub fn story(run: &Run) -> String {
    let [spans, d_saw] = &run.saw;
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
    let refused = thousands(run.refused as usize);
    let opened = d_saw.first().map(|first| exact(first.from));
    let opened = opened.map_or("never opened".into(), |at| format!("first opened at {at}"));
    lines.push(format!(
        "what held in D: the breaker {opened}, the bulkhead refused {refused} calls"
    ));
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
                "{at:>8}  closed: {} of {calls} probes answered{healed}",
                calls - failed
            )
        }
    }
}

/// The verdict, and no word more than the run has shown.
pub fn words(run: &Run) -> String {
    let [a, b, _, d] = &run.figures;
    let (d_lost, of) = (thousands(d.lists.lost()), thousands(d.lists.of));
    let b_lost = thousands(b.lists.lost());
    let verdict = match run.verdict {
        Verdict::Kept => {
            let down = secs(run.fault.down());
            let [b_hurt, d_hurt] = run.hurt.map(exact);
            format!(
                "member was down {down}. The product list was hurt for {d_hurt} of them with breaker\n\
                 and bulkhead (D), for {b_hurt} with a breaker alone (B)."
            )
        }
        Verdict::Broken => {
            format!(
                "with breaker and bulkhead {d_lost} of {of} lists were lost, with a breaker {b_lost}."
            )
        }
        Verdict::Unproven if run.bars.iter().any(|bar| !bar.control && !bar.met()) => {
            format!(
                "this machine stood still for {}, so this run proves nothing",
                exact(run.latest)
            )
        }
        Verdict::Unproven if run.saw[0].is_empty() => {
            "the breaker of B never opened, so this run proves nothing".into()
        }
        Verdict::Unproven => "the control survived, so this run proves nothing".into(),
    };
    let mut lines = vec![format!("{}: {verdict}", run.verdict.name(PROMISE))];

    lines.extend(screen::missed(&run.bars));
    if run.verdict == Verdict::Kept {
        lines.extend(gap(run));
    }
    if run.verdict != Verdict::Unproven && run.fault.control_below().is_none() {
        lines.push(format!(
            "This fault holds no slot, its errors come at once: without protection {} of the lists\n\
             were answered, too, and the verdict is on B and D alone.",
            a.lists
        ));
    }
    if a.pages.ratio() > b.pages.ratio().min(d.pages.ratio()) + 0.05 {
        lines.push(format!(
            "The price: member pages answered {} without protection, {} by B, {} by D.",
            a.pages, b.pages, d.pages
        ));
    }
    let (latest, silent) = (run.latest.as_millis(), run.silent);
    lines.push(format!(
        "No request was sent more than {latest} ms late; {silent} were never answered."
    ));
    lines.join("\n")
}

/// What a breaker alone cannot save, and what became of it behind the bulkhead.
fn gap(run: &Run) -> Option<String> {
    let [_, b, _, d] = &run.figures;
    let (before, lost) = (run.lost_before, d.lists.lost());
    let after = b.lists.lost() - before;
    (lost < before).then(|| {
        format!(
            "A breaker must see harm before it acts: B lost {before} lists before it first opened, {after} later.\n\
             The bulkhead closed that gap: D lost {lost}, with {} of its {SLOTS} slots taken at the most.",
            d.fullest
        )
    })
}
