//! Documents, and what becomes of them in the hands of people in a hurry.

use buttress::document::Format;
use proptest::{collection::vec, prelude::*, sample::Index, sample::select};
use serde_json::{Map, Value, json};

/// Documents with nothing wrong in them.
pub(crate) const GOOD: [(Format, &str); 7] = [
    (
        Format::Yaml,
        "base: standard\npolicies:\n  payments:\n    breaker: { failure_ratio: 0.3, open_for: 2s, window: 100 }\n    bulkhead: { max_concurrent: 20, max_queue: 5, max_wait: 100ms }\n    retry:\n      max_attempts: 2\n      backoff: { law: constant, base: 50ms, jitter: 0.1 }\n  members: {}\n  audit: { base: payments, deadline: 20s, breaker: off }\n",
    ),
    (
        Format::Yaml,
        "base: { base: latency_sensitive, deadline: 2s }\npolicies:\n  search: &search\n    hedge: { delay: { percentile: 0.99, until: 40ms, min_samples: 50, window: 30s } }\n    rate_limit: { calls: 100, period: 1s, burst: 10, max_wait: 5ms, shadow: true }\n  index: *search\n  list: { <<: *search, deadline: 1500ms }\n",
    ),
    (
        Format::Yaml,
        "policies:\n  legacy:\n    circuitBreaker:\n      failureRateThreshold: 50\n      slidingWindowSize: 100\n      slidingWindowType: TIME_BASED\n      waitDurationInOpenState: 5000\n    retry: { maxAttempts: 3, waitDuration: 100ms, enableExponentialBackoff: true, exponentialBackoffMultiplier: 2 }\n    timelimiter: { timeoutDuration: PT1S }\n  net: { CircuitBreaker: { FailureRatio: 0.1, BreakDuration: '00:00:05' }, ConcurrencyLimiter: { PermitLimit: 5 } }\n",
    ),
    (
        Format::Toml,
        "base = \"standard\"\n\n[policies.payments]\ndeadline = \"12s\"\nbreaker = { failure_ratio = 0.3, open_for = \"2s\", window = 100 }\nbulkhead.max_concurrent = 20\n\n[policies.payments.retry]\nmax_attempts = 2\nbackoff = { law = \"linear\", base = \"10ms\", step = \"5ms\" }\n\n[policies.audit]\nbase = \"payments\"\nbreaker = false\n",
    ),
    (
        Format::Toml,
        "[policies.a]\nattempt_timeout = { timeout = \"1s\" }\nrate_limit = { calls = 0x10, period = \"1m 30s\" }\n[policies.'b c']\nbase = \"none\"\nbudget = { ratio = 0.1, min_per_sec = 1e1, reserve = 1_0 }\n",
    ),
    (
        Format::Json,
        "{\"$schema\": \"buttress.schema.json\", \"base\": \"standard\", \"policies\": {\"payments\": {\"breaker\": {\"failure_ratio\": 0.3, \"open_for\": \"2s\"}, \"bulkhead\": null}, \"members\": \"payments\", \"audit\": {\"base\": null, \"deadline\": \"1s\"}}}",
    ),
    (
        Format::Json,
        "{\n  \"base\": {\"budget\": {\"ratio\": \"0.5\"}},\n  \"policies\": {\n    \"k\\u00e4se\": {\"hedge\": {\"delay\": \"20ms\", \"max_hedges\": 2}},\n    \"x\": {\"fallback\": {\"max_concurrent\": 8}, \"breaker\": true}\n  }\n}\n",
    ),
];

/// What stands in documents, and what should not.
const WORDS: [&str; 74] = [
    "base",
    "policies",
    "breaker",
    "retry",
    "backoff",
    "hedge",
    "delay",
    "budget",
    "rate_limit",
    "bulkhead",
    "deadline",
    "attempt_timeout",
    "fallback",
    "law",
    "cap",
    "jitter",
    "window",
    "min_calls",
    "open_for",
    "probes",
    "max_concurrent",
    "max_queue",
    "max_wait",
    "calls",
    "period",
    "burst",
    "percentile",
    "until",
    "shadow",
    "circuitBreaker",
    "failureRateThreshold",
    "slidingWindowSize",
    "slidingWindowType",
    "TIME_BASED",
    "maxAttempts",
    "configs",
    "instances",
    "default",
    "baseConfig",
    "resilience4j",
    "standard",
    "latency_sensitive",
    "none",
    "off",
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "NaN",
    ".inf",
    "4294967296",
    "18446744073709551616",
    "250ms",
    "1m 30s",
    "584542046091y",
    "18446744073709551615s 1000000000ns",
    "PT5S",
    "P",
    "00:00:05",
    "1.2.3",
    "99999999999999999999.5s",
    "''",
    "\"\"",
    "{}",
    "[]",
    "*a",
    "&a",
    "<<",
    "!!str",
    "\u{0}",
];

