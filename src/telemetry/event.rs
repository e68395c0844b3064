use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::change::Change;
use crate::{error::Reason, sys::Arc};

/// Something a policy did or noticed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The policy's name.
    pub policy: &'static str,
    /// The generation that it led to; 0 for policies that have none.
    pub generation: u64,
    /// Counts the events of one policy, from 1. Delivery across threads is unordered; this is not. A
    /// budget counts its own, also where it has the name of the retry or hedge that it belongs to.
    pub seq: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// What an [`Event`] tells.
///
/// `enforced` is false while a circuit breaker is disabled or in shadow: then it is what it would have
/// done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A circuit breaker opened.
    #[non_exhaustive]
    Opened {
        /// Which threshold was reached.
        reason: Trip,
        /// How many calls were judged: those in the window, or the probes that were in.
        calls: u64,
        /// How many of them failed.
        failed: u64,
        /// How many of them were slow.
        slow: u64,
        /// Whether it was half-open before.
        reopened: bool,
        /// Successive openings, this one included.
        opening: u32,
        /// How long it stays open, jitter included.
        open_for: Duration,
        /// Whether calls are refused.
        enforced: bool,
    },
    /// A circuit breaker's wait is over and a call came: probes are sent.
    #[non_exhaustive]
    HalfOpened {
        /// At most how many.
        probes: u32,
        /// Whether other calls are refused.
        enforced: bool,
    },
    /// Probes that ran into the probe timeout were counted as failed.
    #[non_exhaustive]
    ProbesTimedOut {
        /// How many.
        count: u32,
    },
    /// A half-open circuit breaker closed.
    #[non_exhaustive]
    Closed {
        /// How many probes were judged.
        probes: u32,
        /// How many of them failed, fewer than it takes to open.
        failed: u32,
        /// Whether calls were refused before.
        enforced: bool,
    },
    /// An operator opened a circuit breaker.
    #[non_exhaustive]
    ForcedOpen {
        /// For how long; without, until another order.
        open_for: Option<Duration>,
    },
    /// An operator closed a circuit breaker, to stay closed.
    ForcedClosed,
    /// An operator switched a circuit breaker to observing.
    Disabled,
    /// An operator handed a circuit breaker back to itself, closed and empty.
    Reset,
    /// A policy took other settings.
    #[non_exhaustive]
    Reconfigured {
        /// Whether its window had to start empty, since its kind or span changed.
        window_cleared: bool,
    },
    /// A bulkhead or a rate limit refused a call.
    #[non_exhaustive]
    Rejected {
        /// Why.
        reason: Reason,
        /// When it is worth asking again, if that is known.
        retry_after: Option<Duration>,
    },
    /// A call was let in that would have been refused: by a bulkhead, a rate limit or a circuit breaker
    /// in shadow, or by a circuit breaker that is disabled. Told when that is decided; one that is asked
    /// twice for the same call, since it waited for another policy of its guard, tells it twice.
    #[non_exhaustive]
    WouldHaveRejected {
        /// Why it would have been.
        reason: Reason,
        /// When it would have been worth asking again, if that is known.
        retry_after: Option<Duration>,
    },
    /// A call had to wait for a bulkhead or a rate limit, and was let in.
    #[non_exhaustive]
    Waited {
        /// How long.
        wait: Duration,
    },
    /// As many keys as allowed are in use: the first call after one that had its place for which there
    /// was none.
    #[non_exhaustive]
    KeysExhausted {
        /// How many.
        keys: u64,
    },
    /// A retry sent another attempt.
    #[non_exhaustive]
    Retried {
        /// Its number, counting the first.
        attempt: u32,
        /// How long it waited for that.
        delay: Duration,
        /// Whether the dependency asked for that wait.
        hinted: bool,
    },
    /// A retry gave up on a call that it would have repeated.
    #[non_exhaustive]
    RetriesStopped {
        /// Attempts made: none if the deadline had passed when the call arrived.
        attempts: u32,
        /// Why there was no other.
        reason: Stopped,
    },
    /// A budget is used up: the first extra attempt that it refused after one that it allowed.
    BudgetExhausted,
    /// A timeout ended a call.
    #[non_exhaustive]
    TimedOut {
        /// What it ran into.
        kind: Expiry,
        /// The time that the call was given.
        limit: Duration,
    },
    /// A hedge sent a second, or further, attempt beside those that are running.
    #[non_exhaustive]
    Hedged {
        /// Its number, counting the first.
        attempt: u32,
        /// How long after the first.
        after: Duration,
    },
    /// A hedged call was answered by an extra attempt, before the first.
    #[non_exhaustive]
    HedgeWon {
        /// The attempt's number, counting the first.
        attempt: u32,
        /// How long after the first was sent.
        after: Duration,
    },
    /// A fallback took the place of a failed call.
    #[non_exhaustive]
    FellBack {
        /// What became of it.
        result: Backed,
    },
    /// A document of settings was put into all policies that were registered for it.
    #[non_exhaustive]
    ConfigApplied {
        /// What is another than before, in the order of the paths. None if it all was in force already:
        /// told of the first document, and of the one that takes the place of a rejected one.
        changes: Arc<[Change]>,
        /// Policies in the document that nobody has registered.
        unregistered: Arc<[String]>,
    },
    /// A document of settings was not taken; those in force stay.
    #[non_exhaustive]
    ConfigRejected {
        /// All that is wrong with it, each with its path.
        faults: Arc<[String]>,
    },
    /// A source of settings failed; those in force stay.
    #[non_exhaustive]
    SourceFailed {
        /// Why.
        error: Arc<str>,
        /// When it is asked again; never, if it has said that nothing more will come.
        retry_in: Option<Duration>,
    },
    /// Changes of a source cannot be watched for: it is read every so often instead.
    #[non_exhaustive]
    WatchFailed {
        /// Why.
        error: Arc<str>,
        /// How often it is read.
        polled_every: Duration,
    },
}

