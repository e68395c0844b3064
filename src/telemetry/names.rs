//! Every name that leaves the crate as a metric. The table for readers is in `telemetry.md`.
#![cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "only the table's test reads them")
)]

pub(super) const CALLS: &str = "buttress_calls_total";
pub(super) const REJECTED: &str = "buttress_rejected_total";
pub(super) const BREAKER_STATE: &str = "buttress_breaker_state";
pub(super) const BREAKER_TRANSITIONS: &str = "buttress_breaker_transitions_total";

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_in_the_docs_is_complete() {
        let table = include_str!("telemetry.md");
        let documented = table
            .lines()
            .filter(|line| line.starts_with("| `buttress_"))
            .count();
        let names = [
            super::CALLS,
            super::REJECTED,
            super::BREAKER_STATE,
            super::BREAKER_TRANSITIONS,
        ];
        assert_eq!(documented, names.len());
        for name in names {
            assert!(table.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
