//! Numbers as people read them.

use std::time::Duration;

pub fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// A planned time.
pub fn secs(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A measured one.
pub fn exact(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub fn wait(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{} ms", millis(time)))
}

pub fn waits(median: Option<Duration>, high: Option<Duration>) -> String {
    median.zip(high).map_or("-".into(), |(median, high)| {
        format!("{} / {} ms", millis(median), millis(high))
    })
}

fn millis(time: Duration) -> String {
    match time.as_secs_f64() * 1_000.0 {
        ms if ms < 10.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

pub fn thousands(count: usize) -> String {
    match (count / 1_000, count % 1_000) {
        (0, rest) => rest.to_string(),
        (groups, rest) => format!("{groups},{rest:03}"),
    }
}
