//! How many attempts a call becomes where every attempt fails.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

#[path = "support/amplification.rs"]
mod amplification;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/storm.rs"]
mod storm;

use std::time::Duration;

use amplification::{Down, Log};
use buttress::{Budget, Retry, budget::Config};
use naive::Naive;
use support::paused;
use tower::{BoxError, Layer, Service, util::BoxCloneService};

/// Calls through one hop.
fn one_hop<L>(client: &L, rate: f64, seconds: u64) -> Log
where
    L: Layer<Down>,
    L::Service: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
    <L::Service as Service<()>>::Future: Send,
{
    paused(async {
        let down = Down::new();
        down.clone().suffer(client.layer(down), rate, seconds).await
    })
}

type Wire = BoxCloneService<(), (), BoxError>;

/// Attempts at the last of three hops, each with a layer of its own, for each call of the first.
fn three_hops<L>(hop: impl Fn() -> L, rate: f64, seconds: u64) -> f64
where
    L: Layer<Wire>,
    L::Service: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
    <L::Service as Service<()>>::Future: Send,
{
    paused(async {
        let down = Down::new();
        let mut chain = Wire::new(down.clone());
        for _ in 0..3 {
            chain = Wire::new(hop().layer(chain));
        }
        down.suffer(chain, rate, seconds).await.amplification()
    })
}

/// Rates in calls a second, and seconds: some 20,000 calls each.
const RUNS: [(f64, u64); 3] = [(10.0, 2_000), (50.0, 400), (1_000.0, 20)];

/// Whatever the rate and however much fails, the law holds over every interval.
fn assert_law(answers_one_in: Option<u64>) {
    for min_per_sec in [0.0, 1.0] {
        for (rate, seconds) in RUNS {
            let mut config = Config::default();
            config.min_per_sec = min_per_sec;
            let budget = Budget::builder().config(config).build().unwrap();
            let retry = Retry::builder().budget(budget.clone()).build().unwrap();
            let log = paused(async {
                let mut down = Down::new();
                down = answers_one_in.map_or(down.clone(), |n| down.answering_one_in(n));
                down.clone().suffer(retry.layer(down), rate, seconds).await
            });
            let excess = log.excess(&config);
            assert!(excess <= 1e-6, "{rate}/s: {excess} too many");
            // What time refills and the reserve are made use of, and what the answered calls deposit.
            // (The last retries come after the last call.)
            let answered = answers_one_in.map_or(0.0, |n| log.calls() as f64 / n as f64);
            let seconds = Duration::from_secs(seconds);
            let drawn = budget.snapshot().drawn as f64;
            let expected = config.allows(answered, seconds);
            let most = config.allows(log.calls() as f64, seconds) + 2.0;
            assert!(
                drawn > 0.97 * expected - 3.0,
                "{rate}/s: {drawn} of {expected}"
            );
            assert!(drawn <= most, "{rate}/s: {drawn} of {most}");
        }
    }
}

#[test]
fn naive_retries_treble_the_load() {
    for rate in [10.0, 50.0, 1_000.0] {
        let log = one_hop(&Naive::new(), rate, 20);
        assert_eq!(log.amplification(), 3.0);
        assert!(log.excess(&Config::default()) > 100.0);
    }
}

#[test]
fn naive_retries_three_hops_deep_are_27_calls_for_one() {
    assert_eq!(three_hops(Naive::new, 100.0, 20), 27.0);
}

fn by_default() -> Retry {
    Retry::builder().build().unwrap()
}

#[test]
fn where_all_fails_retries_keep_the_law_and_make_use_of_it() {
    assert_law(None);
}

#[test]
fn where_some_fail_the_others_pay_for_them_by_the_law() {
    assert_law(Some(2));
    assert_law(Some(5));
}

/// In the long run, at 1,000 calls a second. The law would allow 1.2; a call that fails for good
/// deposits nothing, and so it is 1 and what time refills.
#[test]
fn where_all_fails_a_retry_adds_next_to_nothing() {
    let made = one_hop(&by_default(), 1_000.0, 30).amplification();
    assert!((1.0..=1.01).contains(&made), "{made}");
}

/// The law would allow 1.2 x 1.2 x 1.2.
#[test]
fn retries_three_hops_deep_add_next_to_nothing_either() {
    let made = three_hops(by_default, 1_000.0, 20);
    assert!((1.0..=1.02).contains(&made), "{made}");
}
