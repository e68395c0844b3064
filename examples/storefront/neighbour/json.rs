//! The same figures as one document for machines.

use std::time::Duration;

use serde_json::{Value, json};

use super::door::{BURST, QUOTA};
use super::figures::Figures;
use super::run::{
    CALLS_PER_SECOND, CLIENTS, ENDS, FLOOD_PER_SECOND, Neighbour, OVER, PATIENCE, PROMISE, STRIKES,
};
use crate::figures::{CELL, Share};
use crate::json::{bar, share};
use crate::limited::{PER_SECOND, QUEUE};

pub fn document(neighbour: &Neighbour) -> Value {
    let [a, b] = neighbour.figures.each_ref().map(figures);
    json!({
        "seed": neighbour.seed,
        "cores": neighbour.cores,
        "clock": {
            "flood_s": STRIKES.as_secs_f64(),
            "over_s": OVER.as_secs_f64(),
            "ends_s": ENDS.as_secs_f64(),
        },
        "shop": { "per_s": PER_SECOND, "queue": QUEUE },
        "clients": CLIENTS,
        "calls_per_s": CALLS_PER_SECOND,
        "flood_per_s": FLOOD_PER_SECOND,
        "patience_s": PATIENCE.as_secs_f64(),
        "quota": { "per_s": QUOTA.get(), "burst": BURST },
        "copies": { "A": a, "B": b },
        "latest_call_ms": neighbour.latest.as_secs_f64() * 1_000.0,
        "bars": neighbour.bars.iter().map(bar).collect::<Vec<_>>(),
        "verdict": neighbour.verdict.name(PROMISE),
        "exit": neighbour.verdict.exit_code(),
    })
}

fn figures(figures: &Figures) -> Value {
    let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1_000.0);
    let strip = |strip: &[Share]| strip.iter().map(|cell| cell.ratio()).collect::<Vec<_>>();
    json!({
        "before": { "others": share(&figures.before) },
        "during": {
            "others": share(&figures.others),
            "worst_of_them": share(&figures.worst),
            "others_p50_ms": ms(figures.others_p50),
            "others_p99_ms": ms(figures.others_p99),
            "flooder": share(&figures.flooder),
            "flooder_over_quota": share(&figures.over_quota),
            "flooder_let_in": figures.let_in,
            "flooder_median_no_ms": ms(figures.time_to_no),
        },
        "after": { "others": share(&figures.after) },
        "strip": {
            "cell_s": CELL.as_secs_f64(),
            "others": strip(&figures.strip_others),
            "flooder": strip(&figures.strip_flooder),
        },
    })
}
