//! How settings of a breaker are written.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::config::{Config, Window};
use crate::serial::{Plain, Scalar};

/// Calls as a number, time as a duration.
const EXPECTED: &str = "a number of calls, or a duration such as 10s";

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(calls) => calls.write(to),
            Self::Time(span) => span.write(to),
        }
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Scalar(text) = Scalar::deserialize(from)?;
        let calls = u32::read(&text).map(Self::Count);
        let window = calls.or_else(|| Duration::read(&text).map(Self::Time));
        let unexpected = serde::de::Unexpected::Str(&text);
        window.ok_or_else(|| D::Error::invalid_value(unexpected, &EXPECTED))
    }
}

/// As it is read: what is not given depends on what is.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    window: Window,
    #[serde(with = "crate::serial::optional")]
    min_calls: Option<u32>,
    #[serde(with = "crate::serial")]
    failure_ratio: f64,
    #[serde(with = "crate::serial::optional")]
    slow_call_duration: Option<Duration>,
    #[serde(with = "crate::serial")]
    slow_call_ratio: f64,
    #[serde(with = "crate::serial")]
    open_for: Duration,
    #[serde(with = "crate::serial")]
    open_jitter: f64,
    #[serde(with = "crate::serial")]
    open_factor: f64,
    #[serde(with = "crate::serial")]
    open_max: Duration,
    #[serde(with = "crate::serial")]
    probes: u32,
    #[serde(with = "crate::serial")]
    probe_timeout: Duration,
    #[serde(with = "crate::serial::optional")]
    ramp: Option<Duration>,
    #[serde(with = "crate::serial")]
    shadow: bool,
}

impl Default for Written {
    fn default() -> Self {
        let Config {
            window,
            min_calls: _,
            failure_ratio,
            slow_call_duration,
            slow_call_ratio,
            open_for,
            open_jitter,
            open_factor,
            open_max,
            probes,
            probe_timeout,
            ramp,
            shadow,
        } = Config::default();
        Self {
            window,
            min_calls: None,
            failure_ratio,
            slow_call_duration,
            slow_call_ratio,
            open_for,
            open_jitter,
            open_factor,
            open_max,
            probes,
            probe_timeout,
            ramp,
            shadow,
        }
    }
}

impl From<Written> for Config {
    fn from(written: Written) -> Self {
        let usual = Self::default().min_calls;
        let min_calls = written.min_calls.unwrap_or(match written.window {
            Window::Count(calls) => usual.min(calls.max(1)),
            Window::Time(_) => usual,
        });
        Self {
            window: written.window,
            min_calls,
            failure_ratio: written.failure_ratio,
            slow_call_duration: written.slow_call_duration,
            slow_call_ratio: written.slow_call_ratio,
            open_for: written.open_for,
            open_jitter: written.open_jitter,
            open_factor: written.open_factor,
            open_max: written.open_max,
            probes: written.probes,
            probe_timeout: written.probe_timeout,
            ramp: written.ramp,
            shadow: written.shadow,
        }
    }
}
