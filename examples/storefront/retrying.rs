//! The two ways to ask again. They are all that differs between the copies of the storm and of the
//! chain; this is a file to copy from, copy B's part of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use buttress::backoff::{Backoff, Delays};
use buttress::{InvalidConfig, Resilience, budget};
use tokio::time::sleep;

pub enum Retrying {
    /// As it is written everywhere: well mannered, and alone in the world.
    Naive(Terms, AtomicU64),
    /// The same attempts after the same waits, as long as the budget allows.
    Budgeted(Resilience),
}

/// What is the same in both copies, and the allowance that only one of them has.
#[derive(Clone)]
pub struct Terms {
    /// The first included.
    pub attempts: u32,
    pub backoff: Backoff,
    pub budget: budget::Config,
}

/// What became of a call.
pub struct Called<T> {
    pub answer: Option<T>,
    pub attempts: u32,
}

/// Built without a pattern: those that it has are in the file, under this name.
pub fn budgeted(name: &str) -> Result<Resilience, InvalidConfig> {
    Resilience::builder().name(name).build()
}

impl Terms {
    /// Those of a policy that retries.
    pub fn of(policy: &Resilience) -> Result<Self, String> {
        let config = policy.config();
        let none = || {
            format!(
                "policies.{}.retry: none, and this act needs one",
                policy.name()
            )
        };
        let retry = config.retry.ok_or_else(none)?;
        Ok(Self {
            attempts: retry.max_attempts,
            backoff: retry.backoff,
            budget: config.budget,
        })
    }
}

impl Retrying {
    pub fn naive(terms: Terms, seed: u64) -> Self {
        Self::Naive(terms, seed.into())
    }

    pub async fn call<T, E, F>(&self, attempt: impl Fn() -> F) -> Called<T>
    where
        F: Future<Output = Result<T, E>>,
    {
        let attempts = AtomicU32::new(0);
        let counted = || {
            attempts.fetch_add(1, Ordering::Relaxed);
            attempt()
        };
        let answer = match self {
            Self::Naive(terms, seed) => {
                // Every call has a jitter of its own.
                let seed = seed.fetch_add(1, Ordering::Relaxed);
                let delays = terms.backoff.delays(seed);
                try_again(terms.attempts, delays, counted).await.ok()
            }
            Self::Budgeted(resilience) => resilience.call(|_| counted()).await.ok(),
        };
        Called {
            answer,
            attempts: attempts.into_inner(),
        }
    }
}

/// A few attempts, and a longer, jittered wait after each. What can be wrong with that?
async fn try_again<T, E, F>(attempts: u32, delays: Delays, attempt: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for delay in delays.take(attempts as usize - 1) {
        match attempt().await {
            Err(_) => sleep(delay).await,
            answered => return answered,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use buttress::retry;

    use super::*;

    fn both() -> [Retrying; 2] {
        let mut retry = retry::Config::default();
        retry.backoff = Backoff::none();
        let ours = Resilience::builder().retry(retry).build().unwrap();
        let terms = Terms::of(&ours).unwrap();
        [Retrying::naive(terms, 1), Retrying::Budgeted(ours)]
    }

    #[tokio::test(start_paused = true)]
    async fn both_try_as_often_until_the_budget_is_empty() {
        let [naive, ours] = both();
        let fail = || async { Err::<(), _>(()) };
        let (mut naively, mut budgeted) = (0, 0);
        for _ in 0..100 {
            naively += naive.call(fail).await.attempts;
            budgeted += ours.call(fail).await.attempts;
        }
        assert_eq!(naively, 300);
        // Nothing is answered, so nothing is deposited: the reserve is all there is.
        let reserve = budget::Config::default().allows(0.0, Duration::ZERO);
        assert_eq!(f64::from(budgeted), 100.0 + reserve);
    }

    #[tokio::test]
    async fn an_answer_ends_it() {
        for retrying in both() {
            let turns = RefCell::new([Err("no"), Ok("yes"), Err("asked too often")].into_iter());
            let called = retrying.call(|| {
                let turn = turns.borrow_mut().next().unwrap();
                async move { turn }
            });
            let Called { answer, attempts } = called.await;
            assert_eq!((answer, attempts), (Some("yes"), 2));
        }
    }

    #[test]
    fn a_policy_that_does_not_retry_is_none_for_these_acts() {
        assert!(Terms::of(&budgeted("hops").unwrap()).is_err());
    }
}
