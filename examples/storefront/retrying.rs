//! The two ways to ask again. They are all that differs between the copies of the storm and of the
//! chain; this is the file to copy from, copy B's part of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use buttress::backoff::{Backoff, Delays};
use buttress::{InvalidConfig, Retry, budget};
use tokio::time::sleep;

/// The first included, in both copies.
pub const ATTEMPTS: u32 = 3;

pub enum Retrying {
    /// As it is written everywhere: well mannered, and alone in the world.
    Naive { backoff: Backoff, seed: AtomicU64 },
    /// The same attempts after the same waits, as long as the budget allows.
    Budgeted(Retry),
}

/// What became of a call.
pub struct Called<T> {
    pub answer: Option<T>,
    pub attempts: u32,
}

impl Retrying {
    pub fn naive(backoff: Backoff, seed: u64) -> Self {
        let seed = seed.into();
        Self::Naive { backoff, seed }
    }

    /// All that is not said here is left at its default, the budget above all.
    pub fn budgeted(name: &str, backoff: Backoff) -> Result<Self, InvalidConfig> {
        let retry = Retry::builder()
            .name(name)
            .max_attempts(ATTEMPTS)
            .backoff(backoff);
        Ok(Self::Budgeted(retry.build()?))
    }

    pub async fn call<T, E, F>(&self, mut attempt: impl FnMut() -> F) -> Called<T>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut attempts = 0;
        let counted = || {
            attempts += 1;
            attempt()
        };
        let answer = match self {
            Self::Naive { backoff, seed } => {
                // Every call has a jitter of its own.
                let seed = seed.fetch_add(1, Ordering::Relaxed);
                try_again(backoff.delays(seed), counted).await.ok()
            }
            Self::Budgeted(retry) => {
                let mut counted = counted;
                retry.call(|_| counted()).await.ok()
            }
        };
        Called { answer, attempts }
    }
}

/// Three attempts, and a longer, jittered wait after each. What can be wrong with that?
async fn try_again<T, E, F>(delays: Delays, mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for delay in delays.take(ATTEMPTS as usize - 1) {
        match attempt().await {
            Err(_) => sleep(delay).await,
            answered => return answered,
        }
    }
    attempt().await
}

/// The most extra attempts that the default budget allows over an interval in which it sees so many
/// calls: its law, see `buttress::budget`.
pub fn budget_allows(calls: f64, seconds: f64) -> f64 {
    budget::Config::default().allows(calls, Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_try_as_often_until_the_budget_is_empty() {
        let backoff = Backoff::none();
        let naive = Retrying::naive(backoff.clone(), 1);
        let ours = Retrying::budgeted("test", backoff).unwrap();
        let fail = || async { Err::<(), _>(()) };
        let (mut naively, mut budgeted) = (0, 0);
        for _ in 0..100 {
            naively += naive.call(fail).await.attempts;
            budgeted += ours.call(fail).await.attempts;
        }
        assert_eq!(naively, 300);
        // Nothing is answered, so nothing is deposited: the reserve is all there is.
        let reserve = budget_allows(0.0, 0.0);
        assert_eq!(f64::from(budgeted), 100.0 + reserve);
    }

    #[tokio::test]
    async fn an_answer_ends_it() {
        for retrying in [
            Retrying::naive(Backoff::none(), 1),
            Retrying::budgeted("test", Backoff::none()).unwrap(),
        ] {
            let mut turns = [Err("no"), Ok("yes"), Err("asked too often")].into_iter();
            let called = retrying.call(|| {
                let turn = turns.next().unwrap();
                async move { turn }
            });
            let Called { answer, attempts } = called.await;
            assert_eq!((answer, attempts), (Some("yes"), 2));
        }
    }
}
