//! A service of which one answer in twenty comes late, without and with a hedge.
//!
//! `cargo run --example hedge`
#![allow(clippy::disallowed_methods, reason = "an example rolls dice")]

use std::{
    hash::{BuildHasher, RandomState},
    io,
    time::Duration,
};

use buttress::{Budget, Hedge, InvalidConfig, hedge::Percentile};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// Takes 5 to 9 ms; but one time in twenty, who knows why, ten times as long.
async fn find_member() -> Result<u32, io::Error> {
    let dice = RandomState::new().hash_one(());
    let usual = Duration::from_millis(5 + dice % 5);
    let late = (dice >> 32) % 20 == 0;
    sleep(if late { 10 * usual } else { usual }).await;
    Ok(7)
}

/// Two thousand calls, one per millisecond: the median and the 99th percentile.
async fn measure<F: Future<Output = ()> + Send + 'static>(call: impl Fn() -> F) -> [Duration; 2] {
    let mut calls = JoinSet::new();
    for _ in 0..2_000 {
        let (begun, call) = (Instant::now(), call());
        calls.spawn(async move {
            call.await;
            begun.elapsed()
        });
        sleep(Duration::from_millis(1)).await;
    }
    let mut took = calls.join_all().await;
    took.sort();
    [took[1_000], took[1_980]]
}

#[tokio::main]
async fn main() -> Result<(), InvalidConfig> {
    // At the 93rd percentile of what the service takes; until that is known, after 15 ms.
    let hedge = Hedge::builder(Percentile::new(0.93, Duration::from_millis(15)))
        .budget(Budget::builder().ratio(0.1).build()?)
        .build()?;

    let without = measure(|| async { drop(find_member().await) }).await;
    let with = measure(|| {
        let hedge = hedge.clone();
        async move { drop(hedge.call(|_| find_member()).await) }
    });
    println!("without: median and p99 {without:.1?}");
    println!("hedged:  median and p99 {:.1?}", with.await);
    let seen = hedge.snapshot();
    println!(
        "after {:.1?}, {} hedges for 2000 calls",
        seen.delay, seen.hedged
    );
    Ok(())
}
