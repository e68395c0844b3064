//! The word under the model checker: every interleaving, and every reordering that the memory model
//! allows.
//!
//! `RUSTFLAGS="--cfg buttress_loom" cargo test --release --lib model`

use std::time::Duration;

use loom::{sync::Arc, thread};

use super::{
    config::Config,
    gcra::{Answer, Gcra, Ticket},
};

/// Nanoseconds per call.
const PACE: u64 = 10;

/// A call every so often, so many at once, and a wait of so many turns.
fn config(pace: u64, burst: u32, turns: u64) -> Config {
    Config {
        calls: 1,
        period: Duration::from_nanos(pace),
        burst,
        max_wait: Duration::from_nanos(turns * pace),
        shadow: false,
    }
}

type Shared = Arc<Gcra>;

/// Explores a protocol.
fn explore(config: Config, protocol: impl Fn(Shared) + Sync + Send + 'static) {
    explore_within(None, config, protocol);
}

/// The same with at most so many preemptions, for protocols of many steps.
fn explore_within(
    preemptions: Option<usize>,
    config: Config,
    protocol: impl Fn(Shared) + Sync + Send + 'static,
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || protocol(Shared::new(Gcra::new(config.clone()))));
}

fn on_thread<T: 'static>(
    gcra: &Shared,
    run: impl FnOnce(&Gcra) -> T + 'static,
) -> thread::JoinHandle<T> {
    let gcra = gcra.clone();
    thread::spawn(move || run(&gcra))
}

/// The ticket and the instant of a call of this cost at this time, if it is let in.
fn take_n(gcra: &Gcra, cost: u32, now: u64) -> Option<(Ticket, u64)> {
    match gcra.take(cost, now, true) {
        Answer::Granted { ticket, wait } => Some((ticket, now + wait)),
        Answer::Refused { .. } => None,
        Answer::TooDear { .. } => panic!("it fits"),
    }
}

fn take(gcra: &Gcra, now: u64) -> Option<(Ticket, u64)> {
    take_n(gcra, 1, now)
}

fn instant(taken: Option<(Ticket, u64)>) -> Option<u64> {
    taken.map(|(_, at)| at)
}

/// How many calls can be taken at this time, by taking them.
fn left(gcra: &Gcra, now: u64) -> usize {
    (0..).take_while(|_| take(gcra, now).is_some()).count()
}

#[test]
fn the_last_one_is_taken_once() {
    explore(config(PACE, 1, 0), |gcra| {
        let others = [(); 2].map(|()| on_thread(&gcra, |gcra| take(gcra, 0).is_some()));
        let mine = take(&gcra, 0).is_some();
        let others = others.map(|other| other.join().unwrap());
        let granted = [mine, others[0], others[1]];
        assert_eq!(granted.iter().filter(|granted| **granted).count(), 1);
    });
}

#[test]
fn two_reservations_have_two_instants() {
    explore(config(PACE, 1, 2), |gcra| {
        let others = [(); 2].map(|()| on_thread(&gcra, |gcra| instant(take(gcra, 0))));
        let mine = instant(take(&gcra, 0));
        let [first, second] = others.map(|other| other.join().unwrap());
        let mut all = [mine, first, second];
        all.sort_unstable();
        assert_eq!(all, [Some(0), Some(PACE), Some(2 * PACE)]);
    });
}

/// A burst of one is used up, and then gives way to one of two. Neither settings refuse the next call nor
/// make it wait, only a mixture would: the quota of the one and the terms of the other.
fn starts_at_once(old: Config, new: Config) {
    explore_within(Some(3), old, move |gcra| {
        take(&gcra, 0).unwrap();
        let new = new.clone();
        let changed = on_thread(&gcra, move |gcra| gcra.reconfigure(new, 0));
        for waits in [false, true] {
            match gcra.take(1, 0, waits) {
                Answer::Granted { wait: 0, .. } | Answer::Refused { shadow: true, .. } => {}
                // Under the new settings the first of the two has taken the second of the burst.
                Answer::Refused { shadow: false, .. } if waits => {}
                other => panic!("{other:?}"),
            }
        }
        changed.join().unwrap();
    });
}

