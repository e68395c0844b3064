//! Latencies by bucket, and a percentile of what was only partly seen. Pure.
//!
//! # Buckets
//!
//! Log-linear, in units of 1,024 ns: 32 buckets of a unit each, then 32 to every power of two, so that
//! a bucket is at most 1/32 of its lower bound wide (of a unit, at the start). The last holds all above
//! 71 minutes.
//!
//! # The percentile
//!
//! Of an attempt that was cut short only is known that it would have taken longer. To leave it out, or to
//! take its age for its latency, makes the percentile too low, the more so the more is cut short; and a
//! hedge cuts short just the slow ones. So they are counted as what they are, right-censored, by the
//! product-limit estimator (Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations",
//! JASA 53, 1958): of those that reached an age, the share that got past it is known, whatever became of
//! them later. The share that takes longer than `t` is the product, over all ages up to `t`, of
//! `1 - completed / reached`.
//!
//! Within a bucket those cut short count as having got through it (errs to the longer side, by less than
//! a bucket), and the answer is interpolated.

/// How many buckets there are.
pub(super) const BUCKETS: usize = (OCTAVES + 1) << FINE;

/// In powers of two: a unit's nanoseconds, and buckets to a power of two.
const UNIT: u32 = 10;
const FINE: u32 = 5;
/// Powers of two above the linear part.
const OCTAVES: usize = 27;

/// What is known of the attempts in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// They took so long.
    pub(super) completed: u64,
    /// They would have taken longer.
    pub(super) cut_short: u64,
}

/// The bucket of this many nanoseconds.
#[inline]
pub(super) fn bucket_of(nanos: u64) -> usize {
    let units = nanos >> UNIT;
    // The power of two, above those that the linear part covers.
    let octave = (u64::BITS - units.leading_zeros()).saturating_sub(FINE + 1);
    // Up to twice as many as there are to an octave: its own leading bit is in it.
    let fine = (units >> octave) as usize;
    (((octave as usize) << FINE) + fine).min(BUCKETS - 1)
}

/// The first nanosecond of a bucket; of the one after the last, the end.
pub(super) fn start_of(bucket: usize) -> u64 {
    let octave = (bucket >> FINE).saturating_sub(1);
    let fine = bucket - (octave << FINE);
    (fine as u64) << octave << UNIT
}

