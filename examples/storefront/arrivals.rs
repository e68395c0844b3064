//! Open-loop load: the next request comes whether or not the last has been answered, and every copy
//! has the same schedule.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What is to come, and when on the run's clock.
pub type Schedule<I> = Arc<[(Duration, I)]>;

/// Even arrivals, each moved by chance within its turn.
pub fn even(
    random: &mut SplitMix64,
    span: Range<Duration>,
    per_second: u32,
) -> impl Iterator<Item = Duration> {
    let all = ((span.end - span.start).as_secs_f64() * f64::from(per_second)) as u32;
    (0..all).map(move |turn| {
        let at = (f64::from(turn) + random.unit()) / f64::from(per_second);
        span.start + Duration::from_secs_f64(at)
    })
}

/// Sends the whole schedule and waits for the last answer. `send` hears what comes, when it was due,
/// and how much later than that it begins.
pub async fn send_all<I, V, F>(
    schedule: Schedule<I>,
    epoch: Instant,
    send: impl Fn(I, Duration, Duration) -> F + Clone + Send + 'static,
) -> Vec<V>
where
    I: Copy + Send + Sync + 'static,
    F: Future<Output = V> + Send,
    V: Send + 'static,
{
    let mut seen = Vec::with_capacity(schedule.len());
    let mut inside = JoinSet::new();
    for &(due, what) in schedule.iter() {
        sleep_until(epoch + due).await;
        let send = send.clone();
        inside.spawn(async move {
            let late = epoch.elapsed().saturating_sub(due);
            send(what, due, late).await
        });
        while let Some(done) = inside.try_join_next() {
            seen.push(done.expect("a visitor does not panic"));
        }
    }
    seen.extend(inside.join_all().await);
    seen
}

/// So that a seed gives the same arrivals everywhere (Steele, Lea and Flood, 2014).
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_arrivals_each_in_its_turn() {
        let span = Duration::from_secs(3)..Duration::from_secs(5);
        let all = |seed| -> Vec<_> { even(&mut SplitMix64(seed), span.clone(), 100).collect() };
        let arrivals = all(42);
        assert_eq!(arrivals, all(42));
        assert_ne!(arrivals, all(43));
        assert_eq!(arrivals.len(), 200);
        for (turn, at) in (0..).zip(arrivals) {
            let from = span.start + turn * Duration::from_millis(10);
            assert!((from..from + Duration::from_millis(10)).contains(&at));
        }
    }
}