#[derive(Debug, Clone)]
enum Slip {
    /// A word becomes another.
    Word(Index, &'static str),
    /// A word is as another word of the document.
    Same(Index, Index),
    Char(Index, char),
    Insert(Index, &'static str),
    Delete(Index, Index),
    /// A line again, elsewhere.
    Line(Index, Index),
    /// A line deeper or less deep.
    Indent(Index, bool),
    Swap(Index, Index),
    /// A piece, many times.
    Repeat(Index, Index, u8),
}

fn slips() -> impl Strategy<Value = Slip> {
    let at = any::<Index>;
    let signs = select(vec![
        "{", "}", "[", "]", ":", ": ", ",", "\"", "'", "\n", "  ", "- ", "#", "---\n", "&a ", "*a",
        "|\n", "? ", "=", "\\", "\t",
    ]);
    prop_oneof![
        4 => (at(), select(WORDS.to_vec())).prop_map(|(at, word)| Slip::Word(at, word)),
        2 => (at(), at()).prop_map(|(at, other)| Slip::Same(at, other)),
        1 => (at(), any::<char>()).prop_map(|(at, c)| Slip::Char(at, c)),
        2 => (at(), signs).prop_map(|(at, sign)| Slip::Insert(at, sign)),
        2 => (at(), at()).prop_map(|(at, to)| Slip::Delete(at, to)),
        1 => (at(), at()).prop_map(|(at, to)| Slip::Line(at, to)),
        1 => (at(), any::<bool>()).prop_map(|(at, deeper)| Slip::Indent(at, deeper)),
        1 => (at(), at()).prop_map(|(at, other)| Slip::Swap(at, other)),
        1 => (at(), at(), any::<u8>()).prop_map(|(at, to, times)| Slip::Repeat(at, to, times)),
    ]
}

/// Where words begin and end.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$');
        match (inside, begin) {
            (true, None) => begin = Some(at),
            (false, Some(from)) => {
                words.push((from, at));
                begin = None;
            }
            _ => {}
        }
    }
    words
}

/// Two places between characters, not far from one another.
fn piece(text: &str, one: Index, other: Index) -> (usize, usize) {
    let ends: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let from = one.index(ends.len());
    let to = (from + other.index(20)).min(ends.len() - 1);
    (ends[from], ends[to])
}

fn apply(slip: &Slip, text: &str) -> String {
    let words = words(text);
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let with =
        |(from, to): (usize, usize), new: &str| format!("{}{new}{}", &text[..from], &text[to..]);
    match slip {
        Slip::Word(..) | Slip::Same(..) | Slip::Swap(..) if words.is_empty() => text.to_owned(),
        Slip::Word(at, word) => with(words[at.index(words.len())], word),
        Slip::Same(at, other) => {
            let (from, to) = words[other.index(words.len())];
            with(words[at.index(words.len())], &text[from..to])
        }
        Slip::Swap(at, other) => {
            let (one, two) = (at.index(lines.len()), other.index(lines.len()));
            lines.swap(one, two);
            lines.join("\n")
        }
        Slip::Char(at, c) => {
            let (from, _) = piece(text, *at, *at);
            let end = text[from..]
                .chars()
                .next()
                .map_or(from, |old| from + old.len_utf8());
            with((from, end), &c.to_string())
        }
        Slip::Insert(at, sign) => {
            let (from, _) = piece(text, *at, *at);
            with((from, from), sign)
        }
        Slip::Delete(at, to) => with(piece(text, *at, *to), ""),
        Slip::Line(at, to) => {
            let line = lines[at.index(lines.len())].clone();
            lines.insert(to.index(lines.len()), line);
            lines.join("\n")
        }
        Slip::Indent(at, deeper) => {
            let at = at.index(lines.len());
            let line = &lines[at];
            lines[at] = match deeper {
                true => format!("  {line}"),
                false => line.strip_prefix("  ").unwrap_or(line).to_owned(),
            };
            lines.join("\n")
        }
        Slip::Repeat(at, to, times) => {
            let (from, to) = piece(text, *at, *to);
            with((from, to), &text[from..to].repeat(usize::from(*times)))
        }
    }
}

