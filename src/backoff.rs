//! Pure sequences of delays, and their spread.

use std::time::Duration;

use crate::sys::Rng;

/// A delay that grows by a factor from one attempt to the next, up to a cap, and is then spread.
///
/// Delay `k`, counted from 1, is `base x factor^(k - 1)`, at most `cap`, and then jittered; so the
/// jitter of a capped delay is spread around the cap and does not pile up at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) factor: f64,
    pub(crate) cap: Duration,
    pub(crate) jitter: Jitter,
}

/// How a delay is spread, so that those who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Jitter {
    /// Uniform in `[0, delay)`: "full jitter", Marc Brooker, "Exponential Backoff And Jitter",
    /// AWS Architecture Blog, 2015.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "retries are the ones to use it")
    )]
    Full,
    /// Uniform in `[delay x (1 - share), delay x (1 + share))`.
    Around(f64),
}

impl Backoff {
    /// The delay before jitter. Saturates: attempt 1,000,000 waits the cap.
    fn planned(&self, attempt: u32) -> f64 {
        // A cap below f64's reach keeps the product finite even when the power is not.
        let exponent = f64::from(attempt.saturating_sub(1));
        let grown = self.base.as_nanos() as f64 * self.factor.powf(exponent);
        grown.min(self.cap.as_nanos() as f64)
    }

    /// Delay number `attempt`, counted from 1.
    pub(crate) fn delay(&self, attempt: u32, rng: &mut Rng) -> Duration {
        // The planned delay itself when nothing spreads it: floats would lose nanoseconds.
        let planned = self.planned(attempt);
        let nanos = match self.jitter {
            Jitter::Around(0.0) if attempt <= 1 || self.factor == 1.0 => {
                return self.base.min(self.cap);
            }
            Jitter::Around(share) => planned * (1.0 - share + 2.0 * share * rng.unit()),
            Jitter::Full => planned * rng.unit(),
        };
        // `as` saturates, so that an endless delay stays endless.
        Duration::from_nanos(nanos.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Jitter};
    use crate::sys::Rng;

    const fn backoff(factor: f64, jitter: Jitter) -> Backoff {
        Backoff {
            base: Duration::from_millis(100),
            factor,
            cap: Duration::from_secs(2),
            jitter,
        }
    }

    #[test]
    fn grows_to_the_cap_and_saturates() {
        let mut rng = Rng::seeded(1);
        let mut delay = |k| backoff(2.0, Jitter::Around(0.0)).delay(k, &mut rng);
        assert_eq!(
            [1, 2, 3, 5, 6, 1_000_000].map(|k| delay(k).as_millis()),
            [100, 200, 400, 1600, 2000, 2000]
        );
        let endless = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
            ..backoff(2.0, Jitter::Around(0.5))
        };
        assert!(endless.delay(u32::MAX, &mut rng) > Duration::from_secs(u32::MAX.into()));
    }

    #[test]
    fn a_constant_delay_is_exact_to_the_nanosecond() {
        let odd = Backoff {
            base: Duration::from_nanos(9_007_199_254_740_993),
            cap: Duration::MAX,
            ..backoff(1.0, Jitter::Around(0.0))
        };
        assert_eq!(odd.delay(7, &mut Rng::seeded(1)), odd.base);
    }

    #[test]
    fn jitter_keeps_its_bounds_and_its_mean() {
        let mut rng = Rng::seeded(42);
        for (jitter, low, high) in [
            (Jitter::Full, 0.0, 100.0),
            (Jitter::Around(0.1), 90.0, 110.0),
        ] {
            let draws: Vec<f64> = (0..10_000)
                .map(|_| backoff(1.0, jitter).delay(3, &mut rng).as_secs_f64() * 1e3)
                .collect();
            assert!(draws.iter().all(|ms| (low..=high).contains(ms)));
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let expected = f64::midpoint(low, high);
            assert!((mean - expected).abs() < 1.5, "{jitter:?}: {mean}");
        }
    }
}
