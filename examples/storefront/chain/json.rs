//! The same figures as one document for machines.

use serde_json::{Map, Value, json};

use super::figures::Figures;
use super::run::{
    ATTEMPT_TIMEOUT, CHECKOUTS_PER_SECOND, Chain, ENDS, HEALS, PROMISE, ROW, STRIKES,
};
use crate::json::{bar, share};

pub fn document(chain: &Chain) -> Value {
    let [a, b] = chain.figures.each_ref().map(figures);
    json!({
        "seed": chain.seed,
        "cores": chain.cores,
        "clock": {
            "strikes_s": STRIKES.as_secs_f64(),
            "heals_s": HEALS.as_secs_f64(),
            "ends_s": ENDS.as_secs_f64(),
        },
        "row": ROW,
        "checkouts_per_s": CHECKOUTS_PER_SECOND,
        "attempt_timeout_s": ATTEMPT_TIMEOUT.as_secs_f64(),
        "attempts": chain.terms.attempts,
        "backoff_s": chain.terms.backoff.planned(1).as_secs_f64(),
        "budget": chain.terms.budget,
        "edits": chain.edits,
        "copies": { "A": a, "B": b },
        "latest_checkout_ms": chain.latest.as_secs_f64() * 1_000.0,
        "bars": chain.bars.iter().map(bar).collect::<Vec<_>>(),
        "verdict": chain.verdict.name(PROMISE),
        "exit": chain.verdict.exit_code(),
    })
}

fn figures(figures: &Figures) -> Value {
    let came = ROW.iter().zip(figures.came);
    let came: Map<_, _> = came
        .map(|(name, came)| (name.to_string(), came.into()))
        .collect();
    json!({
        "during": share(&figures.during),
        "attempts_per_checkout": came,
        "allowed_by_budgets": figures.allowed,
        "attempts_by_second": figures.seconds,
        "after": share(&figures.after),
    })
}
