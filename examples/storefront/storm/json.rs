//! The same figures as one document for machines.

use serde_json::{Value, json};

use super::figures::{Figures, Phase};
use super::run::{
    ATTEMPT_TIMEOUT, CALLS_PER_SECOND, CALLS_PER_SECOND_IN_TRIGGER, ENDS, OVER, PROMISE, STRIKES,
    Storm,
};
use crate::figures::CELL;
use crate::json::{bar, share};
use crate::limited::{PER_SECOND, QUEUE};

pub fn document(storm: &Storm) -> Value {
    let [a, b] = storm.figures.each_ref().map(figures);
    json!({
        "seed": storm.seed,
        "cores": storm.cores,
        "clock": {
            "trigger_s": STRIKES.as_secs_f64(),
            "over_s": OVER.as_secs_f64(),
            "ends_s": ENDS.as_secs_f64(),
        },
        "service": { "per_s": PER_SECOND, "queue": QUEUE },
        "calls_per_s": CALLS_PER_SECOND,
        "calls_per_s_in_trigger": CALLS_PER_SECOND_IN_TRIGGER,
        "attempt_timeout_s": ATTEMPT_TIMEOUT.as_secs_f64(),
        "attempts": storm.terms.attempts,
        "budget": storm.terms.budget,
        "edits": storm.edits,
        "copies": { "A": a, "B": b },
        "latest_call_ms": storm.latest.as_secs_f64() * 1_000.0,
        "bars": storm.bars.iter().map(bar).collect::<Vec<_>>(),
        "verdict": storm.verdict.name(PROMISE),
        "exit": storm.verdict.exit_code(),
    })
}

fn figures(figures: &Figures) -> Value {
    json!({
        "before": phase(figures.before),
        "trigger": phase(figures.trigger),
        "after": phase(figures.after),
        "work_in_vain_after": share(&figures.in_vain),
        "recovery_s": figures.recovery.map(|after| after.as_secs_f64()),
        "extra_attempts": figures.extra,
        "strip": {
            "cell_s": CELL.as_secs_f64(),
            "calls": figures.strip.iter().map(|calls| calls.ratio()).collect::<Vec<_>>(),
        },
    })
}

fn phase(phase: Phase) -> Value {
    json!({ "answered": share(&phase.answered), "amplification": phase.amplification() })
}
