//! What windows are read as and written with.

/// What a window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls, failed and slow ones among them.
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

impl Counts {
    /// Failed calls in all calls; 0 of nothing.
    pub(crate) fn failure_ratio(self) -> f64 {
        ratio(self.failed, self.calls)
    }

    /// Slow calls in all calls; 0 of nothing.
    pub(crate) fn slow_ratio(self) -> f64 {
        ratio(self.slow, self.calls)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// One call that failed, was slow, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}
