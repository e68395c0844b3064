//! The bucket under the model checker: every interleaving, and every reordering that the memory
//! model allows.
//!
//! `RUSTFLAGS="--cfg buttress_loom" cargo test --release --lib model`

use loom::{sync::Arc, thread};

use super::{
    bucket::{Bucket, WHOLE},
    config::Config,
};

const HALF: u64 = WHOLE / 2;
const SECOND: u64 = 1_000_000_000;

fn config(ratio: f64, min_per_sec: f64, reserve: u32) -> Config {
    let mut config = Config::default();
    config.ratio = ratio;
    config.min_per_sec = min_per_sec;
    config.reserve = reserve;
    config
}

type Shared = Arc<Bucket>;

/// Explores a protocol on a bucket that so many attempts were drawn from at time zero.
fn explore(config: Config, drawn: u64, protocol: impl Fn(Shared) + Sync + Send + 'static) {
    loom::model(move || {
        let bucket = Shared::new(Bucket::new(config));
        assert_eq!(draws(&bucket, drawn, 0), drawn);
        protocol(bucket);
    });
}

fn on_thread<T: 'static>(
    bucket: &Shared,
    run: impl FnOnce(&Bucket) -> T + 'static,
) -> thread::JoinHandle<T> {
    let bucket = bucket.clone();
    thread::spawn(move || run(&bucket))
}

/// How many of so many are granted.
fn draws(bucket: &Bucket, times: u64, now: u64) -> u64 {
    (0..times)
        .filter(|_| bucket.draw(now).granted)
        .count()
        .try_into()
        .unwrap()
}

fn balance(bucket: &Bucket, now: u64) -> u64 {
    bucket.look(now).balance
}

/// Balance, granted, refused.
fn seen(bucket: &Bucket, now: u64) -> (u64, u64, u64) {
    let look = bucket.look(now);
    (look.balance, look.drawn, look.refused)
}

#[test]
fn the_last_attempt_is_drawn_once() {
    explore(config(0.0, 0.0, 1), 0, |bucket| {
        let others = [(); 2].map(|()| on_thread(&bucket, |bucket| bucket.draw(0)));
        let drawn = others.map(|other| other.join().unwrap());
        let count =
            |what: fn(&super::bucket::Drawn) -> bool| drawn.iter().filter(|d| what(d)).count();
        assert_eq!(count(|drawn| drawn.granted), 1);
        // Who is told that it ran dry is who was refused.
        assert_eq!(count(|drawn| drawn.ran_dry), 1);
        assert_eq!(count(|drawn| drawn.ran_dry && drawn.granted), 0);
        assert_eq!(seen(&bucket, 0), (0, 1, 1));
    });
}

#[test]
fn running_dry_is_told_once() {
    explore(config(0.0, 0.0, 1), 1, |bucket| {
        let others = [(); 2].map(|()| on_thread(&bucket, |bucket| bucket.draw(0)));
        let drawn = others.map(|other| other.join().unwrap());
        assert!(drawn.iter().all(|drawn| !drawn.granted));
        assert!(drawn[0].ran_dry != drawn[1].ran_dry);
    });
}

#[test]
fn no_deposit_is_lost_beside_another() {
    explore(config(0.5, 0.0, 3), 3, |bucket| {
        let others = [(); 2].map(|()| {
            on_thread(&bucket, |bucket| {
                assert!(bucket.deposit());
            })
        });
        assert!(bucket.deposit());
        others.map(|other| other.join().unwrap());
        assert_eq!(balance(&bucket, 0), 3 * HALF);
    });
}

#[test]
fn no_deposit_is_lost_beside_a_draw() {
    explore(config(0.5, 0.0, 2), 1, |bucket| {
        let deposits = on_thread(&bucket, |bucket| bucket.deposit() && bucket.deposit());
        let drawn = on_thread(&bucket, |bucket| draws(bucket, 2, 0));
        assert!(deposits.join().unwrap(), "there is room for both");
        let granted = drawn.join().unwrap();
        // One was there and one came, in halves.
        assert!(granted >= 1);
        assert_eq!(balance(&bucket, 0) + granted * WHOLE, 2 * WHOLE);
    });
}

