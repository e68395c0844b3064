//! The two lists of the naive reference: completed calls and probes. Nothing is ever summed up or
//! struck off; every question goes through all of it.

use std::time::Duration;

use buttress::breaker::Window;

/// A call that was completed and counted.
#[derive(Clone, Copy)]
pub(crate) struct Completed {
    pub(crate) at: u64,
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

/// Those of them that are in this window at this time.
pub(crate) fn within(window: Window, all: &[Completed], now: u64) -> Vec<Completed> {
    match window {
        Window::Count(last) => all[all.len().saturating_sub(last as usize)..].to_vec(),
        Window::Time(span) => {
            let number = |at: u64| at / piece(span);
            let lives = |call: &&Completed| number(call.at) + 9 >= number(now);
            all.iter().filter(lives).copied().collect()
        }
    }
}

/// The length of a sub-window: a tenth of the span, rounded up.
pub(crate) fn piece(span: Duration) -> u64 {
    nanos(span).div_ceil(10)
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("tests keep to times in reach")
}

/// Its place in the list is its name.
pub(crate) struct Probe {
    pub(crate) started: u64,
    pub(crate) fate: Fate,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Running,
    /// It proved nothing; its place is free again.
    Freed,
    In {
        failed: bool,
        slow: bool,
    },
}

/// Running, judged, failed and slow ones.
pub(crate) fn tally(probes: &[Probe]) -> [usize; 4] {
    let count = |is: fn(Fate) -> bool| probes.iter().filter(|probe| is(probe.fate)).count();
    [
        count(|fate| fate == Fate::Running),
        count(|fate| matches!(fate, Fate::In { .. })),
        count(|fate| matches!(fate, Fate::In { failed: true, .. })),
        count(|fate| matches!(fate, Fate::In { slow: true, .. })),
    ]
}
