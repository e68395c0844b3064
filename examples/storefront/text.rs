//! Numbers as people read them.

use std::time::Duration;

/// Near the whole with a digit more, and never rounded up to it: 100.0 % is all of them.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if (99.0..100.0).contains(&percent) {
        return format!("{:.2} %", (percent * 100.0 + 1e-6).floor() / 100.0);
    }
    format!("{percent:.1} %")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_of_them_are_100_percent() {
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(percent(0.99999), "99.99 %");
        assert_eq!(percent(0.999), "99.90 %");
        assert_eq!(percent(0.995), "99.50 %");
        assert_eq!(percent(0.95), "95.0 %");
    }
}