#[test]
fn a_deposit_fills_a_bucket_and_no_more() {
    explore(config(0.75, 0.0, 1), 1, |bucket| {
        let deposits = [(); 2].map(|()| on_thread(&bucket, Bucket::deposit));
        let taken = deposits.map(|deposit| deposit.join().unwrap());
        assert_eq!(taken, [true; 2]);
        // 1.5 were put in, and it holds 1 of them.
        assert_eq!(balance(&bucket, 0), WHOLE);
        assert_eq!(draws(&bucket, 2, 0), 1);
    });
}

#[test]
fn time_is_credited_once() {
    // A second refills one.
    explore(config(0.0, 1.0, 3), 3, |bucket| {
        let others =
            [SECOND, 2 * SECOND].map(|now| on_thread(&bucket, move |bucket| draws(bucket, 2, now)));
        let granted: u64 = others.map(|other| other.join().unwrap()).iter().sum();
        let (balance, drawn, refused) = seen(&bucket, 2 * SECOND);
        assert_eq!(
            balance + granted * WHOLE,
            2 * WHOLE,
            "two seconds, two attempts"
        );
        assert_eq!((drawn, refused), (3 + granted, 4 - granted));
    });
}

/// The one that credit and draw have to be one step for: were they two, another's draw in between
/// would make room for what the full bucket ought to have lost.
#[test]
fn a_full_bucket_loses_what_time_refills() {
    explore(config(0.0, 1.0, 1), 0, |bucket| {
        // Full until the first of them draws, and all at one instant.
        let now = 5 * SECOND;
        let others = [(); 2].map(|()| on_thread(&bucket, move |bucket| draws(bucket, 1, now)));
        let granted: u64 = others.map(|other| other.join().unwrap()).iter().sum();
        assert_eq!(granted, 1);
        assert_eq!(balance(&bucket, now), 0);
    });
}

#[test]
fn a_full_bucket_loses_what_is_deposited() {
    explore(config(1.0, 0.0, 1), 0, |bucket| {
        let deposit = on_thread(&bucket, Bucket::deposit);
        let drawn = on_thread(&bucket, |bucket| draws(bucket, 1, 0));
        let taken = u64::from(deposit.join().unwrap());
        assert_eq!(drawn.join().unwrap(), 1);
        // Before the draw it is lost, after it is kept.
        assert_eq!(balance(&bucket, 0), taken * WHOLE);
    });
}

#[test]
fn deposits_and_time_fill_it_in_any_order() {
    explore(config(0.5, 1.0, 2), 2, |bucket| {
        // Half an attempt each, and one and a half by time: a half too much at the end, and never
        // before the first draw that sees the time.
        let deposit = on_thread(&bucket, |bucket| bucket.deposit());
        let drawn = on_thread(&bucket, |bucket| draws(bucket, 1, SECOND * 3 / 2));
        assert!(bucket.deposit());
        assert!(deposit.join().unwrap());
        assert_eq!(drawn.join().unwrap(), 1);
        let left = balance(&bucket, SECOND * 3 / 2);
        // All of it fits, whatever comes first: 1.5 by time and 1 by calls, but for what is above 2.
        assert!(left == WHOLE || left == 3 * HALF, "{left}");
    });
}

#[test]
fn a_change_of_settings_keeps_what_is_there() {
    explore(config(0.5, 0.0, 4), 2, |bucket| {
        // Two there, and room for more before and after.
        let change = on_thread(&bucket, |bucket| bucket.reconfigure(config(0.5, 0.0, 8), 0));
        let deposit = on_thread(&bucket, Bucket::deposit);
        let granted = draws(&bucket, 1, 0);
        change.join().unwrap();
        assert!(deposit.join().unwrap());
        assert_eq!(granted, 1);
        assert_eq!(balance(&bucket, 0), WHOLE + HALF);
        // It has room for what is missing to eight, and for that only.
        let mut more = 0;
        while bucket.deposit() {
            more += 1;
        }
        assert_eq!((more, balance(&bucket, 0)), (13, 8 * WHOLE));
    });
}

