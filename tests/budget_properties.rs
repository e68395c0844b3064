//! The law of a budget, decision by decision against a naive reference, and over every interval of
//! thousands of random schedules.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

mod support;

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use buttress::{Budget, budget::Config};
use support::{Dice, advance, paused};

/// An attempt in billionths of a billionth: a nanosecond at a billionth a second is one of them, so
/// that the reference rounds nothing.
const WHOLE: u128 = 1_000_000_000_000_000_000;
const BILLION: u128 = 1_000_000_000;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

/// Settings in billionths.
#[derive(Debug, Clone, Copy)]
struct Settings {
    ratio: u64,
    per_sec: u64,
    reserve: u32,
}

impl Settings {
    fn random(dice: &mut Dice) -> Self {
        let digits = dice.between(1, SECOND);
        let ratio = dice.pick(&[0, 1, digits, digits, 200_000_000, SECOND, 100 * digits]);
        let digits = dice.between(1, SECOND);
        let per_sec = dice.pick(&[
            0,
            0,
            1,
            digits,
            digits,
            SECOND,
            10 * digits,
            1_000_000 * digits,
        ]);
        let reserve = dice.between(1, 40) as u32;
        let reserve = dice.pick(&[1, 2, reserve, reserve, reserve, 1_000_000]);
        Self {
            ratio,
            per_sec,
            reserve,
        }
    }

    fn config(self) -> Config {
        let mut config = Config::default();
        config.ratio = self.ratio as f64 / 1e9;
        config.min_per_sec = self.per_sec as f64 / 1e9;
        config.reserve = self.reserve;
        config
    }

    fn capacity(self) -> u128 {
        u128::from(self.reserve) * WHOLE
    }
}

/// A bucket as one would write it down: everything at once, nothing rounded.
struct Naive {
    settings: Settings,
    balance: u128,
}

impl Naive {
    fn fill(&mut self, by: u128) {
        self.balance = (self.balance + by).min(self.settings.capacity());
    }

    fn wait(&mut self, nanos: u64) {
        self.fill(u128::from(nanos) * u128::from(self.settings.per_sec));
    }

    fn deposit(&mut self) {
        self.fill(u128::from(self.settings.ratio) * BILLION);
    }

    fn withdraw(&mut self) -> bool {
        let granted = self.balance >= WHOLE;
        if granted {
            self.balance -= WHOLE;
        }
        granted
    }

    fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
        self.fill(0);
    }
}

/// What happened up to and before an event, summed up.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Extra attempts.
    extra: u128,
    /// Ratio x calls.
    deposited: u128,
    /// Minimum x seconds.
    refilled: u128,
    /// The reserve at this moment.
    reserve: u128,
}

/// Over every interval that starts right before an event and ends right after a later one.
fn assert_law(sums: &[Sums], seed: u64) {
    for (at, from) in sums.iter().enumerate() {
        for to in &sums[at..] {
            let extra = to.extra - from.extra;
            let allowed =
                from.reserve + (to.deposited - from.deposited) + (to.refilled - from.refilled);
            assert!(
                extra * WHOLE <= allowed,
                "seed {seed}: {extra} > {allowed} / {WHOLE}"
            );
        }
    }
}

/// What a schedule did: to see that schedules exercise anything.
#[derive(Debug, Default)]
struct Seen {
    granted: u64,
    refused: u64,
    reconfigured: u64,
}

async fn schedule(seed: u64, seen: &mut Seen) {
    let mut dice = Dice(seed);
    let settings = Settings::random(&mut dice);
    let budget = Budget::builder().config(settings.config()).build().unwrap();
    let mut naive = Naive {
        settings,
        balance: settings.capacity(),
    };
    let mut now = Sums {
        reserve: settings.capacity(),
        ..Sums::default()
    };
    let mut sums = vec![now];
    let (mut drawn, mut refused) = (0, 0);
    for _ in 0..dice.between(10, 60) {
        let per_sec = naive.settings.per_sec;
        match dice.between(0, 9) {
            0..=2 => {
                // About what one attempt takes to refill, to the nanosecond; or any other time.
                let whole = (BILLION * BILLION).div_ceil(u128::from(per_sec.max(1)));
                let whole = u64::try_from(whole).unwrap().min(DAY);
                let odd = dice.between(1, SECOND);
                let nanos = dice.pick(&[1, 9, whole - 1, whole, whole + 1, odd, 3 * SECOND]);
                let nanos = if dice.once_in(20) {
                    dice.between(1, 30) * DAY
                } else {
                    nanos
                };
                advance(nanos).await;
                naive.wait(nanos);
                now.refilled += u128::from(nanos) * u128::from(per_sec);
            }
            3..=5 => {
                for _ in 0..dice.pick(&[1, 1, 5, 30]) {
                    sums.push(now);
                    budget.deposit();
                    naive.deposit();
                    now.deposited += u128::from(naive.settings.ratio) * BILLION;
                }
            }
            6..=8 => {
                for _ in 0..dice.pick(&[1, 1, 3, 50]) {
                    sums.push(now);
                    let granted = budget.withdraw();
                    assert_eq!(
                        granted,
                        naive.withdraw(),
                        "seed {seed}: {:?}",
                        naive.settings
                    );
                    now.extra += u128::from(granted);
                    drawn += u64::from(granted);
                    refused += u64::from(!granted);
                }
            }
            _ => {
                sums.push(now);
                let settings = Settings::random(&mut dice);
                budget.reconfigure(settings.config()).unwrap();
                assert_eq!(budget.config(), settings.config());
                naive.reconfigure(settings);
                now.reserve = settings.capacity();
                seen.reconfigured += 1;
            }
        }
        if dice.once_in(4) {
            let seen = budget.snapshot();
            assert_eq!((seen.drawn, seen.refused), (drawn, refused));
            let balance = naive.balance / BILLION;
            assert_eq!(seen.balance, balance as f64 / 1e9, "seed {seed}");
        }
    }
    sums.push(now);
    assert_law(&sums, seed);
    seen.granted += drawn;
    seen.refused += refused;
}

