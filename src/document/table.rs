//! All settings, with their names elsewhere. Reading, the names in errors, the schema and the table of names in
//! the docs come from here.

use super::kinds::{Alias, Kind, Means, Of, Range, SHARE, Setting, Usual};

use Kind::{
    Cap, Count, Delay, Duration, Flag, Group, Jitter, Law, Limit, Number, Optional, Window,
};
use Means::{Millis, OneMore, Part, Percent, Same, Span, Words};
use Usual::{Is, Not, Required};

const fn is(
    path: &'static str,
    kind: Kind,
    usual: Usual,
    about: &'static str,
    aliases: &'static [Alias],
) -> Setting {
    Setting {
        path,
        kind,
        usual,
        about,
        aliases,
    }
}

const fn r4j(name: &'static str, means: Means) -> Alias {
    Alias {
        name,
        of: Of::Resilience4j,
        means,
    }
}

const fn old_r4j(name: &'static str, means: Means) -> Alias {
    Alias {
        name,
        of: Of::OldResilience4j,
        means,
    }
}

const fn polly(name: &'static str, means: Means) -> Alias {
    Alias {
        name,
        of: Of::Polly,
        means,
    }
}

const PATTERN: Kind = Group { off: true };
const ALWAYS: Kind = Group { off: false };
/// A threshold.
const RATIO: Kind = Number(Range::of(0.0, 1.0).without_low());
const MILLION: u32 = 1_000_000;
const SHADOW: &str = "Whether all is decided and counted, and nothing refused or made to wait.";

