//! How settings of a rate limit are read: without a burst, it is a period's worth.

use std::time::Duration;

use serde::Deserialize;

use super::config::Config;

/// As it is read: what is not given depends on what is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(with = "crate::serial")]
    calls: u32,
    #[serde(with = "crate::serial")]
    period: Duration,
    #[serde(default, with = "crate::serial::optional")]
    burst: Option<u32>,
    #[serde(default, with = "crate::serial")]
    max_wait: Duration,
    #[serde(default, with = "crate::serial")]
    shadow: bool,
}

impl From<Written> for Config {
    fn from(written: Written) -> Self {
        Self {
            calls: written.calls,
            period: written.period,
            burst: written.burst.unwrap_or(written.calls),
            max_wait: written.max_wait,
            shadow: written.shadow,
        }
    }
}
