//! What so many calls can prove.

use crate::figures::Share;

/// How sure the bound is to hold.
pub const CONFIDENCE: f64 = 0.95;

/// The lower bound for the share that was counted (one-sided; Clopper and Pearson, Biometrika 26, 1934):
/// were the truth below it, so good a count would have come by chance in less than one of 20 cases. It
/// takes the calls for independent of each other; those of one moment are not quite.
pub fn lower_bound(share: Share) -> f64 {
    let (mut low, mut high) = (0.0, share.ratio());
    // So often that nothing is left to halve.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if at_most_lost(share, middle) < 1.0 - CONFIDENCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// How likely it is that no more are lost, when each is answered with this probability: the binomial
/// distribution, summed in logarithms, since its terms are too small for a float.
fn at_most_lost(share: Share, answered: f64) -> f64 {
    let (mut term, mut sum) = (share.of as f64 * answered.ln(), 0.0);
    for lost in 0..=share.lost() {
        sum += term.exp();
        let left = (share.of - lost) as f64 / (lost + 1) as f64;
        term += (left * (1.0 - answered) / answered).ln();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(part: usize, of: usize) -> f64 {
        lower_bound(Share { part, of })
    }

    #[test]
    fn nothing_lost_is_the_root_of_one_in_twenty() {
        for of in [20, 1_600, 80_000] {
            let root = 0.05_f64.powf(1.0 / of as f64);
            assert!((bound(of, of) - root).abs() < 1e-12, "{of}");
        }
    }

    /// By what the bound is defined as, without logarithms.
    #[test]
    fn at_the_bound_so_good_a_count_comes_once_in_twenty() {
        for (part, of) in [(9, 10), (8, 10), (95, 100), (1, 10)] {
            let answered = bound(part, of);
            let choose = |lost: usize| {
                (0..lost).fold(1.0, |ways, i| ways * (of - i) as f64 / (i + 1) as f64)
            };
            let term = |lost: usize| {
                let kept = (of - lost) as i32;
                choose(lost) * (1.0 - answered).powi(lost as i32) * answered.powi(kept)
            };
            let sum: f64 = (0..=of - part).map(term).sum();
            assert!((sum - 0.05).abs() < 1e-9, "{part} of {of}: {sum}");
        }
        assert_eq!(bound(0, 10), 0.0);
    }

    #[test]
    fn each_loss_lowers_it() {
        assert!(bound(16_000, 16_000) > bound(15_999, 16_000));
        assert!(bound(15_999, 16_000) > bound(15_990, 16_000));
        assert!(bound(6_000, 16_000) < 0.375);
    }
}