/// Parents stand before their children. A line of the table is the path, what it looks like, its default; what it is for;
/// its other names.
#[rustfmt::skip]
pub(super) const SETTINGS: &[Setting] = &[
    is("deadline", Limit, Not,
        "How long a call may take in all, waits and further attempts included: above zero.",
        &[polly("total_request_timeout", Same)]),
    is("retry", PATTERN, Not,
        "Repeats calls that failed. Not together with `hedge`.",
        &[r4j("retry", Same)]),
    is("retry.max_attempts", Count(1, u32::MAX), Is("3"),
        "How many attempts a call may take, the first included.",
        &[
            r4j("max_attempts", Same),
            old_r4j("max_retry_attempts", Same),
            polly("max_retry_attempts", OneMore),
        ]),
    is("retry.backoff", ALWAYS, Not,
        "How long to wait before each further attempt. Another law starts afresh.",
        &[]),
    is("retry.backoff.law", Law, Is("exponential"),
        "How the waits grow: not at all, by `step` or by `factor`.",
        &[
            r4j("enable_exponential_backoff", Part),
            polly("backoff_type", Words(&[("constant", "constant"), ("linear", "linear"), ("exponential", "exponential")])),
        ]),
    is("retry.backoff.base", Duration, Is("100ms"),
        "The first wait.",
        &[r4j("wait_duration", Millis), polly("delay", Span)]),
    is("retry.backoff.step", Duration, Not,
        "By how much a linear wait grows each time. Default: `base`.",
        &[]),
    is("retry.backoff.factor", Number(Range::of(1.0, f64::MAX)), Is("2.0"),
        "What an exponential wait is multiplied by each time.",
        &[r4j("exponential_backoff_multiplier", Part)]),
    is("retry.backoff.cap", Cap, Not,
        "The longest wait, before jitter, or none. Default of an exponential one: 2s, or `base` if that is longer; of others: none.",
        &[r4j("exponential_max_wait_duration", Millis), polly("max_delay", Span)]),
    is("retry.backoff.jitter", Jitter, Is("full"),
        "How each wait is spread: none, full, equal, decorrelated, or by a share of it up and down.",
        &[
            r4j("enable_randomized_wait", Part),
            r4j("randomized_wait_factor", Part),
            polly("use_jitter", Words(&[("true", "full"), ("false", "none")])),
        ]),
    is("retry.max_hint", Duration, Is("10s"),
        "The longest wait that the dependency may ask for; a longer one ends the call.",
        &[]),
    is("retry.retry_refused", Flag, Is("false"),
        "Whether refusals of policies further in are retried.",
        &[]),
    is("hedge", PATTERN, Not,
        "Asks a second time when the first answer is late. Not together with `retry`.",
        &[polly("hedging", Same)]),
    is("hedge.delay", Delay, Required,
        "When a further attempt is due: a fixed delay, or a percentile of the latencies of late.",
        &[polly("delay", Span)]),
    is("hedge.delay.percentile", Number(Range::of(0.0, 1.0).without_low().without_high()), Required,
        "Which: 0.95 hedges about one call in twenty.",
        &[]),
    is("hedge.delay.until", Duration, Required,
        "The delay until there are `min_samples`.",
        &[]),
    is("hedge.delay.min_samples", Count(1, u32::MAX), Is("100"),
        "How many answers the window must hold before it is asked.",
        &[]),
    is("hedge.delay.window", Duration, Is("1m"),
        "How far back it looks: 100ms to a day.",
        &[]),
    is("hedge.max_hedges", Count(1, 10), Is("1"),
        "The most further attempts of one call.",
        &[polly("max_hedged_attempts", Same)]),
    is("budget", ALWAYS, Not,
        "What further attempts are paid from, of `retry` or `hedge`. There always is one.",
        &[]),
    is("budget.ratio", Number(Range::of(0.0, 100.0)), Is("0.2"),
        "What each answered call pays in, as a share of an attempt.",
        &[]),
    is("budget.min_per_sec", Number(Range::of(0.0, 1e6)), Is("1.0"),
        "What time pays in, in attempts per second.",
        &[]),
    is("budget.reserve", Count(1, MILLION), Is("30"),
        "The most attempts that it holds, and what it starts with.",
        &[]),
    is("rate_limit", PATTERN, Not,
        "So many attempts per period.",
        &[r4j("ratelimiter", Same), polly("rate_limiter", Same)]),
    is("rate_limit.calls", Count(1, u32::MAX), Required,
        "How many in each period.",
        &[
            r4j("limit_for_period", Same),
            polly("permit_limit", Same),
            polly("tokens_per_period", Same),
        ]),
    is("rate_limit.period", Duration, Required,
        "The period: above zero.",
        &[
            r4j("limit_refresh_period", Millis),
            polly("window", Span),
            polly("replenishment_period", Span),
        ]),
    is("rate_limit.burst", Count(1, u32::MAX), Not,
        "How many may be let in at once after a quiet time. Default: `calls`.",
        &[polly("token_limit", Same)]),
    is("rate_limit.max_wait", Duration, Is("0s"),
        "How long a call may be made to wait for its turn.",
        &[r4j("timeout_duration", Millis)]),
    is("rate_limit.shadow", Flag, Is("false"),
        SHADOW,
        &[]),
    is("breaker", PATTERN, Not,
        "Stops calling a dependency that fails or is slow.",
        &[r4j("circuitbreaker", Same), polly("circuit_breaker", Same)]),
    is("breaker.window", Window, Is("10s"),
        "What is judged: the last so many calls, 1 to 1000000, or those of so much time.",
        &[
            r4j("sliding_window_size", Part),
            r4j("sliding_window_type", Part),
            r4j("ring_buffer_size_in_closed_state", Same),
            polly("sampling_duration", Span),
        ]),
    is("breaker.min_calls", Count(1, u32::MAX), Is("20"),
        "How many calls must be in the window before it is judged. Default: 20, or a shorter count window's length.",
        &[r4j("minimum_number_of_calls", Same), polly("minimum_throughput", Same)]),
    is("breaker.failure_ratio", RATIO, Is("0.5"),
        "Opens when failed calls / calls reaches this.",
        &[r4j("failure_rate_threshold", Percent), polly("failure_ratio", Same)]),
    is("breaker.slow_call_duration", Optional, Not,
        "A call that took longer is slow. Default: off.",
        &[r4j("slow_call_duration_threshold", Millis)]),
    is("breaker.slow_call_ratio", RATIO, Is("1.0"),
        "Opens when slow calls / calls reaches this.",
        &[r4j("slow_call_rate_threshold", Percent)]),
    is("breaker.open_for", Duration, Is("5s"),
        "How long it stays open before it sends probes: above zero.",
        &[r4j("wait_duration_in_open_state", Millis), polly("break_duration", Span)]),
    is("breaker.open_jitter", Number(SHARE), Is("0.1"),
        "The spread of `open_for`: by this share of it up and down.",
        &[r4j("enable_randomized_wait", Part), r4j("randomized_wait_factor", Part)]),
    is("breaker.open_factor", Number(Range::of(1.0, f64::MAX)), Is("1.0"),
        "What `open_for` is multiplied by each time it opens again.",
        &[r4j("enable_exponential_backoff", Part), r4j("exponential_backoff_multiplier", Part)]),
    is("breaker.open_max", Duration, Is("1m"),
        "The longest that growth leads to.",
        &[r4j("exponential_max_wait_duration_in_open_state", Millis)]),
    is("breaker.probes", Count(1, 10_000), Is("5"),
        "How many trial calls a half-open breaker sends and judges.",
        &[
            r4j("permitted_number_of_calls_in_half_open_state", Same),
            r4j("ring_buffer_size_in_half_open_state", Same),
        ]),
    is("breaker.probe_timeout", Duration, Is("10s"),
        "A probe that runs as long as this counts as failed: above zero.",
        &[r4j("max_wait_duration_in_half_open_state", Millis)]),
    is("breaker.ramp", Optional, Not,
        "After closing, over this time a growing share of the calls is let in. Default: off.",
        &[]),
    is("breaker.shadow", Flag, Is("false"),
        SHADOW,
        &[]),
    is("bulkhead", PATTERN, Not,
        "So many attempts at once.",
        &[r4j("bulkhead", Same), polly("concurrency_limiter", Same)]),
    is("bulkhead.max_concurrent", Count(1, MILLION), Required,
        "How many may run at once.",
        &[r4j("max_concurrent_calls", Same), polly("permit_limit", Same)]),
    is("bulkhead.max_queue", Count(0, MILLION), Is("0"),
        "How many more may wait for a place.",
        &[polly("queue_limit", Same)]),
    is("bulkhead.max_wait", Duration, Is("0s"),
        "How long each may wait for a place: above zero with a queue, and zero without.",
        &[r4j("max_wait_duration", Part), r4j("max_wait_time", Part)]),
    is("bulkhead.shadow", Flag, Is("false"),
        SHADOW,
        &[]),
    is("attempt_timeout", Limit, Not,
        "How long one attempt may take: above zero.",
        &[r4j("timelimiter", Same), r4j("time_limiter", Same)]),
    is("fallback", ALWAYS, Not,
        "Bounds what answers in place of failed calls, where there is one.",
        &[]),
    is("fallback.max_concurrent", Count(1, MILLION), Is("64"),
        "How many backups that take time may run at once.",
        &[]),
];

/// The names of a time limit in a group of its own.
pub(super) const LIMITS: &[Alias] = &[r4j("timeout_duration", Millis), polly("timeout", Span)];

/// Where a rule calls a setting otherwise than a document does.
pub(super) const RULES: &[(&str, &str)] = &[
    ("hedge.quantile", "hedge.delay.percentile"),
    ("hedge.until", "hedge.delay.until"),
    ("hedge.min_samples", "hedge.delay.min_samples"),
    ("hedge.window", "hedge.delay.window"),
];
