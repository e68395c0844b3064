//! Delays as their users have them: bounds, growth, seeds. And what jitter is for, simulated.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "../examples/jitter/simulation.rs"]
mod simulation;

use std::{collections::BTreeSet, time::Duration};

use buttress::backoff::{Backoff, Jitter};
use proptest::prelude::*;

const BASE: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(2);

const JITTERS: [Jitter; 5] = [
    Jitter::None,
    Jitter::Full,
    Jitter::Equal,
    Jitter::Decorrelated,
    Jitter::Around(0.3),
];

/// From a nanosecond to a day, each order of magnitude as likely as another; and the extremes.
fn durations() -> impl Strategy<Value = Duration> {
    let usual =
        (0_u32..=14, 1_u64..10).prop_map(|(zeros, n)| Duration::from_nanos(n * 10_u64.pow(zeros)));
    prop_oneof![
        20 => usual,
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
    ]
}

fn laws() -> impl Strategy<Value = Backoff> {
    let growth = prop_oneof![Just(1.0), Just(2.0), 1.0..10.0, Just(f64::MAX)];
    prop_oneof![
        Just(Backoff::none()),
        durations().prop_map(Backoff::constant),
        (durations(), durations()).prop_map(|(base, step)| Backoff::linear(base, step)),
        (durations(), growth).prop_map(|(base, factor)| Backoff::exponential(base).factor(factor)),
        durations().prop_map(|step| Backoff::custom(move |n| step.saturating_mul(n / 2))),
    ]
}