#[test]
fn the_end_of_shadow_with_a_larger_burst_refuses_nobody() {
    let mut shadow = config(PACE, 1, 0);
    shadow.shadow = true;
    starts_at_once(shadow, config(PACE, 2, 0));
}

#[test]
fn the_end_of_shadow_with_a_larger_burst_makes_nobody_wait() {
    let mut shadow = config(PACE, 1, 1);
    shadow.shadow = true;
    starts_at_once(shadow, config(PACE, 2, 0));
}

#[test]
fn a_wait_given_up_for_a_larger_burst_refuses_nobody() {
    explore_within(Some(3), config(PACE, 1, 1), |gcra| {
        take(&gcra, 0).unwrap();
        let new = config(PACE, 2, 0);
        let changed = on_thread(&gcra, move |gcra| gcra.reconfigure(new, 0));
        assert!(take(&gcra, 0).is_some());
        changed.join().unwrap();
    });
}

#[test]
fn a_grant_outlives_a_switch_of_shadow() {
    explore(config(PACE, 1, 1), |gcra| {
        let (ticket, _) = take(&gcra, 0).unwrap();
        let mut shadow = config(PACE, 1, 1);
        shadow.shadow = true;
        let switched = on_thread(&gcra, move |gcra| gcra.reconfigure(shadow, 0));
        assert!(gcra.cancel(ticket));
        switched.join().unwrap();
        assert_eq!(left(&gcra, 0), 2);
    });
}

#[test]
fn a_cancelled_reservation_goes_back_or_stays_spent() {
    explore(config(PACE, 1, 4), |gcra| {
        take(&gcra, 0).unwrap();
        let (ticket, at) = take(&gcra, 0).unwrap();
        assert_eq!(at, PACE);
        let cancels = on_thread(&gcra, move |gcra| gcra.cancel(ticket));
        let other = instant(take(&gcra, 0)).unwrap();
        let back = cancels.join().unwrap();
        // Nobody has an instant that another one has, unless that one has given it back.
        assert_eq!(other, if back { PACE } else { 2 * PACE });
        let next = instant(take(&gcra, 0)).unwrap();
        assert_eq!(next, other + PACE);
    });
}

#[test]
fn of_two_cancelled_ones_no_more_goes_back_than_was_taken() {
    explore(config(PACE, 4, 0), |gcra| {
        let [first, second] = [(); 2].map(|()| take(&gcra, 0).unwrap().0);
        let others = [first, second]
            .map(|ticket| on_thread(&gcra, move |gcra| u64::from(gcra.cancel(ticket))));
        let back: u64 = others.map(|other| other.join().unwrap()).iter().sum();
        // The second always goes back; the first only if it does so after it.
        assert!((1..=2).contains(&back), "{back}");
        assert_eq!(left(&gcra, 0) as u64, 2 + back);
    });
}

#[test]
fn a_cancellation_beside_two_calls_never_lets_in_too_many() {
    explore(config(PACE, 2, 0), |gcra| {
        let (ticket, _) = take(&gcra, 0).unwrap();
        let cancels = on_thread(&gcra, move |gcra| gcra.cancel(ticket));
        let takes = on_thread(&gcra, |gcra| u64::from(take(gcra, 0).is_some()));
        let mine = u64::from(take(&gcra, 0).is_some());
        let back = u64::from(cancels.join().unwrap());
        let granted = mine + takes.join().unwrap();
        let rest = left(&gcra, 0) as u64;
        // Two at once, and one more for one that never came.
        assert_eq!(granted + rest, 1 + back);
    });
}

