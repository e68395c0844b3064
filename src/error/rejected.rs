use std::{fmt, time::Duration};

/// No hint. A real hint of 584 years is indistinguishable from it.
const NO_HINT: u64 = u64::MAX;

/// A policy said no.
///
/// It tells which policy (by its name), why, and when it is worth asking again. It is plain data of
/// four words; making one allocates nothing (turning it into a boxed error takes the box).
///
/// As an error it is the end of its chain; with the feature `tonic` its source is a `tonic::Status` of its
/// [code](Reason::grpc_code), since that is where tonic looks for it.
///
/// ```
/// use buttress::{Reason, Rejected};
/// use std::time::Duration;
///
/// let no = Rejected::new("payments", Reason::Open).with_retry_after(Duration::from_secs(3));
/// assert_eq!(no.to_string(), "payments: circuit breaker is open, retry after 3.0s");
/// assert!(!no.started());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected {
    policy: &'static str,
    /// Nanoseconds, or [`NO_HINT`]: half the size of an `Option<Duration>`, in every guarded future.
    retry_after: u64,
    reason: Reason,
    /// The path to the policy that refused, in a guard of several: a bit per pair, innermost highest.
    member: u8,
}

/// Why a policy said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The circuit breaker is open.
    Open,
    /// The circuit breaker is half-open and all its probes are taken.
    HalfOpen,
    /// The circuit breaker was forced open by an operator.
    ForcedOpen,
    /// The circuit breaker has closed and lets in only a growing share of the calls.
    Recovering,
    /// As many calls as allowed are running, and the queue, if any, is full or took too long.
    Full,
    /// The rate is used up.
    RateLimited,
    /// The call costs more than the rate ever allows at once: asking again is in vain.
    CostAboveBurst,
    /// As many keys as allowed are in use, and this call's is not among them.
    TooManyKeys,
    /// The time allowed ran out while the call ran: the inner service may have done work.
    TimedOut,
    /// The request's deadline passed while the call ran: the inner service may have done work. It may
    /// be the caller's haste: a classifier can tell it from a timeout.
    DeadlineExceeded,
    /// The deadline had passed before the call was started.
    Expired,
}

impl Reason {
    /// The name used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Recovering => "recovering",
            Self::Full => "full",
            Self::RateLimited => "rate_limited",
            Self::CostAboveBurst => "cost_above_burst",
            Self::TooManyKeys => "too_many_keys",
            Self::TimedOut => "timed_out",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Expired => "expired",
        }
    }

    /// The HTTP status that says it: 429 (Too Many Requests) for a rate, 504 (Gateway Timeout) for time that
    /// ran out, 503 (Service Unavailable) for all else.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::RateLimited | Self::CostAboveBurst => 429,
            Self::TimedOut | Self::DeadlineExceeded | Self::Expired => 504,
            _ => 503,
        }
    }

    /// The gRPC code that says it: 8 (`RESOURCE_EXHAUSTED`) for a rate, places or keys, 4
    /// (`DEADLINE_EXCEEDED`) for time that ran out, 14 (`UNAVAILABLE`) for a circuit breaker.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::Full | Self::RateLimited | Self::CostAboveBurst | Self::TooManyKeys => 8,
            Self::TimedOut | Self::DeadlineExceeded | Self::Expired => 4,
            _ => 14,
        }
    }

    /// What it says, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Open => "circuit breaker is open",
            Self::HalfOpen => "circuit breaker is half-open and all its probes are taken",
            Self::ForcedOpen => "circuit breaker is forced open",
            Self::Recovering => "circuit breaker is recovering and lets in a share of the calls",
            Self::Full => "as many calls as allowed are running",
            Self::RateLimited => "the rate is used up",
            Self::CostAboveBurst => "the call costs more than the rate allows at once",
            Self::TooManyKeys => "as many keys as allowed are in use",
            Self::TimedOut => "the time allowed ran out",
            Self::DeadlineExceeded => "the deadline passed while the call ran",
            Self::Expired => "the deadline had passed before the call was started",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rejected {
    /// A refusal by `policy`, without a hint when to come back.
    #[must_use]
    pub const fn new(policy: &'static str, reason: Reason) -> Self {
        Self {
            policy,
            retry_after: NO_HINT,
            reason,
            member: 0,
        }
    }

    /// The same with the time after which it is worth asking again.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = u64::try_from(retry_after.as_nanos()).unwrap_or(NO_HINT);
        self
    }

    /// The same in whole nanoseconds, of which there are fewer than 584 years: nothing to convert.
    pub(crate) const fn with_retry_nanos(mut self, nanos: u64) -> Self {
        self.retry_after = nanos;
        self
    }

    /// The name of the policy that refused.
    #[must_use]
    pub const fn policy(&self) -> &'static str {
        self.policy
    }

    /// Why it refused.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// How long from the refusal until it is worth asking again, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.retry_after {
            NO_HINT => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Whether the inner service was called, so that it may have done the work after all.
    ///
    /// True only for an expired timeout, its own or by the deadline. A refusal that was not started is safe to repeat and says
    /// nothing about the health of the dependency behind it.
    #[must_use]
    pub const fn started(&self) -> bool {
        matches!(self.reason, Reason::TimedOut | Reason::DeadlineExceeded)
    }

    /// Notes, on the way out of a pair, which of the two refused.
    pub(crate) const fn said_by(mut self, second: bool) -> Self {
        assert!(self.member < 1 << 7, "pairs nest at most eight deep");
        self.member = (self.member << 1) | second as u8;
        self
    }

    /// On the way back in: which of the two refused, and the refusal as that one gave it.
    pub(crate) const fn by_whom(mut self) -> (bool, Self) {
        let second = self.member & 1 == 1;
        self.member >>= 1;
        (second, self)
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("policy", &self.policy)
            .field("reason", &self.reason)
            .field("retry_after", &self.retry_after())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.policy, self.reason.sentence())?;
        match self.retry_after() {
            Some(after) if !after.is_zero() => write!(f, ", retry after {after:.1?}"),
            _ => Ok(()),
        }
    }
}
