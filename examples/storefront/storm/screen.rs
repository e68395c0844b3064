//! The screen of a storm.

use std::time::Duration;

use super::figures::{Figures, HEALTHY, Phase};
use super::run::{
    AFTER, ATTEMPT_TIMEOUT, CALLS_PER_SECOND, CALLS_PER_SECOND_IN_TRIGGER, ENDS, OVER, PROMISE,
    STRIKES, Storm, TRIGGER,
};
use crate::limited::{PER_SECOND, QUEUE};
use crate::screen;
use crate::text::{exact, percent, secs, thousands};
use crate::verdict::Verdict;

pub fn screen(storm: &Storm) -> String {
    let edits = screen::edits(&storm.edits);
    let parts = [head(storm), strips(storm), table(storm)].into_iter();
    let parts = parts.chain(edits);
    let parts = parts.chain([screen::bars(&storm.bars), words(storm)]);
    parts.collect::<Vec<_>>().join("\n\n")
}

fn head(storm: &Storm) -> String {
    let (seed, cores) = (storm.seed, storm.cores);
    let (strikes, over) = (secs(STRIKES), secs(OVER));
    let (timeout, attempts) = (ATTEMPT_TIMEOUT.as_millis(), storm.terms.attempts);
    let trigger = thousands(CALLS_PER_SECOND_IN_TRIGGER as usize);
    format!(
        "\
buttress storefront · a retry storm · seed {seed} · {cores} cores
One shop, two copies, one clock. Every figure is measured in this run.
The order service can do {PER_SECOND}/s, keeps {QUEUE} waiting and refuses the rest at once. It does
the work of callers who have left as well, since nobody tells it.
Load per copy: {CALLS_PER_SECOND}/s; from {strikes} to {over}, the trigger: {trigger}/s
Same code, same {timeout} ms for an attempt, same {attempts} attempts, same backoff. Only this differs:
  A  a loop that tries again    B  a retry that draws on a budget"
    )
}

fn strips(storm: &Storm) -> String {
    let trigger = thousands(CALLS_PER_SECOND_IN_TRIGGER as usize);
    let phases = [
        (Duration::ZERO, &*CALLS_PER_SECOND.to_string()),
        (STRIKES, &format!("{trigger}/s")),
        (OVER, &format!("{CALLS_PER_SECOND}/s again")),
    ];
    let times = [Duration::ZERO, STRIKES, OVER, ENDS];
    let [a, b] = storm.figures.each_ref().map(|copy| &copy.strip[..]);
    screen::strips(&phases, &times, &[("calls  A", a), ("calls  B", b)])
}

fn table(storm: &Storm) -> String {
    let line = |label: &str, [a, b]: [String; 2]| format!("{label:49}{a:>14}{b:>14}");
    let row = |label: &str, figure: &dyn Fn(&Figures) -> String| {
        line(label, storm.figures.each_ref().map(figure))
    };
    let times = |phase: Phase| format!("{:.2}", phase.amplification());
    let (trigger, after) = (TRIGGER.end - TRIGGER.start, AFTER.end - AFTER.start);
    [
        line("", ["A", "B"].map(String::from)),
        format!("during the trigger ({})", secs(trigger)),
        row("calls answered", &|copy| copy.trigger.answered.to_string()),
        row("attempts for each call", &|copy| times(copy.trigger)),
        format!("after it ({})", secs(after)),
        row("calls answered", &|copy| copy.after.answered.to_string()),
        row("attempts for each call", &|copy| times(copy.after)),
        row("work of the service for callers who had left", &|copy| {
            copy.in_vain.to_string()
        }),
        row("well again, for good, after", &|copy| {
            recovery(copy.recovery)
        }),
    ]
    .join("\n")
}

fn recovery(after: Option<Duration>) -> String {
    after.map_or("never".into(), exact)
}

fn words(storm: &Storm) -> String {
    let [a, b] = &storm.figures;
    let after = secs(AFTER.end - AFTER.start);
    let verdict = match storm.verdict {
        Verdict::Kept => format!(
            "B was well again {} after the overload, A not in the {after} that were left.",
            recovery(b.recovery),
        ),
        Verdict::Broken => format!(
            "after the overload B answered {}, with {} extra attempts where {:.0} are allowed.",
            b.after.answered,
            thousands(b.extra as usize),
            b.allowed
        ),
        Verdict::Unproven if storm.bars.iter().any(|bar| !bar.control && !bar.met()) => {
            format!(
                "this machine stood still for {}, so this run proves nothing",
                exact(storm.latest)
            )
        }
        Verdict::Unproven if a.before.answered.ratio() < HEALTHY => {
            "the service could not do its work even before, so this run proves nothing".into()
        }
        Verdict::Unproven => "the control recovered by itself, so this run proves nothing".into(),
    };
    let mut lines = vec![format!("{}: {verdict}", storm.verdict.name(PROMISE))];
    lines.extend(screen::missed(&storm.bars));
    if storm.verdict == Verdict::Kept {
        lines.push(format!(
            "Its load keeps A down: {:.2} attempts x {CALLS_PER_SECOND}/s are {} of what the service can do.",
            a.after.amplification(),
            percent(a.after.amplification() * f64::from(CALLS_PER_SECOND) / f64::from(PER_SECOND)),
        ));
        lines.push(
            "Neither copy is spared the overload itself; a rate limiter refuses it early: `--act neighbour`."
                .into(),
        );
    }
    let latest = storm.latest.as_millis();
    lines.push(format!("No call began more than {latest} ms late."));
    lines.join("\n")
}