/// Floats round: to a nanosecond, and to one part in 2^52.
fn about(planned: Duration, share: f64) -> (Duration, Duration) {
    let nanos = planned.as_nanos() as f64 * share;
    let near = |nanos: f64| Duration::from_nanos(nanos as u64);
    (
        near(nanos * (1.0 - 1e-12) - 1.0),
        near(nanos * (1.0 + 1e-12) + 1.0),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planned_waits_grow_up_to_the_cap(law in laws(), cap in durations(), from in any::<u32>()) {
        let law = law.cap(cap);
        let mut last = Duration::ZERO;
        for attempt in (1..=40).chain([from / 2, from]).filter(|n| *n > 0) {
            let planned = law.planned(attempt);
            prop_assert!(planned <= cap);
            if attempt <= 40 {
                prop_assert!(planned >= last, "{planned:?} after {last:?}");
                last = planned;
            }
        }
    }

    #[test]
    fn waits_keep_the_bounds_of_their_jitter(law in laws(), cap in durations(), seed in any::<u64>()) {
        for jitter in JITTERS {
            let law = law.clone().cap(cap).jitter(jitter);
            let mut last = Duration::ZERO;
            for (attempt, wait) in (1..=30).zip(law.delays(seed)) {
                let planned = law.planned(attempt);
                // Floats end at 584 years, and so does the clock.
                let (low, high) = match jitter {
                    Jitter::None => (planned, planned),
                    Jitter::Full => (Duration::ZERO, about(planned, 1.0).1),
                    Jitter::Equal => (about(planned, 0.5).0, about(planned, 1.0).1),
                    Jitter::Decorrelated => {
                        let base = law.planned(1);
                        let most = last.max(base).saturating_mul(3).min(cap);
                        (about(base.min(most), 1.0).0, about(most, 1.0).1)
                    }
                    _ => (about(planned, 0.7).0, about(planned, 1.3).1),
                };
                prop_assert!(low <= wait && wait <= high, "{jitter:?}: {low:?} {wait:?} {high:?}");
                last = wait;
            }
        }
    }

    #[test]
    fn a_seed_tells_all_waits(law in laws(), seed in any::<u64>()) {
        for jitter in JITTERS {
            let law = law.clone().cap(CAP * 1_000_000).jitter(jitter);
            let waits = |seed| law.delays(seed).take(20).collect::<Vec<_>>();
            prop_assert_eq!(waits(seed), waits(seed));
            // A clone that was made half-way goes on alike.
            let mut first = law.delays(seed);
            let _ = first.nth(9);
            prop_assert_eq!(first.clone().take(9).collect::<Vec<_>>(), first.take(9).collect::<Vec<_>>());
        }
    }
}

#[test]
fn attempts_beyond_all_reason_wait_the_cap() {
    for attempt in [1_000_000, u32::MAX] {
        for law in [Backoff::exponential(BASE), Backoff::linear(BASE, BASE)] {
            assert_eq!(law.clone().cap(CAP).planned(attempt), CAP);
            assert_eq!(
                Backoff::exponential(Duration::MAX)
                    .cap(CAP)
                    .planned(attempt),
                CAP
            );
        }
    }
    assert_eq!(
        Backoff::linear(Duration::MAX, Duration::MAX).planned(u32::MAX),
        Duration::MAX
    );
    assert_eq!(Backoff::constant(Duration::MAX).planned(7), Duration::MAX);
    // Beyond the clock's 584 years a product would be shorter than its base.
    assert_eq!(
        Backoff::exponential(Duration::MAX).planned(2),
        Duration::MAX
    );
    // Number 0 is nobody's, and taken for the first.
    assert_eq!(Backoff::exponential(BASE).planned(0), BASE);
}

#[test]
fn steps_of_nanoseconds_are_kept() {
    let nanos = |law: Backoff| {
        let waits = law.jitter(Jitter::None).delays(0).take(4);
        waits.map(|wait| wait.as_nanos()).collect::<Vec<_>>()
    };
    assert_eq!(
        nanos(Backoff::exponential(Duration::from_nanos(1))),
        [1, 2, 4, 8]
    );
    assert_eq!(
        nanos(Backoff::exponential(Duration::from_nanos(150))),
        [150, 300, 600, 1200]
    );
    let odd = Backoff::exponential(Duration::from_nanos(1_001)).factor(1.5);
    assert_eq!(nanos(odd), [1_001, 1_502, 2_252, 3_378]);
    let step = Duration::from_nanos(3);
    assert_eq!(
        nanos(Backoff::linear(Duration::from_nanos(7), step)),
        [7, 10, 13, 16]
    );
    // The jitter of a few microseconds is of nanoseconds, not of the timer's milliseconds.
    let law = Backoff::constant(Duration::from_micros(5));
    let waits: BTreeSet<_> = law.delays(1).take(100).collect();
    assert!(waits.len() > 90);
}

#[test]
fn sessions_differ() {
    for jitter in [
        Jitter::Full,
        Jitter::Equal,
        Jitter::Decorrelated,
        Jitter::Around(0.1),
    ] {
        let law = Backoff::exponential(BASE).cap(CAP).jitter(jitter);
        for n in 0..5 {
            let waits: BTreeSet<_> = (0..1_000).map(|seed| law.delays(seed).nth(n)).collect();
            assert!(
                waits.len() > 990,
                "{jitter:?}: {} different ones",
                waits.len()
            );
        }
    }
}

/// Waits are spread evenly over what the jitter allows: all tenths are equally full.
#[test]
fn nothing_piles_up_anywhere() {
    for (jitter, low, high) in [
        (Jitter::Full, 0.0, 2_000.0),
        (Jitter::Equal, 1_000.0, 2_000.0),
        (Jitter::Around(0.5), 1_000.0, 3_000.0),
    ] {
        // Planned at the cap.
        let law = Backoff::exponential(BASE).cap(CAP).jitter(jitter);
        let mut tenths = [0; 10];
        for wait in law.delays(1).skip(10).take(10_000) {
            let place = (wait.as_secs_f64() * 1e3 - low) / (high - low);
            tenths[(place * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|n| (850..=1150).contains(n)),
            "{jitter:?}: {tenths:?}"
        );
    }
    // Decorrelated waits at the cap move on from wherever the last one was: no wait is the cap.
    let law = Backoff::exponential(BASE)
        .cap(CAP)
        .jitter(Jitter::Decorrelated);
    let waits = law.delays(1).take(10_000);
    assert!(waits.filter(|wait| *wait > CAP.mul_f64(0.999)).count() < 30);
}

/// The published simulation; the table that `examples/jitter` prints stands in the module's docs.
#[test]
fn jitter_halves_the_calls_of_a_hundred_clients_in_contention() {
    let exponential = Backoff::exponential(Duration::from_millis(5)).cap(CAP);
    let cost = |jitter| simulation::mean(100, &exponential.clone().jitter(jitter), 20);
    let none = cost(Jitter::None);
    for jitter in [Jitter::Full, Jitter::Equal] {
        let spread = cost(jitter);
        assert!(
            spread.calls < none.calls / 2.0,
            "{jitter:?}: {spread:?}, without {none:?}"
        );
        assert!(
            spread.millis < none.millis / 5.0,
            "{jitter:?}: {spread:?}, without {none:?}"
        );
    }
    let decorrelated = cost(Jitter::Decorrelated);
    assert!(
        decorrelated.calls < none.calls * 0.6,
        "{decorrelated:?}, without {none:?}"
    );
}
