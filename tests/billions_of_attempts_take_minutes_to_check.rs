//! Whether all attempts fit the deadline was found out one by one, and a settings file can ask for four
//! billion of them, so short and with so short waits that they do fit. And where they do not fit, what they
//! need was told only as far as it had been summed up.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::time::{Duration, Instant};

use buttress::{
    Resilience,
    backoff::{Backoff, Jitter},
    retry,
};

#[test]
fn they_are_checked_at_once() {
    const NANOSECOND: Duration = Duration::from_nanos(1);
    let begun = Instant::now();
    let build = |backoff: Backoff, deadline| {
        let mut retry = retry::Config::default();
        retry.max_attempts = u32::MAX;
        retry.backoff = backoff;
        Resilience::builder()
            .retry(retry)
            .attempt_timeout(NANOSECOND)
            .deadline(deadline)
            .build()
    };
    // 4.3 s of attempts.
    let attempts = Duration::from_nanos(u32::MAX.into());
    for backoff in [Backoff::none(), Backoff::custom(|_| Duration::ZERO)] {
        build(backoff.clone(), attempts).unwrap();
        build(backoff, attempts - NANOSECOND).unwrap_err();
    }
    let waits = attempts - NANOSECOND;
    for backoff in [
        Backoff::constant(NANOSECOND),
        Backoff::linear(NANOSECOND, Duration::ZERO),
        Backoff::exponential(NANOSECOND).cap(NANOSECOND),
        Backoff::exponential(NANOSECOND)
            .factor(1.0)
            .jitter(Jitter::Equal),
    ] {
        build(backoff.clone(), attempts + waits).unwrap();
        build(backoff, attempts + waits - NANOSECOND).unwrap_err();
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_told_to_be_needed_is_enough() {
    let mut retry = retry::Config::default();
    retry.max_attempts = 10;
    retry.backoff = Backoff::exponential(Duration::from_millis(100)).cap(Duration::from_secs(2));
    let build = |deadline| {
        let builder = Resilience::builder().retry(retry.clone());
        let builder = builder.attempt_timeout(Duration::from_secs(1));
        builder.deadline(deadline).build()
    };
    let no = build(Duration::from_secs(11)).unwrap_err();
    // Attempts of a second, and waits of 0.1, 0.2, 0.4, 0.8, 1.6 and four times 2 s.
    let needed = Duration::from_millis(10_000 + 3_100 + 8_000);
    assert_eq!(
        no.violations()[0].value,
        format!("11s (needed: {needed:?})")
    );
    build(needed).unwrap();
}
