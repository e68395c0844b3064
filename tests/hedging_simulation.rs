//! Hedging against a service with stragglers, in virtual time: what it buys and what it costs.
//!
//! A millisecond of the simulation is a second of virtual time, since tokio's timer goes by whole
//! milliseconds and would round a delay of 10.3 of them up.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/mod.rs"]
mod support;

use std::{
    convert::Infallible,
    f64::consts::TAU,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Budget, Hedge,
    hedge::{Builder, Percentile, Snapshot},
};
use support::{Dice, paused};
use tokio::time::{Instant, sleep, sleep_until};

const CALLS: u32 = 50_000;

/// In milliseconds of the simulation.
fn ms(millis: f64) -> Duration {
    Duration::from_secs_f64(millis)
}

fn unit(dice: &mut Dice) -> f64 {
    (dice.roll() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Log-normal of mean 5 and standard deviation 2, and one in twenty takes ten times as long.
fn latency(dice: &mut Dice) -> f64 {
    let variance: f64 = (1.0 + (2.0_f64 / 5.0).powi(2)).ln();
    let mean = 5.0_f64.ln() - variance / 2.0;
    // Box and Muller.
    let radius = (-2.0 * (1.0 - unit(dice)).ln()).sqrt();
    let normal = radius * (TAU * unit(dice)).cos();
    let usual = (mean + variance.sqrt() * normal).exp();
    if unit(dice) < 0.05 {
        10.0 * usual
    } else {
        usual
    }
}

/// What callers saw, in milliseconds.
struct Run {
    sorted: Vec<f64>,
    seen: Option<Snapshot>,
}

impl Run {
    fn percentile(&self, share: f64) -> f64 {
        self.sorted[(share * self.sorted.len() as f64) as usize]
    }

    fn extra(&self) -> f64 {
        self.seen.map_or(0.0, |seen| seen.hedged as f64)
    }

    fn print(&self, what: &str) {
        let [p50, p93, p99, p999] = [0.5, 0.93, 0.99, 0.999].map(|share| self.percentile(share));
        let extra = 100.0 * self.extra() / f64::from(CALLS);
        println!(
            "{what:<28} p50 {p50:5.2}  p93 {p93:5.2}  p99 {p99:5.2}  p99.9 {p999:6.2}  extra {extra:.2} %"
        );
    }
}

/// All calls, two a millisecond on average, through this hedge or none.
fn run(builder: Option<Builder>) -> Run {
    paused(async {
        let hedge = builder.map(|builder| builder.build().unwrap());
        let dice = Arc::new(Mutex::new(Dice(1)));
        let took = Arc::new(Mutex::new(Vec::new()));
        let mut at = Instant::now();
        let mut arrivals = Dice(2);
        for _ in 0..CALLS {
            at += ms(-(1.0 - unit(&mut arrivals)).ln() / 2.0);
            sleep_until(at).await;
            let (hedge, dice, took) = (hedge.clone(), Arc::clone(&dice), Arc::clone(&took));
            tokio::spawn(async move {
                let begun = Instant::now();
                let attempt = || {
                    let latency = latency(&mut dice.lock().unwrap());
                    async move {
                        sleep(ms(latency)).await;
                        Ok::<_, Infallible>(())
                    }
                };
                match hedge {
                    Some(hedge) => hedge.call(|_| attempt()).await.unwrap(),
                    None => attempt().await.unwrap(),
                }
                took.lock().unwrap().push(begun.elapsed().as_secs_f64());
            });
        }
        sleep(ms(1_000.0)).await;
        let mut sorted = std::mem::take(&mut *took.lock().unwrap());
        assert_eq!(sorted.len(), CALLS as usize);
        sorted.sort_by(f64::total_cmp);
        let seen = hedge.map(|hedge| hedge.snapshot());
        Run { sorted, seen }
    })
}

/// Time refills nothing, so that the simulation's seconds play no part.
fn budget(ratio: f64, reserve: u32) -> Budget {
    let builder = Budget::builder().ratio(ratio).min_per_sec(0.0);
    builder.reserve(reserve).build().unwrap()
}

/// The running percentile, over the last ten seconds of the simulation.
fn p93() -> Percentile {
    Percentile::new(0.93, ms(15.0)).window(ms(10_000.0))
}

#[test]
fn the_slow_hundredth_is_cut_to_a_quarter_for_seven_percent_more_requests() {
    let without = run(None);
    without.print("without");
    let p99 = without.percentile(0.99);
    assert!((60.0..68.0).contains(&p99), "{p99}");
    let bars = |run: &Run| {
        let p99 = run.percentile(0.99);
        assert!(p99 <= 18.0, "{p99}");
        let extra = run.extra() / f64::from(CALLS);
        assert!(extra <= 0.075, "{extra}");
        // It is all that was asked for: nothing was withheld.
        assert!(extra >= 0.06, "{extra}");
    };
    let fixed = run(Some(Hedge::builder(ms(10.3)).budget(budget(0.2, 30))));
    fixed.print("at 10.3 ms");
    bars(&fixed);
    let running = run(Some(Hedge::builder(p93()).budget(budget(0.2, 30))));
    running.print("at the 93rd percentile");
    bars(&running);
    let seen = running.seen.unwrap();
    let delay = seen.delay.as_secs_f64();
    // Known: 93/95 of those that are no stragglers.
    assert!((9.8..10.6).contains(&delay), "{delay}");
    assert!(seen.cut_short > 0);
}

#[test]
fn a_budget_bounds_the_extra_requests() {
    let reserve = 10;
    let budget = budget(0.05, reserve);
    let run = run(Some(Hedge::builder(p93()).budget(budget.clone())));
    run.print("at the 93rd, budget 5 %");
    let bound = 0.05 * f64::from(CALLS) + f64::from(reserve);
    assert!(run.extra() <= bound, "{} {bound}", run.extra());
    // It is what bounds them.
    assert!(run.extra() >= 0.95 * bound, "{} {bound}", run.extra());
    let seen = run.seen.unwrap();
    assert!(seen.withheld.budget > 0);
    let drawn = budget.snapshot();
    assert_eq!(
        (drawn.drawn, drawn.refused),
        (seen.hedged, seen.withheld.budget)
    );
}