/// How long it takes until only `1 - quantile` are still running, in nanoseconds. When that is not
/// reached, as long as the longest was seen. Nothing if none completed.
pub(super) fn quantile(counts: &[Count], quantile: f64) -> Option<u64> {
    let completed: u64 = counts.iter().map(|count| count.completed).sum();
    if completed == 0 {
        return None;
    }
    // So close to the goal is on it: the product has lost its last digits.
    let goal = 1.0 - quantile + 1e-12;
    let all = |count: &Count| count.completed + count.cut_short;
    let mut reached: u64 = counts.iter().map(all).sum();
    let mut running = 1.0;
    for (bucket, count) in counts.iter().enumerate() {
        if count.completed > 0 {
            let through = (reached - count.completed) as f64 / reached as f64;
            let after = running * through;
            if after <= goal {
                let share = ((running - goal) / (running - after)).clamp(0.0, 1.0);
                let (start, end) = (start_of(bucket), start_of(bucket + 1));
                return Some(start + (share * (end - start) as f64) as u64);
            }
            running = after;
        }
        reached -= all(count);
    }
    let longest = counts.iter().rposition(|count| all(count) > 0);
    longest.map(|bucket| start_of(bucket + 1))
}

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::{BUCKETS, Count, bucket_of, quantile, start_of};
    use crate::sys::Rng;

    #[test]
    fn buckets_are_narrow_and_leave_no_gap() {
        assert_eq!(start_of(0), 0);
        for bucket in 0..BUCKETS {
            let (start, end) = (start_of(bucket), start_of(bucket + 1));
            assert_eq!(bucket_of(start), bucket);
            assert_eq!(bucket_of(end - 1), bucket);
            assert!(end - start <= (start / 32).max(1024), "{bucket}");
        }
        assert_eq!(bucket_of(start_of(BUCKETS)), BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert!(start_of(BUCKETS) > 71 * 60 * 1_000_000_000);
    }

    fn counted(samples: &[(u64, bool)]) -> Vec<Count> {
        let mut counts = vec![Count::default(); BUCKETS];
        for &(nanos, completed) in samples {
            let count = &mut counts[bucket_of(nanos)];
            count.completed += u64::from(completed);
            count.cut_short += u64::from(!completed);
        }
        counts
    }

    /// One sample after the other, as the textbook has it: the bucket where the goal is reached.
    fn naive(samples: &[(u64, bool)], q: f64) -> Option<usize> {
        let mut sorted: Vec<_> = samples
            .iter()
            .map(|&(nanos, completed)| (bucket_of(nanos), !completed))
            .collect();
        sorted.sort_unstable();
        let mut running = 1.0;
        for (n, &(bucket, cut_short)) in sorted.iter().enumerate() {
            if !cut_short {
                running *= 1.0 - 1.0 / (sorted.len() - n) as f64;
            }
            if running <= 1.0 - q + 1e-9 {
                return Some(bucket);
            }
        }
        let any = sorted.iter().any(|(_, cut_short)| !cut_short);
        any.then(|| sorted.last().expect("there is one").0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_is_the_textbook_s(
            samples in prop::collection::vec((0_u64..1 << 34, prop::bool::weighted(0.7)), 0..60),
            shift in 0_u32..20,
            q in 0.01_f64..0.99,
        ) {
            let samples: Vec<_> = samples.iter().map(|(nanos, c)| (nanos >> shift, *c)).collect();
            let ours = quantile(&counted(&samples), q);
            let theirs = naive(&samples, q);
            prop_assert_eq!(ours.is_some(), theirs.is_some());
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                prop_assert!(start_of(theirs) <= ours && ours <= start_of(theirs + 1));
            }
        }

        #[test]
        fn more_is_cut_short_and_it_does_not_fall(
            samples in prop::collection::vec(0_u64..1 << 30, 1..60),
            cut in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
            q in 0.01_f64..0.99,
        ) {
            // What is known of some is less: they were cut short where they would have ended.
            let full: Vec<_> = samples.iter().map(|nanos| (*nanos, true)).collect();
            let mut less = full.clone();
            for at in cut {
                less[at.index(full.len())].1 = false;
            }
            if let Some(ours) = quantile(&counted(&less), q) {
                let all = quantile(&counted(&full), q).expect("all completed");
                prop_assert!(ours + 1 >= all, "{ours} {all}");
            }
        }
    }

    /// Exponential latencies of mean 10 ms, hedged at a fixed age: the slow ones are cut short when
    /// their hedge answers.
    #[test]
    fn what_was_cut_short_does_not_bias_it_low() {
        let mut rng = Rng::seeded(1);
        let mut draw = || (-(1.0 - rng.unit()).ln() * 10e6) as u64;
        let (mut honest, mut as_completed, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let delay = 12_000_000;
        for _ in 0..100_000 {
            let (first, second) = (draw(), draw());
            let ended = first.min(delay + second);
            let mut add = |age: u64, completed: bool| {
                honest.push((age, completed));
                as_completed.push((age, true));
                if completed {
                    left_out.push((age, true));
                }
            };
            add(ended, first <= ended);
            if first > delay {
                add(ended - delay, delay + second <= ended && first > ended);
            }
        }
        let p90 = |samples: &[_]| quantile(&counted(samples), 0.9).expect("some") as f64;
        let truth = 10e6 * 10.0_f64.ln();
        let error = |samples: &[_]| p90(samples) / truth - 1.0;
        let (honest, as_completed, left_out) =
            (error(&honest), error(&as_completed), error(&left_out));
        assert!(honest.abs() < 0.02, "{honest}");
        assert!(as_completed < -0.15, "{as_completed}");
        assert!(left_out < -0.15, "{left_out}");
    }

    #[test]
    fn it_is_interpolated_and_known_values_come_out() {
        // A thousand, evenly from 0 to 100 ms: error below a bucket's share.
        let even: Vec<_> = (0..1000).map(|n| (n * 100_000, true)).collect();
        for q in [0.1, 0.5, 0.93, 0.99] {
            let ours = quantile(&counted(&even), q).unwrap() as f64;
            assert!((ours / (q * 100e6) - 1.0).abs() < 0.01, "{q}: {ours}");
        }
        // The textbook's arithmetic: 6 reached the first, 4 the second, 2 the third, one of each ended.
        let ms = |n: u64| n << 20;
        let cut = [(ms(1), true), (ms(2), false), (ms(3), true)];
        let more = [(ms(4), false), (ms(5), true), (ms(6), false)];
        let samples = [cut, more].concat();
        let at = |q| bucket_of(quantile(&counted(&samples), q).unwrap() - 1);
        // 5/6, 5/6 * 3/4 = 0.625, 0.3125 are still running.
        assert_eq!(at(0.16), bucket_of(ms(1)));
        assert_eq!(at(0.17), bucket_of(ms(3)));
        assert_eq!(at(0.37), bucket_of(ms(3)));
        assert_eq!(at(0.38), bucket_of(ms(5)));
        assert_eq!(at(0.68), bucket_of(ms(5)));
        // Beyond, nobody knows; at least so long.
        assert_eq!(at(0.7), bucket_of(ms(6)));
        assert_eq!(quantile(&counted(&[(ms(1), false)]), 0.5), None);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
