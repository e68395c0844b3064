//! Settings to begin with.

use std::time::Duration;

use super::config::Config;
use crate::{
    breaker, budget, bulkhead,
    hedge::{self, Percentile},
    retry,
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Config {
    /// For most calls of one service by another. See [the module](crate::pipeline#presets) for each number and
    /// its reason.
    #[must_use]
    pub fn standard() -> Self {
        let breaker = breaker::Config {
            slow_call_duration: Some(ms(2_000)),
            slow_call_ratio: 0.5,
            ramp: Some(ms(5_000)),
            ..breaker::Config::default()
        };
        Self {
            deadline: Some(ms(10_000)),
            retry: Some(retry::Config::default()),
            breaker: Some(breaker),
            bulkhead: Some(bulkhead::Config::new(64)),
            attempt_timeout: Some(ms(3_000)),
            ..Self::default()
        }
    }

    /// For reads whose stragglers cost more than a few further requests: hedged, not retried, and impatient.
    /// See [the module](crate::pipeline#presets) for each number and its reason.
    #[must_use]
    pub fn latency_sensitive() -> Self {
        let breaker = breaker::Config {
            slow_call_duration: Some(ms(250)),
            slow_call_ratio: 0.5,
            ramp: Some(ms(5_000)),
            ..breaker::Config::default()
        };
        let budget = budget::Config {
            ratio: 0.05,
            reserve: 10,
            ..budget::Config::default()
        };
        Self {
            deadline: Some(ms(1_000)),
            hedge: Some(hedge::Config::new(Percentile::new(0.95, ms(50)))),
            budget,
            breaker: Some(breaker),
            bulkhead: Some(bulkhead::Config::new(64)),
            attempt_timeout: Some(ms(500)),
            ..Self::default()
        }
    }
}
