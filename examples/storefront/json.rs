//! The same figures as one document for machines.

use serde_json::{Value, json};

use crate::Played;
use crate::chain;
use crate::fault::{ENDS, HEALS, STRIKES, SWITCHED_OFF, SWITCHED_ON};
use crate::figures::{CELL, DEADLINE, Figures, Share};
use crate::live;
use crate::load::{LISTS_PER_SECOND, PAGES_PER_SECOND};
use crate::neighbour;
use crate::run::{PROMISE, Policy, Run};
use crate::shop::CLIENT_TIMEOUT;
use crate::slots::SLOTS;
use crate::storm;
use crate::story::{Change, Span};
use crate::sums::Sums;
use crate::verdict::{Bar, Rule, Unit};

/// An act that was not played is null, or empty; `worst` is the verdict of all, its name and its exit
/// code.
pub fn document(played: &Played, worst: (&str, u8)) -> Value {
    json!({
        "storefront": {
            "clock": {
                "strikes_s": STRIKES.as_secs_f64(),
                "heals_s": HEALS.as_secs_f64(),
                "ends_s": ENDS.as_secs_f64(),
                "c_switched_off_s": SWITCHED_OFF.as_secs_f64(),
                "c_switched_on_s": SWITCHED_ON.as_secs_f64(),
            },
            "client_timeout_s": CLIENT_TIMEOUT.as_secs_f64(),
            "slots": SLOTS,
            "lists_per_s": LISTS_PER_SECOND,
            "pages_per_s": PAGES_PER_SECOND,
            "list_deadline_s": DEADLINE.as_secs_f64(),
        },
        "runs": played.runs.iter().map(run).collect::<Vec<_>>(),
        "storm": played.storm.as_ref().map(storm::document),
        "chain": played.chain.as_ref().map(chain::document),
        "neighbour": played.neighbours.iter().map(neighbour::document).collect::<Vec<_>>(),
        "live": played.live.as_ref().map(live::document),
        "sums": played.sums.as_ref().map(Sums::document),
        "verdict": worst.0,
        "exit": worst.1,
    })
}

fn run(run: &Run) -> Value {
    let [a, b, c, d] = run.figures.each_ref().map(figures);
    let [b_saw, d_saw] = run
        .saw
        .each_ref()
        .map(|saw| saw.iter().map(span).collect::<Vec<_>>());
    let [b_hurt, d_hurt] = run.hurt.map(|hurt| hurt.as_secs_f64());
    json!({
        "fault": run.fault.name(),
        "says": run.fault.says(),
        "seed": run.seed,
        "cores": run.cores,
        "policies": { "B": policy(&run.policies[0]), "D": policy(&run.policies[1]) },
        "edits": run.edits,
        "down_s": run.fault.down().as_secs_f64(),
        "copies": { "A": a, "B": b, "C": c, "D": d },
        "breaker_b": b_saw,
        "breaker_d": d_saw,
        "b_hurt_s": b_hurt,
        "d_hurt_s": d_hurt,
        "b_lost_before_opening": run.lost_before,
        "d_refused_by_bulkhead": run.refused,
        "latest_request_ms": run.latest.as_secs_f64() * 1_000.0,
        "unanswered_requests": run.silent,
        "bars": run.bars.iter().map(bar).collect::<Vec<_>>(),
        "verdict": run.verdict.name(PROMISE),
        "exit": run.verdict.exit_code(),
    })
}

fn policy(policy: &Policy) -> Value {
    json!({ "breaker": policy.breaker, "bulkhead": policy.bulkhead })
}

fn figures(figures: &Figures) -> Value {
    let ms = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64() * 1_000.0);
    json!({
        "before": {
            "list_p99_ms": ms(figures.list_p99_before),
            "pages": share(&figures.pages_before),
        },
        "during": {
            "lists": share(&figures.lists),
            "lists_while_c_was_off": share(&figures.lists_while_off),
            "list_p50_ms": ms(figures.list_p50),
            "list_p99_ms": ms(figures.list_p99),
            "no_slot": share(&figures.no_slot),
            "most_slots_taken": figures.fullest,
            "pages": share(&figures.pages),
            "page_median_no_ms": ms(figures.time_to_no),
            "reached_member": figures.reached,
        },
        "after": {
            "lists": share(&figures.lists_healed),
            "pages": share(&figures.pages_healed),
        },
        "strip": {
            "cell_s": CELL.as_secs_f64(),
            "lists": figures.strip.iter().map(|lists| lists.ratio()).collect::<Vec<_>>(),
        },
    })
}

pub fn share(share: &Share) -> Value {
    json!({ "part": share.part, "of": share.of, "ratio": share.ratio() })
}

fn span(span: &Span) -> Value {
    let came_to = match span.came_to {
        Change::Opened => "opened",
        Change::HalfOpened => "half_open",
        Change::Reopened => "reopened",
        Change::Closed => "closed",
    };
    json!({
        "from_s": span.from.as_secs_f64(),
        "came_to": came_to,
        "at_s": span.at.as_secs_f64(),
        "calls": span.judged.calls,
        "failed": span.judged.failed,
        "slow": span.judged.slow,
        "reached_member": span.reached,
        "allowed": span.allowed,
    })
}

pub fn bar(bar: &Bar) -> Value {
    let (rule, limit) = match bar.rule {
        Rule::AtLeast(limit) => ("at least", limit),
        Rule::AtMost(limit) => ("at most", limit),
        Rule::Below(limit) => ("below", limit),
    };
    let unit = match bar.unit {
        Unit::Share => "ratio",
        Unit::Count => "count",
        Unit::Times => "times",
        Unit::Seconds => "s",
        Unit::Millis => "ms",
    };
    json!({
        "name": bar.name,
        "measured": bar.measured,
        "rule": rule,
        "limit": limit,
        "unit": unit,
        "control": bar.control,
        "met": bar.met(),
    })
}