/// One of these with a few slips.
pub(crate) fn mutated(texts: Vec<String>) -> impl Strategy<Value = String> {
    (select(texts), vec(slips(), 0..6))
        .prop_map(|(text, slips)| slips.iter().fold(text, |text, slip| apply(slip, &text)))
}

/// Words and numbers that a setting may have, or may not.
fn leaves() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(WORDS.to_vec()).prop_map(Value::from),
        2 => (0..20_u32).prop_map(Value::from),
        1 => (0.0..2.0_f64).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
        2 => (0..5_000_u32).prop_map(|ms| Value::from(format!("{ms}ms"))),
        1 => Just(json!([])),
        1 => Just(json!({})),
    ]
}

fn map(
    keys: &'static [&'static str],
    values: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Value> {
    vec((select(keys), values), 0..4)
        .prop_map(|entries| {
            let entries = entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            Value::Object(entries.collect::<Map<_, _>>())
        })
        .boxed()
}

/// A value of its pattern more often than not.
fn pattern(name: &'static str) -> BoxedStrategy<Value> {
    let backoff = || {
        let keys = &["law", "base", "step", "factor", "cap", "jitter"];
        let laws = select(vec![
            "constant",
            "linear",
            "exponential",
            "none",
            "full",
            "equal",
            "1s",
            "2",
        ]);
        map(
            keys,
            prop_oneof![2 => laws.prop_map(Value::from), 1 => leaves()],
        )
    };
    let settings = match name {
        "breaker" | "circuit_breaker" | "CircuitBreaker" => map(
            &[
                "window",
                "min_calls",
                "failure_ratio",
                "slow_call_duration",
                "open_for",
                "open_jitter",
                "open_factor",
                "open_max",
                "probes",
                "probe_timeout",
                "ramp",
                "shadow",
                "failureRateThreshold",
                "sliding_window_size",
                "sliding_window_type",
                "enable_exponential_backoff",
                "BreakDuration",
                "wait-duration-in-open-state",
                "randomized_wait_factor",
            ],
            leaves(),
        ),
        "retry" => map(
            &[
                "max_attempts",
                "max_hint",
                "retry_refused",
                "backoff",
                "wait_duration",
                "MaxRetryAttempts",
                "UseJitter",
                "exponential_backoff_multiplier",
                "BackoffType",
            ],
            prop_oneof![1 => backoff(), 1 => leaves()],
        ),
        "hedge" => map(
            &["delay", "max_hedges", "Delay"],
            prop_oneof![1 => map(&["percentile", "until", "min_samples", "window"], leaves()), 1 => leaves()],
        ),
        "rate_limit" => map(
            &[
                "calls",
                "period",
                "burst",
                "max_wait",
                "shadow",
                "limitForPeriod",
                "Window",
            ],
            leaves(),
        ),
        "bulkhead" => map(
            &[
                "max_concurrent",
                "max_queue",
                "max_wait",
                "shadow",
                "maxWaitDuration",
                "PermitLimit",
            ],
            leaves(),
        ),
        "budget" => map(&["ratio", "min_per_sec", "reserve"], leaves()),
        "fallback" => map(&["max_concurrent"], leaves()),
        _ => map(&["timeout", "timeout_duration", "limit"], leaves()),
    };
    prop_oneof![4 => settings, 1 => leaves()].boxed()
}

const PATTERNS: [&str; 14] = [
    "deadline",
    "retry",
    "hedge",
    "budget",
    "rate_limit",
    "breaker",
    "bulkhead",
    "attempt_timeout",
    "fallback",
    "circuit_breaker",
    "timelimiter",
    "base",
    "CircuitBreaker",
    "braker",
];

fn settings() -> BoxedStrategy<Value> {
    let entry = select(PATTERNS.to_vec()).prop_flat_map(|name| {
        let bases = select(vec!["standard", "none", "a", "b", "nobody"]).prop_map(Value::from);
        let value = if name == "base" {
            bases.boxed()
        } else {
            pattern(name)
        };
        value.prop_map(move |value| (name.to_owned(), value))
    });
    let map = vec(entry, 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect()));
    prop_oneof![6 => map, 1 => leaves()].boxed()
}

/// Documents of known names and likely values.
pub(crate) fn policies() -> impl Strategy<Value = Value> {
    let names = select(vec!["a", "b", "c", "none"]).prop_map(str::to_owned);
    let policies = vec((names, settings()), 0..4);
    (proptest::option::of(settings()), policies).prop_map(|(base, policies)| {
        let policies: Map<_, _> = policies.into_iter().collect();
        let mut document = json!({ "policies": policies });
        if let Some(base) = base {
            document["base"] = base;
        }
        document
    })
}
