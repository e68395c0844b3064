//! The ring's protocol under the model checker: every interleaving, and every reordering that the
//! memory model allows.
//!
//! `RUSTFLAGS="--cfg buttress_loom" cargo test --release --lib model`

use loom::{sync::Arc, thread};

use super::{
    histogram::Count,
    ring::{Ring, SLOTS},
};

const BUCKETS: usize = 2;

fn explore(protocol: impl Fn(Arc<Ring>) + Sync + Send + 'static) {
    loom::model(move || protocol(Arc::new(Ring::new(BUCKETS))));
}

fn sum(ring: &Ring) -> [Count; BUCKETS] {
    let mut sum = [Count::default(); BUCKETS];
    ring.sum(&mut sum);
    sum
}

#[test]
fn no_record_beside_a_turn_is_lost_or_counted_twice() {
    explore(|ring| {
        // What is to be forgotten, in the slot that is next.
        ring.turn(1);
        ring.record(0, true);
        ring.turn(SLOTS as u64 - 1);
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.record(1, false))
        };
        ring.turn(1);
        ring.record(1, true);
        other.join().unwrap();
        let once = Count {
            completed: 1,
            cut_short: 1,
        };
        assert_eq!(sum(&ring), [Count::default(), once]);
    });
}

#[test]
fn a_record_that_comes_too_late_is_gone_or_counts_once() {
    explore(|ring| {
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.record(0, true))
        };
        // All the way round: what comes late is lost with its slot, or counts as new, once.
        ring.turn(SLOTS as u64);
        other.join().unwrap();
        let [late, none] = sum(&ring);
        assert!(late.completed <= 1 && late.cut_short == 0, "{late:?}");
        assert_eq!(none, Count::default());
        ring.turn(SLOTS as u64);
        assert_eq!(sum(&ring), [Count::default(); BUCKETS]);
    });
}