#[test]
fn a_call_beside_a_change_of_quota_counts_by_one_of_the_two() {
    // Two at once, one of them taken; then five, ten times slower.
    explore(config(PACE, 2, 0), |gcra| {
        take(&gcra, 0).unwrap();
        let change = on_thread(&gcra, |gcra| gcra.reconfigure(config(10 * PACE, 5, 0), 0));
        let mine = take(&gcra, 0).is_some();
        change.join().unwrap();
        // What was taken stays taken, in calls: by the one pace or by the other.
        assert!(mine);
        assert_eq!(left(&gcra, 0), 3);
        assert!(take(&gcra, 10 * PACE - 1).is_none());
        assert!(take(&gcra, 10 * PACE).is_some());
    });
}

#[test]
fn a_call_beside_a_smaller_quota_is_let_in_before_it_or_not_at_all() {
    explore(config(PACE, 3, 0), |gcra| {
        take(&gcra, 0).unwrap();
        let change = on_thread(&gcra, |gcra| {
            gcra.reconfigure(config(PACE, 1, 0), 0);
            // Whoever comes now, one was taken already.
            take(gcra, 0).is_some()
        });
        take(&gcra, 0);
        assert!(!change.join().unwrap());
        assert_eq!(left(&gcra, 0), 0);
    });
}

#[test]
fn who_has_seen_a_change_is_judged_by_it() {
    explore(config(PACE, 3, 0), |gcra| {
        let other = on_thread(&gcra, |gcra| take(gcra, 0).is_some());
        gcra.reconfigure(config(100 * PACE, 1, 0), 0);
        // Nothing of the old quota, however late the other one is.
        let mine = take(&gcra, 0).is_some();
        let theirs = other.join().unwrap();
        assert!(mine || theirs);
        assert!(take(&gcra, 100 * PACE - 1).is_none());
    });
}

#[test]
fn a_grant_is_never_put_back_into_another_quota() {
    explore(config(100 * PACE, 2, 0), |gcra| {
        let (ticket, _) = take(&gcra, 0).unwrap();
        let change = on_thread(&gcra, |gcra| gcra.reconfigure(config(PACE, 2, 0), 0));
        let back = gcra.cancel(ticket);
        change.join().unwrap();
        // Before the change it went back; after it, one call of the new quota is spent.
        assert_eq!(left(&gcra, 0), 1 + usize::from(back));
        assert!(take(&gcra, PACE - 1).is_none());
    });
}

#[test]
fn a_cancellation_beside_a_change_and_a_call() {
    explore_within(Some(3), config(PACE, 3, 0), |gcra| {
        let (ticket, _) = take(&gcra, 0).unwrap();
        let change = on_thread(&gcra, |gcra| gcra.reconfigure(config(3 * PACE, 3, 0), 0));
        let cancels = on_thread(&gcra, move |gcra| usize::from(gcra.cancel(ticket)));
        let mine = usize::from(take(&gcra, 0).is_some());
        change.join().unwrap();
        let back = cancels.join().unwrap();
        assert_eq!(mine, 1);
        assert_eq!(left(&gcra, 0), 1 + back);
    });
}

#[test]
fn two_changes_leave_the_quota_of_the_last_one() {
    explore_within(Some(3), config(PACE, 4, 0), |gcra| {
        take_n(&gcra, 2, 0).unwrap();
        let other = on_thread(&gcra, |gcra| gcra.reconfigure(config(2 * PACE, 4, 0), 0));
        let takes = on_thread(&gcra, |gcra| usize::from(take(gcra, 0).is_some()));
        gcra.reconfigure(config(4 * PACE, 4, 0), 0);
        other.join().unwrap();
        assert_eq!(takes.join().unwrap(), 1);
        let pace = gcra.config().period.as_nanos() as u64;
        assert_eq!(left(&gcra, 0), 1);
        assert!(take(&gcra, pace - 1).is_none());
        assert!(take(&gcra, pace).is_some());
    });
}

#[test]
fn a_look_beside_a_change_sees_one_quota() {
    explore(config(PACE, 8, 0), |gcra| {
        take_n(&gcra, 2, 0).unwrap();
        let look = on_thread(&gcra, |gcra| gcra.available(0));
        gcra.reconfigure(config(100 * PACE, 4, 0), 0);
        let seen = look.join().unwrap();
        assert!([6, 2].contains(&seen), "{seen}");
    });
}
