//! The screen of a chain.

use std::iter::once;

use super::figures::{self, Figures};
use super::run::{CHECKOUTS_PER_SECOND, Chain, FAULT, HEALS, PROMISE, ROW, STRIKES};
use crate::screen;
use crate::text::{exact, secs};
use crate::verdict::Verdict;

pub fn screen(chain: &Chain) -> String {
    let edits = screen::edits(&chain.edits);
    let parts = [head(chain), seconds(chain), table(chain)].into_iter();
    let parts = parts.chain(edits);
    let parts = parts.chain([screen::bars(&chain.bars), words(chain)]);
    parts.collect::<Vec<_>>().join("\n\n")
}

fn head(chain: &Chain) -> String {
    let (seed, cores) = (chain.seed, chain.cores);
    let (strikes, heals) = (secs(STRIKES), secs(HEALS));
    let (attempts, backoff) = (chain.terms.attempts, chain.terms.backoff.planned(1));
    let backoff = backoff.as_millis();
    format!(
        "\
buttress storefront · a chain · seed {seed} · {cores} cores
One shop, two copies, one clock. Every figure is measured in this run.
The shop calls checkout, checkout calls order, order calls member; each of them retries.
From {strikes} to {heals} member answers 503 at once.
Load per copy: {CHECKOUTS_PER_SECOND}/s checkouts
Same code, same {attempts} attempts, same backoff from {backoff} ms. Only this differs:
  A  a loop that tries again    B  a retry at every hop, each with a budget of its own"
    )
}

/// A bar for each second and copy.
fn seconds(chain: &Chain) -> String {
    let attempts = chain.terms.attempts;
    let most = u64::from(attempts).saturating_pow(ROW.len() as u32);
    let heading = format!(
        "attempts at {} for each checkout (three hops of {attempts} attempts: at most {most})",
        ROW[ROW.len() - 1]
    );
    let [a, b] = &chain.figures;
    let lines = a.seconds.iter().zip(&b.seconds).zip(0..);
    let lines = lines.flat_map(|((a, b), second)| {
        let phase = match second {
            second if second < STRIKES.as_secs() => "healthy",
            second if second < HEALS.as_secs() => "fails",
            _ => "healed",
        };
        let bar = |copy, value: f64| {
            let cells = "█".repeat((value * 2.0).round() as usize);
            format!("{copy}  {cells} {value:.1}")
        };
        [
            format!("{second:>3}s  {phase:10}{}", bar('A', *a)),
            format!("{:16}{}", "", bar('B', *b)),
        ]
    });
    once(heading).chain(lines).collect::<Vec<_>>().join("\n")
}

fn table(chain: &Chain) -> String {
    let line = |label: &str, [a, b]: [String; 2]| format!("{label:49}{a:>14}{b:>14}");
    let row = |label: &str, figure: &dyn Fn(&Figures) -> String| {
        line(label, chain.figures.each_ref().map(figure))
    };
    let during = format!("during the fault ({})", secs(FAULT.end - FAULT.start));
    let hops = ROW.iter().enumerate().map(|(hop, name)| {
        row(&format!("  at {name}"), &|copy| {
            format!("{:.2}", copy.came[hop])
        })
    });
    let rows = [
        line(&during, ["A", "B"].map(String::from)),
        "attempts for each checkout".into(),
    ];
    let rows = rows.into_iter().chain(hops).chain([
        row("checkouts answered", &|copy| copy.during.to_string()),
        "after it".into(),
        row("checkouts answered", &|copy| copy.after.to_string()),
    ]);
    rows.collect::<Vec<_>>().join("\n")
}

fn words(chain: &Chain) -> String {
    let [a, b] = chain
        .figures
        .each_ref()
        .map(|copy| copy.came[ROW.len() - 1]);
    let allowed = chain.figures[1].allowed;
    let verdict = match chain.verdict {
        Verdict::Kept => {
            format!("for one checkout member was asked {b:.2} times in B and {a:.1} times in A.")
        }
        Verdict::Broken => format!(
            "for one checkout member was asked {b:.2} times in B, where {allowed:.2} are allowed."
        ),
        Verdict::Unproven if chain.bars.iter().any(|bar| !bar.control && !bar.met()) => {
            format!(
                "this machine stood still for {}, so this run proves nothing",
                exact(chain.latest)
            )
        }
        Verdict::Unproven => {
            format!("the control asked only {a:.1} times, so this run proves nothing")
        }
    };
    let mut lines = vec![format!("{}: {verdict}", chain.verdict.name(PROMISE))];
    lines.extend(screen::missed(&chain.bars));
    if chain.verdict == Verdict::Kept {
        let long = figures::allowed_for_ever(&chain.terms.budget);
        lines.push(format!(
            "A short run has the reserve of every hop in it: {allowed:.2} by the law, {long:.2} when it fails for long.",
        ));
    }
    let [a, b] = chain.figures.each_ref().map(|copy| copy.during);
    if a.ratio() > b.ratio() + 0.02 {
        lines.push(format!(
            "The price: of the checkouts that met the fault A answered {a}, those that outlived it; B {b}."
        ));
    }
    let latest = chain.latest.as_millis();
    lines.push(format!("No checkout began more than {latest} ms late."));
    lines.join("\n")
}
