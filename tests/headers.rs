//! Header values are written by strangers: whatever they are, reading them does not panic, finds no
//! time in what is not well formed, and counts what was ignored. `.ci/fuzz` runs this for long; HTTP's
//! own stand in `headers_http.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strange.rs"]
mod strange;

use std::time::Duration;

use buttress::header::{
    Malformed, grpc_pushback, grpc_timeout, millis, to_grpc_timeout, to_millis,
};
use proptest::prelude::*;
use strange::{counted, digits, mutated, strange};

/// Any duration, short ones as likely as long ones.
fn durations() -> impl Strategy<Value = Duration> {
    let spread = (any::<u64>(), 0..64_u32).prop_map(|(n, shift)| Duration::from_nanos(n >> shift));
    let any = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n));
    prop_oneof![3 => spread, 1 => any, 1 => Just(Duration::MAX)]
}

fn timeouts() -> impl Strategy<Value = String> {
    (digits(10), "[HMSmun]{0,2}").prop_map(|(amount, unit)| amount + &unit)
}

fn pushbacks() -> impl Strategy<Value = String> {
    ("-{0,2}", digits(22)).prop_map(|(sign, amount)| sign + &amount)
}

/// What the grammar of `grpc-timeout` allows, by another way than the reader's: amount and unit.
fn amount_and_unit(value: &str) -> Option<(u32, Duration)> {
    let unit = match value.chars().last()? {
        'H' => Duration::from_secs(3600),
        'M' => Duration::from_secs(60),
        'S' => Duration::from_secs(1),
        'm' => Duration::from_millis(1),
        'u' => Duration::from_micros(1),
        'n' => Duration::from_nanos(1),
        _ => return None,
    };
    let mut amount = 0;
    let digits = value.strip_suffix(|_: char| true)?;
    for digit in digits.chars() {
        let digit = "0123456789".find(digit)?;
        amount = amount * 10 + digit as u32;
    }
    (1..=8)
        .contains(&digits.chars().count())
        .then_some((amount, unit))
}

/// A whole number of at most so many digits that fits into a word.
fn number(value: &str, most: usize) -> Option<u64> {
    let fits = (1..=most).contains(&value.chars().count());
    let all = value.chars().all(|c| "0123456789".contains(c));
    let sum = |value: &str| value.bytes().fold(0, |n, b| n * 10 + u128::from(b - b'0'));
    (fits && all).then(|| sum(value).try_into().ok()).flatten()
}

proptest! {
    #[test]
    fn a_grpc_timeout_is_read_exactly_or_ignored(value in strange(timeouts())) {
        let read = counted("grpc-timeout", grpc_timeout(&value));
        // Longer amounts than the grammar allows overflow the check, not the reader.
        let expected = match value.chars().count() {
            0..=9 => amount_and_unit(&value),
            _ => None,
        };
        prop_assert_eq!(read, expected.map(|(amount, unit)| unit * amount), "{:?}", value);
    }

    #[test]
    fn milliseconds_are_read_exactly_or_ignored(value in strange(digits(22))) {
        let read = counted("x-wait-ms", millis("x-wait-ms", &value));
        prop_assert_eq!(read, number(&value, 20).map(Duration::from_millis), "{:?}", value);
    }

    #[test]
    fn a_grpc_pushback_is_read_exactly_or_ignored(value in strange(pushbacks())) {
        let read = counted("grpc-retry-pushback-ms", grpc_pushback(&value));
        let expected = match value.strip_prefix('-') {
            Some(rest) => number(rest, 19).map(|_| None),
            None => number(&value, 19).map(|millis| Some(Duration::from_millis(millis))),
        };
        prop_assert_eq!(read, expected, "{:?}", value);
    }

    #[test]
    fn a_written_grpc_timeout_is_well_formed_and_never_longer(timeout in durations()) {
        let value = to_grpc_timeout(timeout);
        let longest = Duration::from_secs(99_999_999 * 3600);
        let (amount, unit) = amount_and_unit(&value).expect("well formed");
        let read = grpc_timeout(&value).expect("well formed");
        prop_assert_eq!(read, unit * amount);
        prop_assert!(read <= timeout);
        // As fine as eight digits can say it, and the whole of what they can say at most.
        prop_assert!(timeout.min(longest) - read < unit);
        prop_assert!(amount >= 100_000 || unit == Duration::from_nanos(1));
        prop_assert_eq!(to_grpc_timeout(read), value, "what was read is written alike");
    }

    #[test]
    fn written_milliseconds_are_read_again(timeout in durations()) {
        let read = millis("x", &to_millis(timeout)).map(|read| read.as_millis());
        prop_assert_eq!(read, Ok(timeout.as_millis().min(u64::MAX.into())));
    }

    #[test]
    fn a_value_that_is_a_little_off_is_no_panic(
        (timeout, at, with) in (durations(), any::<prop::sample::Index>(), any::<char>())
    ) {
        let value = mutated(&to_grpc_timeout(timeout), at, with);
        counted("grpc-timeout", grpc_timeout(&value));
        let value = mutated(&to_millis(timeout), at, with);
        counted("x-wait-ms", millis("x-wait-ms", &value));
        counted("grpc-retry-pushback-ms", grpc_pushback(&value));
    }
}

#[test]
fn a_malformed_value_names_its_header() {
    let error: Malformed = grpc_timeout("soon").unwrap_err();
    assert_eq!(error.header(), "grpc-timeout");
    assert_eq!(
        error.to_string(),
        "the value of `grpc-timeout` is malformed"
    );
    assert_eq!(millis("x-wait-ms", "").unwrap_err().header(), "x-wait-ms");
    let pushback = grpc_pushback("never").unwrap_err();
    assert_eq!(pushback.header(), "grpc-retry-pushback-ms");
}
