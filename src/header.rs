//! What services say to each other in header values: pure functions that read and write them.
//!
//! A value that is not well formed is an error here, never a panic. Those who read headers go on
//! without it and count it: see [`telemetry::ignore_malformed`](crate::telemetry::ignore_malformed).

use std::{fmt, time::Duration};

/// A header's value that is not well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    header: &'static str,
}

impl Malformed {
    /// A malformed value of this header. The name becomes a label of a metric: let it be one that is
    /// known when the code is written.
    #[must_use]
    pub const fn new(header: &'static str) -> Self {
        Self { header }
    }

    /// Which header.
    #[must_use]
    pub const fn header(&self) -> &'static str {
        self.header
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value of `{}` is malformed", self.header)
    }
}

impl std::error::Error for Malformed {}

/// The units of `grpc-timeout`, from the finest, in nanoseconds.
const UNITS: [(char, u64); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

/// At most eight digits.
const MOST: u64 = 99_999_999;

/// Reads `grpc-timeout`: one to eight digits and a unit, `H`, `M`, `S`, `m`, `u` or `n` ("gRPC over
/// HTTP2", Requests).
///
/// ```
/// use buttress::header::{grpc_timeout, to_grpc_timeout};
/// use std::time::Duration;
///
/// assert_eq!(grpc_timeout("250m"), Ok(Duration::from_millis(250)));
/// assert!(grpc_timeout("soon").is_err());
/// assert_eq!(to_grpc_timeout(Duration::from_millis(250)), "250000u");
/// ```
///
/// # Errors
///
/// [`Malformed`] when it is anything else.
pub fn grpc_timeout(value: &str) -> Result<Duration, Malformed> {
    let malformed = Malformed::new("grpc-timeout");
    let Some((at, unit)) = value.char_indices().next_back() else {
        return Err(malformed);
    };
    let nanos = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, nanos) = nanos.ok_or(malformed)?;
    let amount = digits(&value[..at], 8).ok_or(malformed)?;
    // At most 100 million hours: 3.6e20 ns would not fit into a word.
    Ok(Duration::from_nanos(*nanos)
        .saturating_mul(u32::try_from(amount).expect("eight digits are below 2^32")))
}

/// Writes `grpc-timeout`, in the finest unit that its eight digits can hold; rounded down, since a
/// deadline only ever shrinks, and at most 99,999,999 hours.
#[must_use]
pub fn to_grpc_timeout(timeout: Duration) -> String {
    let nanos = timeout.as_nanos();
    let in_unit = |unit: u64| nanos / u128::from(unit);
    let fits = UNITS.iter().find(|(_, unit)| in_unit(*unit) <= MOST.into());
    let (name, unit) = fits.unwrap_or(&UNITS[UNITS.len() - 1]);
    format!("{}{name}", in_unit(*unit).min(MOST.into()))
}

/// Reads a number of milliseconds, as in `x-envoy-expected-rq-timeout-ms` and the like: digits only.
///
/// # Errors
///
/// [`Malformed`], with the name of this `header`, when it is anything else, or more than a word holds.
pub fn millis(header: &'static str, value: &str) -> Result<Duration, Malformed> {
    let millis = digits(value, 20).ok_or(Malformed::new(header))?;
    Ok(Duration::from_millis(millis))
}

/// Writes a number of milliseconds, rounded down, and at most as many as a word holds.
#[must_use]
pub fn to_millis(timeout: Duration) -> String {
    timeout.as_millis().min(u64::MAX.into()).to_string()
}

/// Reads `grpc-retry-pushback-ms`: after how long a gRPC server wants another attempt, or nothing
/// when it wants none (gRFC A6: a negative number).
///
/// # Errors
///
/// [`Malformed`] when it is no number. gRFC A6 takes that for "no further attempt", too.
pub fn grpc_pushback(value: &str) -> Result<Option<Duration>, Malformed> {
    let malformed = Malformed::new("grpc-retry-pushback-ms");
    match value.strip_prefix('-') {
        Some(rest) => digits(rest, 19).map(|_| None),
        None => digits(value, 19).map(|millis| Some(Duration::from_millis(millis))),
    }
    .ok_or(malformed)
}

/// A number of one to `most` ASCII digits, and nothing else: no sign, no blank. Up to 19 digits fit; of
/// 20, those that do.
pub(crate) fn digits(text: &str, most: usize) -> Option<u64> {
    let plain = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{grpc_pushback, grpc_timeout, millis, to_grpc_timeout, to_millis};
    use std::time::Duration;

    #[test]
    fn grpc_timeouts_are_read_in_every_unit() {
        for (text, nanos) in [
            ("0n", 0),
            ("99999999n", 99_999_999),
            ("7u", 7_000),
            ("250m", 250_000_000),
            ("3S", 3_000_000_000),
            ("2M", 120_000_000_000),
            ("1H", 3_600_000_000_000),
        ] {
            assert_eq!(
                grpc_timeout(text),
                Ok(Duration::from_nanos(nanos)),
                "{text}"
            );
        }
        let longest = Duration::from_secs(99_999_999 * 3_600);
        assert_eq!(grpc_timeout("99999999H"), Ok(longest));
        for text in [
            "",
            "S",
            "1",
            "123456789S",
            "-1S",
            "+1S",
            "1 S",
            "1s",
            "1.5S",
            "١S",
            "1Ü",
        ] {
            assert!(grpc_timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn grpc_timeouts_are_written_as_finely_as_eight_digits_can() {
        for (nanos, text) in [
            (0, "0n"),
            (99_999_999, "99999999n"),
            (100_000_000, "100000u"),
            (99_999_999_999, "99999999u"),
            (100_000_000_999, "100000m"),
        ] {
            assert_eq!(to_grpc_timeout(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(to_grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(to_grpc_timeout(Duration::MAX), "99999999H");
    }

    #[test]
    fn what_is_written_is_read_again_and_never_longer() {
        for shift in 0..64 {
            let timeout = Duration::from_nanos(u64::MAX >> shift);
            let read = grpc_timeout(&to_grpc_timeout(timeout)).unwrap();
            assert!(
                read <= timeout
                    && timeout.as_nanos() - read.as_nanos() <= timeout.as_nanos() / 100_000
            );
            let read = millis("x", &to_millis(timeout)).unwrap();
            assert_eq!(read.as_millis(), timeout.as_millis());
        }
    }

    #[test]
    fn pushback_is_a_wait_or_a_no() {
        assert_eq!(grpc_pushback("0"), Ok(Some(Duration::ZERO)));
        assert_eq!(grpc_pushback("1500"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(grpc_pushback("-1"), Ok(None));
        for text in ["", "-", "--1", "1.5", "soon", "99999999999999999999"] {
            assert!(grpc_pushback(text).is_err(), "{text}");
        }
    }
}