/// Why a retry gave up on a call that it would have repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// All attempts were made.
    Attempts,
    /// The budget had none left.
    Budget,
    /// The deadline could not hold the next wait.
    Deadline,
    /// The dependency asked for a longer wait than is allowed.
    Hint,
    /// The request cannot be replayed.
    NotReplayable,
}

impl Stopped {
    /// The name used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::Hint => "hint",
            Self::NotReplayable => "not_replayable",
        }
    }
}

/// What a timed-out call ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expiry {
    /// The timeout's own limit.
    Limit,
    /// The deadline that the request carried, while the call ran.
    Deadline,
    /// The deadline that the request carried, before the call was started.
    Expired,
}

impl Expiry {
    /// The name used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Deadline => "deadline",
            Self::Expired => "expired",
        }
    }
}

/// What became of a fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backed {
    /// It answered in place of the failed call.
    Answered,
    /// It failed as well.
    Failed,
    /// As many as allowed were running; the failed call's own result was returned.
    Full,
    /// It had nothing to say to this request; the failed call's own result was returned.
    Declined,
    /// The caller went away while it ran.
    Abandoned,
}

impl Backed {
    /// The name used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Full => "full",
            Self::Declined => "declined",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Which threshold opened a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trip {
    /// Failed calls reached `failure_ratio`.
    FailureRatio,
    /// Slow calls reached `slow_call_ratio`.
    SlowRatio,
}

impl Trip {
    /// The name used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureRatio => "failure_ratio",
            Self::SlowRatio => "slow_call_ratio",
        }
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a circuit breaker, as shown in snapshots and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls pass and are judged.
    Closed,
    /// Calls are refused, until the wait is over. (In shadow they are not.)
    Open,
    /// A few calls pass as probes. (In shadow the others pass, too.)
    HalfOpen,
    /// Calls are refused, until another order.
    ForcedOpen,
    /// Calls pass and are recorded; none opens it.
    ForcedClosed,
    /// Calls pass; the machine runs beneath, and what it would have refused is counted.
    Disabled,
}

impl State {
    #[cfg_attr(
        not(feature = "metrics"),
        allow(dead_code, reason = "metrics have one each")
    )]
    pub(crate) const ALL: [Self; 6] = [
        Self::Closed,
        Self::Open,
        Self::HalfOpen,
        Self::ForcedOpen,
        Self::ForcedClosed,
        Self::Disabled,
    ];

    /// The name used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
