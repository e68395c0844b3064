//! Policies that reject a call, one for each code and reason.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{num::NonZeroU32, time::Duration};

use buttress::{
    OnError, Resilience,
    breaker::{self, Order},
    http::InExtensions,
    pipeline::Builder,
    rate_limit::Quota,
    replay::Never,
};
use tonic::Code;

pub(crate) type Policy = Resilience<OnError, Never, InExtensions>;

pub(crate) fn policy(set: impl FnOnce(Builder) -> Builder) -> Policy {
    let builder = set(Resilience::builder().name("members"));
    let builder = builder.replay(Never).deadline_in(InExtensions);
    builder.build().expect("valid settings")
}

/// Policies that refuse the next call, whatever it is, with what they say.
pub(crate) async fn refusing() -> [(Policy, Code, &'static str); 2] {
    let open = policy(|builder| builder.breaker(breaker::Config::default()));
    open.order(Order::ForceOpen(Some(Duration::from_secs(30))));
    let quota = Quota::per_hour(NonZeroU32::MIN);
    let limited = policy(|builder| builder.rate_limit(quota));
    let first = limited.call(async |_| Ok::<_, ()>(()));
    first.await.expect("one is allowed");
    [
        (open, Code::Unavailable, "circuit breaker is open"),
        (limited, Code::ResourceExhausted, "the rate is used up"),
    ]
}

/// Policies that do not wait for a call that hangs, with what they say.
pub(crate) fn hasty() -> [(Policy, Code, &'static str); 2] {
    const SHORT: Duration = Duration::from_millis(50);
    let late = Code::DeadlineExceeded;
    [
        (
            policy(|builder| builder.attempt_timeout(SHORT)),
            late,
            "the time allowed ran out",
        ),
        (
            policy(|builder| builder.deadline(SHORT)),
            late,
            "the deadline passed while the call ran",
        ),
    ]
}

/// A place for one.
pub(crate) fn narrow() -> Policy {
    policy(|builder| builder.bulkhead(1))
}

/// What is said where that place is taken.
pub(crate) const FULL: (Code, &str) = (
    Code::ResourceExhausted,
    "as many calls as allowed are running",
);

/// What is said of a call that came too late.
pub(crate) const EXPIRED: (Code, &str) = (
    Code::DeadlineExceeded,
    "the deadline had passed before the call was started",
);
