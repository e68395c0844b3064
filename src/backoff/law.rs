//! The laws of waits, and how they are spread.

use std::{fmt, time::Duration};

use crate::{
    error::Violations,
    sys::{Arc, Rng, unit},
};

/// How long to wait before each further attempt. See the [module](crate::backoff).
///
/// Starts without a cap and with full jitter, which [`cap`](Self::cap) and [`jitter`](Self::jitter)
/// change. What cannot be (a cap below the base, a factor below 1) is told by the `build()` of the
/// policy that it is given to.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    pub(super) law: Law,
    pub(super) cap: Duration,
    pub(super) jitter: Jitter,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Law {
    /// Always this.
    Constant(Duration),
    /// The base, and a step more each time.
    Linear(Duration, Duration),
    /// The base, times the factor each time.
    Exponential(Duration, f64),
    Custom(Custom),
}

#[derive(Clone)]
pub(super) struct Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>);

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fn")
    }
}

/// How a delay is spread. The formulas stand with the [module](crate::backoff).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Not at all: for tests.
    None,
    /// Over all of it, from zero.
    Full,
    /// Over its upper half: never comes back at once.
    Equal,
    /// From the base to three times the last delay.
    Decorrelated,
    /// Around it, by this share of it up and down: 0 to 1. May pass the cap by that share.
    Around(f64),
}

impl Backoff {
    const fn new(law: Law) -> Self {
        Self {
            law,
            cap: Duration::MAX,
            jitter: Jitter::Full,
        }
    }

    /// No wait at all.
    #[must_use]
    pub const fn none() -> Self {
        Self::constant(Duration::ZERO)
    }

    /// The same wait each time, before jitter: with [`Jitter::Full`], as it starts, up to `delay`.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self::new(Law::Constant(delay))
    }

    /// `base`, and `step` more each time, before jitter.
    #[must_use]
    pub const fn linear(base: Duration, step: Duration) -> Self {
        Self::new(Law::Linear(base, step))
    }

    /// `base`, doubled each time, before jitter. See [`factor`](Self::factor).
    #[must_use]
    pub const fn exponential(base: Duration) -> Self {
        Self::new(Law::Exponential(base, 2.0))
    }

    /// A function of the number of the attempt that failed, counted from 1.
    #[must_use]
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self::new(Law::Custom(Custom(Arc::new(delay))))
    }

    /// What an exponential wait is multiplied by each time: 1 or more. No other law has one.
    #[must_use]
    pub fn factor(mut self, by: f64) -> Self {
        if let Law::Exponential(_, factor) = &mut self.law {
            *factor = by;
        }
        self
    }

    /// The longest wait that the law leads to, before jitter.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How each wait is spread.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The wait after attempt number `attempt` (from 1) failed, before jitter.
    ///
    /// Saturates: attempt 1,000,000 waits the cap.
    #[must_use]
    pub fn planned(&self, attempt: u32) -> Duration {
        let steps = attempt.saturating_sub(1);
        let planned = match &self.law {
            Law::Constant(delay) => *delay,
            Law::Linear(base, step) => base.saturating_add(step.saturating_mul(steps)),
            // Exact where nothing grows: floats would lose nanoseconds.
            Law::Exponential(base, factor) if steps == 0 || *factor == 1.0 => *base,
            // At worst endless, and capped; but never below the base, though floats end at 584 years.
            // Zero times endless is no number, and becomes zero.
            Law::Exponential(base, factor) => {
                let nanos = base.as_nanos() as f64 * factor.powf(steps.into());
                from_nanos(nanos).max(*base)
            }
            Law::Custom(Custom(delay)) => delay(attempt),
        };
        planned.min(self.cap)
    }

    /// The wait after attempt number `attempt` (from 1) failed. `last` is the wait before this one,
    /// zero at first; `draw` is uniform in `[0, 1)`.
    pub(crate) fn delay(
        &self,
        attempt: u32,
        last: Duration,
        draw: impl FnOnce() -> f64,
    ) -> Duration {
        let planned = self.planned(attempt);
        let nanos = planned.as_nanos() as f64;
        match self.jitter {
            Jitter::None | Jitter::Around(0.0) => planned,
            Jitter::Full => from_nanos(nanos * draw()),
            Jitter::Equal => from_nanos(nanos * (0.5 + 0.5 * draw())),
            Jitter::Around(share) => from_nanos(nanos * (1.0 - share + 2.0 * share * draw())),
            Jitter::Decorrelated => {
                let base = self.planned(1);
                let most = last.max(base).saturating_mul(3).min(self.cap);
                let (base, most) = (base.as_nanos() as f64, most.as_nanos() as f64);
                from_nanos(base + (most - base) * draw())
            }
        }
    }

    /// The longest that the wait after attempt number `attempt` (from 1) can be.
    pub(crate) fn longest(&self, attempt: u32) -> Duration {
        let planned = self.planned(attempt);
        match self.jitter {
            Jitter::None | Jitter::Full | Jitter::Equal => planned,
            Jitter::Around(share) => from_nanos(planned.as_nanos() as f64 * (1.0 + share)),
            Jitter::Decorrelated => {
                let most = 3_u32.saturating_pow(attempt);
                self.planned(1).saturating_mul(most).min(self.cap)
            }
        }
    }

    /// The waits of one call, without end: the same for the same seed.
    #[must_use]
    pub fn delays(&self, seed: u64) -> Delays {
        Delays {
            backoff: self.clone(),
            attempt: 0,
            last: Duration::ZERO,
            rng: Rng::seeded(seed),
        }
    }

    /// Checks every rule.
    pub(crate) fn check(&self, rules: &mut Violations) {
        if let Law::Exponential(_, factor) = self.law {
            let holds = factor >= 1.0 && factor.is_finite();
            let rule = "must be 1 or more, and finite";
            rules.require(holds, "backoff.factor", factor, rule);
        }
        let base = match self.law {
            Law::Constant(base) | Law::Linear(base, _) | Law::Exponential(base, _) => base,
            Law::Custom(_) => Duration::ZERO,
        };
        let rule = "must be at least the first delay";
        rules.require(self.cap >= base, "backoff.cap", self.cap, rule);
        if let Jitter::Around(share) = self.jitter {
            let holds = (0.0..=1.0).contains(&share);
            rules.require(holds, "backoff.jitter", share, "must be 0 to 1");
        }
    }
}

