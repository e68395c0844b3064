//! What a reloader counts.
#![cfg(all(feature = "reload", feature = "metrics"))]

#[path = "support/channel.rs"]
mod channel;
#[path = "support/ledger.rs"]
mod ledger;

use std::time::Duration;

use buttress::{Resilience, reload::Reload};
use channel::channel;
use ledger::recorded;
use metrics::Unit;
use tokio::time::sleep;

const RELOADS: &str = "buttress_reload_total";

fn document(members: u32) -> String {
    format!("policies: {{ members: {{ bulkhead: {{ max_concurrent: {members} }} }} }}")
}

#[test]
fn readings_are_counted_by_what_became_of_them() {
    recorded(async |ledger| {
        let members = Resilience::builder().name("members").build().unwrap();
        let (answers, source) = channel();
        let builder = Reload::builder(source).policy(&members).name("settings");
        let reload = builder.build();
        assert!(ledger.is_empty(), "before the first reading");
        let handle = reload.handle();
        // Wherever the metrics go: that is said by thread.
        let run = tokio::spawn(reload.run());
        for answer in [
            Ok(document(1)),
            Ok(document(1)),
            Ok(document(2)),
            Ok(document(0)),
            Err("gone"),
            Err("gone"),
            Ok(document(0)),
            Ok(document(3)),
        ] {
            answers.send(answer).unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        let seen = handle.snapshot();
        let counted = [
            ("applied", seen.applied, 3_u32),
            ("unchanged", seen.unchanged, 2),
            ("rejected", seen.rejected, 1),
            ("failed", seen.failed, 2),
        ];
        for (result, shown, expected) in counted {
            let labels = format!("policy=settings,result={result}");
            let value = ledger.value(RELOADS, &labels);
            assert_eq!(
                (value, shown),
                (f64::from(expected), expected.into()),
                "{result}"
            );
        }
        assert_eq!(ledger.units[RELOADS], (Some(Unit::Count), true));
        run.abort();
    });
}
