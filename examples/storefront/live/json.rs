//! The same figures as one document for machines.

use serde_json::{Value, json};

use super::editor::Editor;
use super::run::{CALLS_PER_SECOND, Live, PROMISE};
use super::seen::{Row, Told, What};
use super::service::FAIL_OF_TEN;
use crate::json::bar;
use crate::settings::Fate;

pub fn document(live: &Live) -> Value {
    let edits = live.edits.iter();
    let edits = edits.map(|edit| json!({ "at_s": edit.at.as_secs_f64(), "says": edit.says }));
    json!({
        "seed": live.seed,
        "cores": live.cores,
        "edited_by": match live.editor {
            Editor::Script(_) => "script",
            Editor::You(_) => "you",
        },
        "ends_s": live.editor.time().as_secs_f64(),
        "calls_per_s": CALLS_PER_SECOND,
        "fail_of_ten": FAIL_OF_TEN,
        "policy_at_start": live.policy,
        "rows": live.rows.iter().map(row).collect::<Vec<_>>(),
        "edits": edits.collect::<Vec<_>>(),
        "told": live.told.iter().map(told).collect::<Vec<_>>(),
        "latest_call_ms": live.latest.as_secs_f64() * 1_000.0,
        "bars": live.bars.iter().map(bar).collect::<Vec<_>>(),
        "verdict": live.verdict.name(PROMISE),
        "exit": live.verdict.exit_code(),
    })
}

fn row(row: &Row) -> Value {
    let [answered, failed, refused] = row.calls;
    json!({
        "until_s": row.until.as_secs_f64(),
        "failure_ratio": row.ratio,
        "breaker": row.state.map(|state| state.as_str()),
        "answered": answered,
        "failed": failed,
        "refused": refused,
    })
}

fn told(told: &Told) -> Value {
    let (what, lines) = match &told.what {
        What::File(Fate::Taken(changes)) => ("in force", json!(changes)),
        What::File(Fate::Rejected(faults)) => ("rejected", json!(faults)),
        What::File(Fate::NotRead(error)) => ("not read", json!(error)),
        What::Opened { calls, failed } => ("opened", json!({ "calls": calls, "failed": failed })),
        What::Closed { probes, failed } => {
            ("closed", json!({ "probes": probes, "failed": failed }))
        }
    };
    json!({ "at_s": told.at.as_secs_f64(), "what": what, "of": lines })
}
