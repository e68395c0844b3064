//! A policy in shadow decides as one that enforces does, for the same calls at the same times: who is
//! refused by the one is counted by the other, and what both show of themselves is the same. So it is
//! where a call that would be refused leaves nothing behind: it ends at once (a breaker looks for hung probes
//! whenever a call ends), and has no queue to stand in.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{num::NonZeroU32, time::Duration};

use buttress::{
    Bulkhead, CircuitBreaker, Outcome, RateLimit,
    guard::{Permit, Yes},
    rate_limit::Quota,
};
use proptest::{collection::vec, prelude::*};
use tokio::time::advance;

/// Something happens to both.
#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    /// The call of this number, of those that run, ends so.
    End(usize, Outcome),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        2 => Just(Outcome::Success),
        3 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ];
    let step = prop_oneof![
        4 => Just(Step::Start),
        3 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        2 => (1..400_u64).prop_map(Step::Pass),
    ];
    vec(step, 1..200)
}

fn paused(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

async fn pass(millis: u64) {
    advance(Duration::from_millis(millis)).await;
}

fn breaker(shadow: bool, ramp: bool) -> CircuitBreaker {
    let builder = CircuitBreaker::builder()
        .time_window(Duration::from_secs(1))
        .min_calls(3)
        .slow_call_duration(Duration::from_millis(500))
        .open_for(Duration::from_millis(300))
        .open_growth(2.0, Duration::from_secs(2))
        .probes(2)
        .probe_timeout(Duration::from_millis(700))
        .seed(7)
        .shadow(shadow);
    let builder = match ramp {
        true => builder.ramp(Duration::from_secs(1)),
        false => builder,
    };
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_breaker(steps in steps(), ramp: bool) {
        paused(async {
            let pair = [false, true].map(|shadow| breaker(shadow, ramp));
            let mut running: Vec<[Permit<CircuitBreaker>; 2]> = Vec::new();
            for step in steps {
                match step {
                    Step::Start => {
                        let before = pair[1].snapshot().would_have_rejected;
                        let enforced = pair[0].try_acquire();
                        let observed = pair[1].try_acquire().expect("nobody is refused");
                        let beside = pair[1].snapshot().would_have_rejected > before;
                        assert_eq!(enforced.is_err(), beside);
                        match enforced {
                            Ok(enforced) => running.push([enforced, observed]),
                            Err(_) => observed.failure(),
                        }
                    }
                    Step::End(which, outcome) if !running.is_empty() => {
                        let which = which % running.len();
                        let ended = running.swap_remove(which);
                        ended.into_iter().for_each(|call| call.settle(outcome));
                    }
                    Step::End(..) => {}
                    Step::Pass(millis) => pass(millis).await,
                }
                let [enforcing, mut shadow] = [&pair[0], &pair[1]].map(|breaker| breaker.snapshot());
                assert_eq!(shadow.rejected, 0);
                shadow.rejected = std::mem::take(&mut shadow.would_have_rejected);
                assert_eq!(enforcing, shadow);
            }
        });
    }

    #[test]
    fn a_bulkhead(steps in steps(), limits in vec(1..4_u32, 1..4)) {
        paused(async {
            let pair = [false, true].map(|shadow| {
                Bulkhead::builder(limits[0]).shadow(shadow).build().unwrap()
            });
            let mut running: Vec<[Permit<Bulkhead>; 2]> = Vec::new();
            let mut beside = Vec::new();
            for step in steps {
                match step {
                    Step::Start => {
                        let observed = pair[1].try_acquire().expect("nobody is refused");
                        match pair[0].try_acquire() {
                            Ok(enforced) => running.push([enforced, observed]),
                            // It may run for as long as it likes.
                            Err(_) => beside.push(observed),
                        }
                    }
                    Step::End(which, _) if which % 4 == 0 && !beside.is_empty() => {
                        drop(beside.swap_remove(which / 4 % beside.len()));
                    }
                    Step::End(which, _) if !running.is_empty() => {
                        drop(running.swap_remove(which % running.len()));
                    }
                    Step::End(..) => {}
                    Step::Pass(which) => {
                        let limit = limits[which as usize % limits.len()];
                        for bulkhead in &pair {
                            let mut config = bulkhead.config();
                            config.max_concurrent = limit;
                            bulkhead.reconfigure(config).unwrap();
                        }
                    }
                }
                let [enforcing, mut shadow] = [&pair[0], &pair[1]].map(Bulkhead::snapshot);
                assert_eq!(shadow.rejected, 0);
                shadow.rejected = std::mem::take(&mut shadow.would_have_rejected);
                assert_eq!(enforcing, shadow);
            }
        });
    }

    #[test]
    fn a_rate_limit(
        steps in vec((0..6_u32, 0..500_u64, 0..8_u8), 1..100),
        burst in 1..5_u32,
        max_wait in prop_oneof![Just(0), 1..2_000_u64],
    ) {
        paused(async {
            let pair: [RateLimit<Yes>; 2] = [false, true].map(|shadow| {
                let quota = Quota::per_second(NonZeroU32::new(3).unwrap());
                let quota = quota.burst(NonZeroU32::new(burst).unwrap());
                let builder = RateLimit::builder(quota).max_wait(Duration::from_millis(max_wait));
                builder.shadow(shadow).build().unwrap()
            });
            // Those that wait, and those in their place.
            let mut waits = Vec::new();
            for (cost, millis, what) in steps {
                let counts = || {
                    [pair[0].snapshot().rejected, pair[1].snapshot().would_have_rejected]
                };
                let before = counts();
                let news = || [counts()[0] - before[0], counts()[1] - before[1]];
                if what < 6 {
                    let taken = [&pair[0], &pair[1]].map(|limit| limit.acquire_n(cost));
                    waits.push(taken);
                    assert_eq!(news()[0], news()[1]);
                } else if what == 6 {
                    let enforced = pair[0].try_acquire_n(cost);
                    pair[1].try_acquire_n(cost).expect("nobody is refused");
                    assert_eq!(news(), [u64::from(enforced.is_err()); 2]);
                } else if let Some(last) = waits.pop() {
                    // Never started: counted no more by the one that refused nothing.
                    drop(last);
                }
                let [enforcing, shadow] = [&pair[0], &pair[1]].map(|limit| limit.snapshot());
                assert_eq!(
                    (enforcing.available, enforcing.next_at),
                    (shadow.available, shadow.next_at)
                );
                assert_eq!(shadow.rejected, 0);
                assert!(shadow.would_have_rejected <= enforcing.rejected);
                pass(millis).await;
            }
        });
    }
}
