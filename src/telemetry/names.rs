//! Every name that leaves the crate as a metric. The table for readers is in `telemetry.md`.
#![cfg_attr(
    not(all(feature = "metrics", feature = "keyed", feature = "reload")),
    allow(dead_code, reason = "only the table's test reads all of them")
)]

use super::{
    event::{Backed, Expiry, Stopped},
    family::{Family, Level, Spread},
};
use crate::error::Reason;

pub(super) const CALLS: &str = "buttress_calls_total";
pub(super) const REJECTED: &str = "buttress_rejected_total";
pub(super) const REJECTED_IS: &str = "Calls refused.";
pub(super) const WOULD_HAVE_REJECTED: &str = "buttress_would_have_rejected_total";
pub(super) const WOULD_HAVE_REJECTED_IS: &str = "Calls let in that would have been refused.";
pub(super) const BREAKER_STATE: &str = "buttress_breaker_state";
pub(super) const BREAKER_TRANSITIONS: &str = "buttress_breaker_transitions_total";
pub(super) const MALFORMED: &str = "buttress_malformed_headers_total";

/// In the order in which a circuit breaker's metrics count them.
pub(super) const BREAKER_REASONS: [Reason; 4] = [
    Reason::Open,
    Reason::HalfOpen,
    Reason::ForcedOpen,
    Reason::Recovering,
];

pub(super) static BREAKER_WOULD_HAVE_REJECTED: Family<4> = would_have_rejected([
    BREAKER_REASONS[0].as_str(),
    BREAKER_REASONS[1].as_str(),
    BREAKER_REASONS[2].as_str(),
    BREAKER_REASONS[3].as_str(),
]);

