//! The screen of a flood.

use std::time::Duration;

use super::door::{BURST, QUOTA};
use super::figures::Figures;
use super::run::{
    CALLS_PER_SECOND, CLIENTS, ENDS, FLOOD, FLOOD_PER_SECOND, Neighbour, OVER, PATIENCE, PROMISE,
    STRIKES,
};
use crate::limited::{PER_SECOND, QUEUE};
use crate::screen;
use crate::text::{exact, secs, thousands, wait};
use crate::verdict::Verdict;

pub fn screen(neighbour: &Neighbour) -> String {
    [
        head(neighbour),
        strips(neighbour),
        table(neighbour),
        screen::bars(&neighbour.bars),
        words(neighbour),
    ]
    .join("\n\n")
}

fn head(neighbour: &Neighbour) -> String {
    let (seed, cores) = (neighbour.seed, neighbour.cores);
    let (strikes, over) = (secs(STRIKES), secs(OVER));
    let patience = PATIENCE.as_millis();
    let flood = thousands(FLOOD_PER_SECOND as usize);
    let times = FLOOD_PER_SECOND / QUOTA;
    format!(
        "\
buttress storefront · a noisy neighbour · seed {seed} · {cores} cores
One shop, two copies, one clock. Every figure is measured in this run.
The shop can do {PER_SECOND}/s, keeps {QUEUE} waiting and refuses the rest at once.
Load per copy: {CLIENTS} clients with {CALLS_PER_SECOND}/s each; from {strikes} to {over} one of them comes with {flood}/s,
{times} times its quota. Same code, same {patience} ms of patience. Only this differs:
  A  no quotas    B  a rate limiter for each client: {QUOTA}/s, at most {BURST} at once"
    )
}

fn strips(neighbour: &Neighbour) -> String {
    let phases = [(STRIKES, "one floods"), (OVER, "over")];
    let times = [Duration::ZERO, STRIKES, OVER, ENDS];
    let [a, b] = &neighbour.figures;
    screen::strips(
        &phases,
        &times,
        &[
            ("the others  A", &a.strip_others),
            ("the others  B", &b.strip_others),
            ("the flooder A", &a.strip_flooder),
            ("the flooder B", &b.strip_flooder),
        ],
    )
}

fn table(neighbour: &Neighbour) -> String {
    let line = |label: &str, [a, b]: [String; 2]| format!("{label:49}{a:>14}{b:>14}");
    let row = |label: &str, figure: &dyn Fn(&Figures) -> String| {
        line(label, neighbour.figures.each_ref().map(figure))
    };
    let flood = (FLOOD.end - FLOOD.start).as_secs_f64();
    let during = format!("during the flood ({flood:.1} s)");
    [
        line(&during, ["A", "B"].map(String::from)),
        row("calls of the others answered", &|copy| {
            copy.others.to_string()
        }),
        row("  of the client that fared worst", &|copy| {
            copy.worst.to_string()
        }),
        row("  p50", &|copy| wait(copy.others_p50)),
        row("  p99", &|copy| wait(copy.others_p99)),
        row(
            &format!("calls of the flooder answered per second (of {QUOTA})"),
            &|copy| format!("{:.1}", copy.flooder.part as f64 / flood),
        ),
        row("  turned away at the door: 429, Retry-After", &|copy| {
            copy.over_quota.to_string()
        }),
        row("  median time to that", &|copy| wait(copy.time_to_no)),
        "after it".into(),
        row("calls of the others answered", &|copy| {
            copy.after.to_string()
        }),
    ]
    .join("\n")
}

fn words(neighbour: &Neighbour) -> String {
    let [a, b] = &neighbour.figures;
    let (lost, of) = (b.others.lost(), thousands(b.others.of));
    let verdict = match neighbour.verdict {
        Verdict::Kept => format!(
            "behind quotas the others lost {lost} of {of} calls, without them {}.",
            thousands(a.others.lost())
        ),
        Verdict::Broken => format!(
            "behind quotas the others lost {lost} of {of} calls, and {} of the flooder's were let in\n\
             where {:.0} are allowed.",
            b.let_in, b.allowed
        ),
        Verdict::Unproven if neighbour.bars.iter().any(|bar| !bar.control && !bar.met()) => {
            format!(
                "this machine stood still for {}, so this run proves nothing",
                exact(neighbour.latest)
            )
        }
        Verdict::Unproven => {
            "the control did not suffer from the flood alone, so this run proves nothing".into()
        }
    };
    let mut lines = vec![format!("{}: {verdict}", neighbour.verdict.name(PROMISE))];
    lines.extend(screen::missed(&neighbour.bars));
    if neighbour.verdict == Verdict::Kept {
        lines.push(format!(
            "The flooder kept its quota, {} calls in {}; what went beyond it never reached the queue.",
            b.let_in,
            secs(FLOOD.end - FLOOD.start)
        ));
    }
    let latest = neighbour.latest.as_millis();
    lines.push(format!("No call was sent more than {latest} ms late."));
    lines.join("\n")
}