/// The waits of one call: made by [`Backoff::delays`].
#[derive(Debug, Clone)]
pub struct Delays {
    backoff: Backoff,
    attempt: u32,
    last: Duration,
    rng: Rng,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.attempt = self.attempt.saturating_add(1);
        let draw = || unit(self.rng.next());
        self.last = self.backoff.delay(self.attempt, self.last, draw);
        Some(self.last)
    }
}

/// Rounded; what is too long for the clock anyway saturates at 584 years.
fn from_nanos(nanos: f64) -> Duration {
    Duration::from_nanos(nanos.round() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Jitter};

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(2);

    fn planned(backoff: &Backoff) -> [u128; 6] {
        [1, 2, 3, 5, 6, 1_000_000].map(|attempt| backoff.planned(attempt).as_millis())
    }

    #[test]
    fn laws_grow_to_the_cap_and_saturate() {
        let exponential = Backoff::exponential(BASE).cap(CAP);
        assert_eq!(planned(&exponential), [100, 200, 400, 1600, 2000, 2000]);
        let linear = Backoff::linear(BASE, BASE).cap(CAP);
        assert_eq!(planned(&linear), [100, 200, 300, 500, 600, 2000]);
        assert_eq!(planned(&Backoff::constant(BASE)), [100; 6]);
        assert_eq!(planned(&Backoff::none()), [0; 6]);
        let custom = Backoff::custom(|attempt| BASE * attempt.min(3)).cap(BASE * 2);
        assert_eq!(planned(&custom), [100, 200, 200, 200, 200, 200]);
    }

    #[test]
    fn nothing_overflows() {
        for law in [
            Backoff::exponential(Duration::MAX),
            Backoff::linear(Duration::MAX, Duration::MAX),
            Backoff::constant(Duration::MAX),
            Backoff::exponential(Duration::MAX).factor(f64::MAX),
            Backoff::exponential(Duration::ZERO).factor(f64::MAX),
        ] {
            for jitter in [
                Jitter::None,
                Jitter::Full,
                Jitter::Equal,
                Jitter::Decorrelated,
                Jitter::Around(1.0),
            ] {
                let law = law.clone().jitter(jitter);
                for attempt in [0, 1, 2, 1_000_000, u32::MAX] {
                    for last in [Duration::ZERO, Duration::MAX] {
                        let _ = law.delay(attempt, last, || 0.999_999);
                    }
                }
            }
        }
    }

    #[test]
    fn without_jitter_a_delay_is_exact_to_the_nanosecond() {
        let odd = Duration::from_nanos(9_007_199_254_740_993);
        let constant = Backoff::constant(odd).jitter(Jitter::Around(0.0));
        assert_eq!(constant.delay(7, odd, || unreachable!()), odd);
        let constant = Backoff::exponential(odd).factor(1.0).jitter(Jitter::None);
        assert_eq!(constant.delay(7, odd, || unreachable!()), odd);
        let tiny = Backoff::exponential(Duration::from_nanos(3)).jitter(Jitter::None);
        assert_eq!(tiny.planned(3), Duration::from_nanos(12));
    }

    #[test]
    fn jitter_keeps_its_bounds_and_its_mean() {
        for (jitter, low, high) in [
            (Jitter::Full, 0.0, 400.0),
            (Jitter::Equal, 200.0, 400.0),
            (Jitter::Around(0.1), 360.0, 440.0),
        ] {
            let law = Backoff::exponential(BASE).cap(CAP).jitter(jitter);
            let third = |seed| law.delays(seed).nth(2).unwrap().as_secs_f64() * 1e3;
            let draws: Vec<f64> = (0..10_000).map(third).collect();
            assert!(draws.iter().all(|ms| (low..=high).contains(ms)));
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let expected = f64::midpoint(low, high);
            assert!((mean - expected).abs() < 3.0, "{jitter:?}: {mean}");
        }
    }

    #[test]
    fn nothing_piles_up_at_the_cap() {
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let law = Backoff::exponential(BASE).cap(CAP).jitter(jitter);
            let late = (0..1_000).map(|seed| law.delays(seed).nth(20).unwrap());
            let at_cap = late.filter(|delay| *delay >= CAP).count();
            assert_eq!(at_cap, 0, "{jitter:?}");
        }
    }

    #[test]
    fn a_decorrelated_delay_grows_from_the_last_one() {
        let law = Backoff::exponential(BASE)
            .cap(CAP)
            .jitter(Jitter::Decorrelated);
        let near = |last, draw: f64| law.delay(9, last, || draw).as_millis();
        assert_eq!(near(Duration::ZERO, 0.0), 100);
        assert_eq!(near(Duration::ZERO, 0.5), 200);
        assert_eq!(near(Duration::from_millis(300), 0.5), 500);
        assert_eq!(near(Duration::from_secs(60), 0.5), 1050);
    }
}