const fn rejected<const N: usize>(reasons: [&'static str; N]) -> Family<N> {
    Family {
        name: REJECTED,
        what: REJECTED_IS,
        label: "reason",
        values: reasons,
    }
}

/// For the same reasons, what was let in nevertheless.
const fn would_have_rejected<const N: usize>(reasons: [&'static str; N]) -> Family<N> {
    Family {
        name: WOULD_HAVE_REJECTED,
        what: WOULD_HAVE_REJECTED_IS,
        label: "reason",
        values: reasons,
    }
}

const BULKHEAD_REASONS: [&str; 2] = [Reason::Full.as_str(), Reason::Expired.as_str()];

pub(crate) static BULKHEAD_REJECTED: Family<2> = rejected(BULKHEAD_REASONS);

pub(crate) static BULKHEAD_WOULD_HAVE_REJECTED: Family<2> = would_have_rejected(BULKHEAD_REASONS);

pub(crate) static BULKHEAD_IN_FLIGHT: Level = Level {
    name: "buttress_bulkhead_in_flight",
    what: "Calls that run in a place of their own.",
};

pub(crate) static BULKHEAD_LIMIT: Level = Level {
    name: "buttress_bulkhead_limit",
    what: "Calls that may run.",
};

pub(crate) static BULKHEAD_QUEUED: Level = Level {
    name: "buttress_bulkhead_queued",
    what: "Calls that wait for a place.",
};

pub(crate) static BULKHEAD_WAIT: Spread = Spread {
    name: "buttress_bulkhead_wait_seconds",
    what: "How long calls waited for a place.",
};

const RATE_LIMIT_REASONS: [&str; 3] = [
    Reason::RateLimited.as_str(),
    Reason::CostAboveBurst.as_str(),
    Reason::Expired.as_str(),
];

pub(crate) static RATE_LIMIT_REJECTED: Family<3> = rejected(RATE_LIMIT_REASONS);

pub(crate) static RATE_LIMIT_WOULD_HAVE_REJECTED: Family<3> =
    would_have_rejected(RATE_LIMIT_REASONS);

pub(crate) static RATE_LIMIT_AVAILABLE: Level = Level {
    name: "buttress_rate_limit_available",
    what: "Calls that would be let in at once.",
};

pub(crate) static RATE_LIMIT_WAIT: Spread = Spread {
    name: "buttress_rate_limit_wait_seconds",
    what: "How long calls waited for their turn.",
};

pub(crate) static KEYS: Level = Level {
    name: "buttress_keys",
    what: "Keys with a policy of their own.",
};

pub(crate) static KEYS_REJECTED: Family<1> = rejected([Reason::TooManyKeys.as_str()]);

pub(crate) static KEYS_EVICTED: Family<3> = Family {
    name: "buttress_keys_evicted_total",
    what: "Keys whose policy was forgotten.",
    label: "reason",
    values: ["unused", "room", "oldest"],
};

pub(crate) static KEYS_OVERFLOW: Family<3> = Family {
    name: "buttress_keys_overflow_total",
    what: "Calls whose key found no place.",
    label: "answer",
    values: ["shared", "rejected", "evicted"],
};

pub(crate) static RETRY_ATTEMPTS: Family<4> = Family {
    name: "buttress_retry_attempts_total",
    what: "Attempts that ended under a retry.",
    label: "result",
    values: ["answered", "failed", "refused", "abandoned"],
};

pub(crate) static RETRY_STOPPED: Family<5> = Family {
    name: "buttress_retry_stopped_total",
    what: "Calls that a retry gave up on.",
    label: "reason",
    values: [
        Stopped::Attempts.as_str(),
        Stopped::Budget.as_str(),
        Stopped::Deadline.as_str(),
        Stopped::Hint.as_str(),
        Stopped::NotReplayable.as_str(),
    ],
};

pub(crate) static BUDGET_BALANCE: Level = Level {
    name: "buttress_retry_budget_balance",
    what: "Extra attempts that a budget would allow now.",
};

pub(crate) static TIMEOUTS: Family<3> = Family {
    name: "buttress_timeout_total",
    what: "Calls that ran out of time.",
    label: "kind",
    values: [
        Expiry::Limit.as_str(),
        Expiry::Deadline.as_str(),
        Expiry::Expired.as_str(),
    ],
};

pub(crate) static HEDGES: Family<4> = Family {
    name: "buttress_hedge_total",
    what: "Hedged calls, by which attempt won.",
    label: "winner",
    values: ["primary", "hedge", "none", "abandoned"],
};

pub(crate) static HEDGES_WITHHELD: Family<3> = Family {
    name: "buttress_hedge_withheld_total",
    what: "Hedges that were due and not sent.",
    label: "reason",
    values: [
        Stopped::Budget.as_str(),
        Stopped::Deadline.as_str(),
        Stopped::NotReplayable.as_str(),
    ],
};

pub(crate) static FALLBACKS: Family<5> = Family {
    name: "buttress_fallback_total",
    what: "Failed calls that were handed to a fallback.",
    label: "result",
    values: [
        Backed::Answered.as_str(),
        Backed::Failed.as_str(),
        Backed::Full.as_str(),
        Backed::Declined.as_str(),
        Backed::Abandoned.as_str(),
    ],
};

pub(crate) static RELOADS: Family<4> = Family {
    name: "buttress_reload_total",
    what: "Readings of a source of settings.",
    label: "result",
    values: ["applied", "unchanged", "rejected", "failed"],
};

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
            super::WOULD_HAVE_REJECTED,
            super::BREAKER_STATE,
            super::BREAKER_TRANSITIONS,
            super::MALFORMED,
            super::BULKHEAD_IN_FLIGHT.name,
            super::BULKHEAD_LIMIT.name,
            super::BULKHEAD_QUEUED.name,
            super::BULKHEAD_WAIT.name,
            super::RATE_LIMIT_AVAILABLE.name,
            super::RATE_LIMIT_WAIT.name,
            super::KEYS.name,
            super::KEYS_EVICTED.name,
            super::KEYS_OVERFLOW.name,
            super::RETRY_ATTEMPTS.name,
            super::RETRY_STOPPED.name,
            super::BUDGET_BALANCE.name,
            super::TIMEOUTS.name,
            super::HEDGES.name,
            super::HEDGES_WITHHELD.name,
            super::FALLBACKS.name,
            super::RELOADS.name,
        ];
        assert_eq!(documented, names.len());
        for name in names {
            assert!(table.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
