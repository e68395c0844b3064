//! Strange header values, and what must come of them.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::fmt::Debug;

use buttress::{header::Malformed, telemetry::ignore_malformed};
use proptest::{prelude::*, sample::Index};

/// Anything, or what is nearly right: as generated, or with one character changed.
pub(crate) fn strange(near: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let changed = (near, any::<Index>(), any::<char>(), 0..3_u8).prop_map(
        |(value, at, with, kind)| match kind {
            0 => mutated(&value, at, with),
            _ => value,
        },
    );
    prop_oneof![3 => changed, 1 => any::<String>(), 1 => "[ -~]{0,40}"]
}

/// So many digits, at most; ASCII ones but for a few.
pub(crate) fn digits(most: usize) -> impl Strategy<Value = String> {
    let ascii = prop::collection::vec(prop::char::range('0', '9'), 0..=most);
    let ascii = ascii.prop_map(String::from_iter);
    let other = prop::collection::vec("\\p{Nd}", 0..=most).prop_map(|all| all.concat());
    prop_oneof![9 => ascii, 1 => other]
}

/// With one character put in, or in place of another.
pub(crate) fn mutated(value: &str, at: Index, with: char) -> String {
    let mut chars: Vec<char> = value.chars().collect();
    let at = at.index(chars.len() + 1);
    match chars.get_mut(at) {
        Some(char) if u32::from(with) % 2 == 0 => *char = with,
        _ => chars.insert(at, with),
    }
    chars.into_iter().collect()
}

/// Goes on without it if it is malformed, as every reader in the crate does; sees that it is counted
/// then, once, under this header, and that nothing is if it is well formed.
#[cfg(feature = "metrics")]
pub(crate) fn counted<T: Debug>(header: &str, read: Result<T, Malformed>) -> Option<T> {
    counting(header, || ignore_malformed(read))
}

/// The same for something that reads on its own and may answer with nothing for other reasons.
#[cfg(feature = "metrics")]
pub(crate) fn counting<T: Debug>(header: &str, read: impl FnOnce() -> Option<T>) -> Option<T> {
    let (value, count) = malformed_in(header, read);
    assert_eq!(count, u64::from(value.is_none()));
    value
}

/// How many malformed values are counted meanwhile, all of them under this header.
#[cfg(feature = "metrics")]
pub(crate) fn malformed_in<T>(header: &str, read: impl FnOnce() -> T) -> (T, u64) {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    let value = metrics::with_local_recorder(&recorder, read);
    let counters = recorder.snapshotter().snapshot().into_vec();
    let counts = counters.into_iter().map(|(key, _, _, value)| {
        assert_eq!(key.key().name(), "buttress_malformed_headers_total");
        let labels: Vec<_> = key.key().labels().collect();
        assert!(matches!(labels[..], [only] if only.key() == "header" && only.value() == header));
        match value {
            DebugValue::Counter(count) => count,
            other => panic!("no counter: {other:?}"),
        }
    });
    (value, counts.sum())
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn counted<T: Debug>(_: &str, read: Result<T, Malformed>) -> Option<T> {
    ignore_malformed(read)
}