#[test]
fn the_law_holds_over_every_interval_of_every_schedule() {
    let mut seen = Seen::default();
    for seed in 0..2_000 {
        paused(schedule(seed, &mut seen));
    }
    let Seen {
        granted,
        refused,
        reconfigured,
    } = seen;
    assert!(
        granted > 50_000 && refused > 50_000 && reconfigured > 2_000,
        "{seen:?}"
    );
}

#[test]
fn a_full_bucket_keeps_no_fraction_of_a_billionth() {
    paused(async {
        let builder = Budget::builder().ratio(0.0).min_per_sec(0.1).reserve(1);
        let budget = builder.build().unwrap();
        // It is full, so nine tenths of a billionth are lost.
        advance(9).await;
        assert!(budget.withdraw());
        advance(10 * SECOND - 9).await;
        assert!(!budget.withdraw());
        advance(9).await;
        assert!(budget.withdraw());
    });
}

#[test]
fn fractions_of_a_billionth_add_up() {
    paused(async {
        let builder = Budget::builder()
            .ratio(0.0)
            .min_per_sec(0.000_000_001)
            .reserve(1);
        let budget = builder.build().unwrap();
        assert!(budget.withdraw());
        // A billionth a second, looked at ten times a second for ten seconds.
        for _ in 0..100 {
            assert!(!budget.withdraw());
            advance(SECOND / 10).await;
        }
        assert!(!budget.withdraw());
        assert_eq!(budget.snapshot().balance, 1e-8);
    });
}

#[test]
fn nothing_overflows_at_the_extremes() {
    paused(async {
        let settings = Settings {
            ratio: 100 * SECOND,
            per_sec: 1_000_000 * SECOND,
            reserve: 1_000_000,
        };
        let budget = Budget::builder().config(settings.config()).build().unwrap();
        let empty = |budget: &Budget| (0..=1_000_000).take_while(|_| budget.withdraw()).count();
        assert_eq!(empty(&budget), 1_000_000);
        (0..10_001).for_each(|_| budget.deposit());
        assert_eq!(empty(&budget), 1_000_000);
        // Two years at a time is as far as tokio's timer goes.
        for _ in 0..600 {
            advance(365 * DAY).await;
        }
        assert_eq!(budget.snapshot().balance, 1e6);
        assert_eq!(empty(&budget), 1_000_000);
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw());
    });
}

/// Real threads; no time passes that refills.
#[test]
fn threads_never_overdraw_and_lose_nothing() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 20_000;
    const RATIO: u64 = 123_456_789;
    const RESERVE: u64 = 7;
    let builder = Budget::builder().ratio(RATIO as f64 / 1e9).min_per_sec(0.0);
    let budget = builder.reserve(RESERVE as u32).build().unwrap();
    let (granted, deposits) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for lane in 0..THREADS {
            let (budget, granted, deposits, start) = (&budget, &granted, &deposits, &start);
            scope.spawn(move || {
                let mut dice = Dice(lane);
                start.wait();
                for _ in 0..ROUNDS {
                    // Draws are wanted more often than there is anything to draw.
                    if dice.once_in(2) {
                        granted.fetch_add(u64::from(budget.withdraw()), Relaxed);
                    } else {
                        deposits.fetch_add(1, Relaxed);
                        budget.deposit();
                    }
                }
            });
        }
    });
    let (granted, deposits) = (granted.into_inner(), deposits.into_inner());
    let seen = budget.snapshot();
    assert_eq!(seen.drawn, granted);
    assert_eq!(seen.drawn + seen.refused + deposits, THREADS * ROUNDS);
    let balance = (seen.balance * 1e9).round() as u64;
    let put_in = RESERVE * SECOND + deposits * RATIO;
    // What it was given is drawn, there, or was lost because it was full.
    assert!(granted * SECOND + balance <= put_in, "overdrawn");
    assert!(granted > 1_000 && seen.refused > 1_000, "{seen:?}");
}

/// The same, so that it never becomes full: then nothing at all may be lost.
#[test]
fn threads_lose_no_deposit_of_a_budget_that_is_never_full() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 10_000;
    const RATIO: u64 = 999_999_937;
    const RESERVE: u64 = 100_000;
    let builder = Budget::builder().ratio(RATIO as f64 / 1e9).min_per_sec(0.0);
    let budget = builder.reserve(RESERVE as u32).build().unwrap();
    while budget.withdraw() {}
    let drawn = budget.snapshot().drawn;
    assert_eq!(drawn, RESERVE);
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for lane in 0..THREADS {
            let (budget, start) = (&budget, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    budget.deposit();
                    if (round + lane) % 3 == 0 {
                        let _ = budget.withdraw();
                    }
                    if round % 1_000 == 0 {
                        // Neither gives nor takes.
                        budget.reconfigure(budget.config()).unwrap();
                    }
                }
            });
        }
    });
    let seen = budget.snapshot();
    let balance = (seen.balance * 1e9).round() as u64;
    let put_in = THREADS * ROUNDS * RATIO;
    assert_eq!((seen.drawn - drawn) * SECOND + balance, put_in);
}
