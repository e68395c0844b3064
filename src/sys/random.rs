//! Randomness that can be handed in.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::sync::{AtomicU64, Ordering};

/// A small seedable generator (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014). It spreads retries and openings; it guards no secret.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Seeded by the operating system, differently for each call.
    pub(crate) fn from_entropy() -> Self {
        #[allow(clippy::disallowed_methods, reason = "this is the door")]
        let keys = RandomState::new();
        Self::seeded(keys.build_hasher().finish())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.next())
    }
}

/// A generator that many calls draw from at once: no two of them ever draw the same number.
#[derive(Debug)]
pub(crate) struct SharedRng {
    state: AtomicU64,
}

impl SharedRng {
    /// What this generator would have drawn.
    pub(crate) fn new(from: Rng) -> Self {
        Self {
            state: AtomicU64::new(from.state),
        }
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&self) -> f64 {
        unit(self.next())
    }

    /// Another generator, reproducible if this one is.
    pub(crate) fn split(&self) -> Rng {
        Rng::seeded(self.next())
    }

    fn next(&self) -> u64 {
        // Which call gets which number does not matter, only that none is drawn twice.
        let before = self.state.fetch_add(GAMMA, Ordering::Relaxed);
        mix(before.wrapping_add(GAMMA))
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in `[0, 1)`: the upper 53 bits, so that every value is exact.
pub(crate) fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{Rng, SharedRng};

    #[test]
    #[cfg(not(buttress_loom))]
    fn a_shared_generator_draws_what_its_origin_would_have_drawn() {
        let mut own = Rng::seeded(7);
        let shared = SharedRng::new(Rng::seeded(7));
        for _ in 0..8 {
            assert_eq!(shared.unit().to_bits(), own.unit().to_bits());
        }
    }

    #[test]
    fn a_seed_reproduces_the_sequence_and_entropy_does_not() {
        let draw = |mut rng: Rng| (0..8).map(|_| rng.next()).collect::<Vec<_>>();
        assert_eq!(draw(Rng::seeded(7)), draw(Rng::seeded(7)));
        assert_ne!(draw(Rng::from_entropy()), draw(Rng::from_entropy()));
        // The reference implementation's first output for seed 0.
        assert_eq!(Rng::seeded(0).next(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn unit_stays_below_one() {
        let mut rng = Rng::seeded(1);
        let draws: Vec<f64> = (0..10_000).map(|_| rng.unit()).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
