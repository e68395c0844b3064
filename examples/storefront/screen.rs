//! What the screens of all acts are made of: strips, bars and colours.

use std::env;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

use crate::figures::{CELL, Share};
use crate::text::percent;
use crate::verdict::{Bar, Rule, Unit};

/// What was answered over time: the phases and times at their places, and a line for each copy.
pub fn strips(
    phases: &[(Duration, &str)],
    times: &[Duration],
    copies: &[(&str, &[Share])],
) -> String {
    const MARGIN: usize = 17;
    let column = |at: Duration| MARGIN + (at.as_millis() / CELL.as_millis()) as usize;
    let (mut names, mut clock) = (String::new(), String::new());
    for (at, name) in phases {
        names = format!("{names:width$}{name}", width = column(*at));
    }
    for at in times {
        clock = format!("{clock:width$}{}s", at.as_secs(), width = column(*at));
    }
    let mut lines = vec![names, clock];
    for (label, strip) in copies {
        let strip: String = strip.iter().map(cell).collect();
        lines.push(format!("{label:MARGIN$}{strip}"));
    }
    let legend = "answered: █ >=99 %  ▓ >=90 %  ▒ >=50 %  ░ less  · none";
    lines.push(format!("{:MARGIN$}{legend}", ""));
    lines.join("\n")
}

fn cell(answered: &Share) -> char {
    match answered.ratio() {
        0.99.. => '█',
        0.90.. => '▓',
        0.50.. => '▒',
        ratio if ratio > 0.0 => '░',
        _ => '·',
    }
}

pub fn bars(bars: &[Bar]) -> String {
    let heading = format!("{:48}{:>10}{:>12}", "bars", "measured", "promised");
    let line = |bar: &Bar| {
        let (sign, limit) = match bar.rule {
            Rule::AtLeast(limit) => (">=", limit),
            Rule::AtMost(limit) => ("<=", limit),
            Rule::Below(limit) => ("<", limit),
        };
        let show = |value| match bar.unit {
            Unit::Share => percent(value),
            Unit::Count => format!("{value:.0}"),
            Unit::Times => format!("{value:.2}"),
            Unit::Seconds if value.is_finite() => format!("{value:.2} s"),
            Unit::Millis if value.is_finite() => format!("{value:.1} ms"),
            Unit::Seconds | Unit::Millis => "never".into(),
        };
        let (measured, promised) = (show(bar.measured), format!("{sign} {}", show(limit)));
        let met = if bar.met() { "met" } else { "MISSED" };
        format!("  {:46}{measured:>10}{promised:>12}  {met}", bar.name)
    };
    let lines: Vec<_> = std::iter::once(heading)
        .chain(bars.iter().map(line))
        .collect();
    lines.join("\n")
}

/// What became of the file while the run went on, if anything did.
pub fn edits(edits: &[String]) -> Option<String> {
    let heading = "the file was edited; the bars are for what it said when the run began";
    let lines = std::iter::once(heading).chain(edits.iter().map(String::as_str));
    (!edits.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"))
}

/// The bars that were missed, if any were.
pub fn missed(bars: &[Bar]) -> Option<String> {
    let missed = bars.iter().filter(|bar| !bar.met());
    let missed: Vec<_> = missed.map(|bar| bar.name).collect();
    (!missed.is_empty()).then(|| format!("Missed: {}.", missed.join("; ")))
}

/// What was answered in green, what was lost in red.
pub fn coloured(screen: String) -> String {
    if !stdout().is_terminal() || env::var_os("NO_COLOR").is_some() {
        return screen;
    }
    let mut out = String::new();
    for part in screen.chars() {
        match part {
            '█' => out.push_str("\x1b[32m█\x1b[0m"),
            '▓' | '▒' => out.push_str(&format!("\x1b[33m{part}\x1b[0m")),
            '░' => out.push_str("\x1b[31m░\x1b[0m"),
            _ => out.push(part),
        }
    }
    out
}