#[test]
fn a_smaller_reserve_is_never_overdrawn() {
    explore(config(0.0, 0.0, 3), 1, |bucket| {
        let change = on_thread(&bucket, |bucket| bucket.reconfigure(config(0.0, 0.0, 1), 0));
        let drawn = on_thread(&bucket, |bucket| draws(bucket, 3, 0));
        change.join().unwrap();
        // Before the change, both; after it, one.
        let granted = drawn.join().unwrap();
        assert!((1..=2).contains(&granted), "{granted}");
        assert_eq!(balance(&bucket, 0), 0);
    });
}

#[test]
fn a_deposit_beside_a_smaller_reserve_fits_into_it() {
    explore(config(0.5, 0.0, 3), 1, |bucket| {
        let change = on_thread(&bucket, |bucket| bucket.reconfigure(config(0.5, 0.0, 1), 0));
        let deposit = on_thread(&bucket, Bucket::deposit);
        change.join().unwrap();
        deposit.join().unwrap();
        assert_eq!(balance(&bucket, 0), WHOLE);
        assert_eq!(draws(&bucket, 2, 0), 1);
    });
}

#[test]
fn a_change_credits_the_time_before_it_once() {
    explore(config(0.0, 1.0, 8), 8, |bucket| {
        // Two seconds by the old settings, one by the new ones.
        let change = on_thread(&bucket, |bucket| {
            bucket.reconfigure(config(0.0, 3.0, 8), 2 * SECOND);
        });
        let drawn = on_thread(&bucket, |bucket| draws(bucket, 1, SECOND));
        change.join().unwrap();
        assert_eq!(drawn.join().unwrap(), 1);
        assert_eq!(balance(&bucket, 3 * SECOND), 4 * WHOLE);
    });
}

#[test]
fn a_look_beside_changes_sees_what_was_there_at_some_moment() {
    explore(config(0.5, 1.0, 2), 1, |bucket| {
        let deposit = on_thread(&bucket, Bucket::deposit);
        let drawn = on_thread(&bucket, |bucket| draws(bucket, 1, 0));
        let look = on_thread(&bucket, |bucket| seen(bucket, 0));
        deposit.join().unwrap();
        assert_eq!(drawn.join().unwrap(), 1);
        let (balance, drawn, refused) = look.join().unwrap();
        let moments = [(2, 1), (3, 1), (0, 2), (1, 2)];
        assert!(
            moments.contains(&(balance / HALF, drawn)),
            "{balance} {drawn}"
        );
        assert_eq!(refused, 0);
    });
}

#[test]
fn what_is_reserved_is_nobody_elses_and_is_there_when_it_is_sent() {
    explore(config(0.0, 0.0, 1), 0, |bucket| {
        let waiting = on_thread(&bucket, |bucket| {
            let reserved = bucket.reserve(0).granted;
            // Nobody draws between the two what was set aside.
            (reserved, reserved && bucket.redeem(0).granted)
        });
        let other = on_thread(&bucket, |bucket| bucket.draw(0).granted);
        let ((reserved, sent), other) = (waiting.join().unwrap(), other.join().unwrap());
        assert_eq!(reserved, sent);
        assert_eq!(u32::from(sent) + u32::from(other), 1);
        assert_eq!(bucket.look(0).reserved, 0);
    });
}

#[test]
fn what_is_released_is_there_for_others() {
    explore(config(0.0, 0.0, 1), 0, |bucket| {
        let dropped = on_thread(&bucket, |bucket| {
            if bucket.reserve(0).granted {
                bucket.release();
            }
        });
        let other = on_thread(&bucket, |bucket| bucket.draw(0).granted);
        dropped.join().unwrap();
        let first = other.join().unwrap();
        assert_ne!(first, bucket.draw(0).granted);
    });
}
