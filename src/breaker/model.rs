//! The gate's protocol under the model checker: every interleaving, and every reordering that the
//! memory model allows.
//!
//! `RUSTFLAGS="--cfg buttress_loom" cargo test --release --lib model`

use std::time::Duration;

use loom::{sync::Arc, thread};

use super::{
    config::{Config, Window},
    gate::Gate,
    orders::{Order, View},
    state::Machine,
    ticket::{Entry, Ticket},
};
use crate::{
    classify::Outcome::{self, Failure, Success},
    sys::{Ordering, Rng},
    telemetry::State,
};

const OPEN_FOR: u64 = 100;
const PROBE_TIMEOUT: u64 = 1_000;

fn config(window: Window) -> Config {
    let mut config = Config::default();
    config.window = window;
    config.min_calls = 1;
    config.open_for = Duration::from_nanos(OPEN_FOR);
    config.open_jitter = 0.0;
    config.probes = 1;
    config.probe_timeout = Duration::from_nanos(PROBE_TIMEOUT);
    config
}

/// Explores a protocol. `compact` gates have one tally, so that there is more room for the rest.
fn explore(window: Window, compact: bool, protocol: impl Fn(Calls) + Sync + Send + 'static) {
    loom::model(move || {
        let machine = Machine::new(config(window), Rng::seeded(1));
        protocol(Calls(Arc::new(Gate::new(machine, compact))));
    });
}

#[derive(Clone)]
struct Calls(Arc<Gate>);

impl Calls {
    fn admit(&self, now: u64) -> Option<Ticket> {
        match self.entry(now) {
            Entry::Granted(ticket) => Some(ticket),
            Entry::Observed(..) | Entry::Refused(_) => None,
        }
    }

    fn entry(&self, now: u64) -> Entry {
        match self.0.pass(|| now) {
            Some(ticket) => Entry::Granted(ticket),
            None => self.0.admit(|| now, drop),
        }
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome, now: u64) {
        if !self.0.count(ticket, outcome, || now) {
            self.0.settle(ticket, outcome, || now, drop);
        }
    }

    fn order(&self, order: Order, now: u64) {
        self.0.order(order, now, drop);
    }

    fn view(&self, now: u64) -> View {
        self.0.view(now, drop)
    }

    fn late(&self) -> u64 {
        self.0.counters.late.load(Ordering::Relaxed)
    }

    fn on_thread(&self, run: impl FnOnce(&Self) + 'static) -> thread::JoinHandle<()> {
        let calls = self.clone();
        thread::spawn(move || run(&calls))
    }
}

#[test]
fn a_success_beside_an_opening_is_judged_or_late() {
    explore(Window::Count(10), true, |calls| {
        let good = calls.admit(0).unwrap();
        let bad = calls.admit(0).unwrap();
        let other = calls.on_thread(move |calls| calls.settle(good, Success, 0));
        calls.settle(bad, Failure, 0);
        other.join().unwrap();
        let view = calls.view(0);
        assert_eq!(view.shown, State::Open);
        assert_eq!(view.counts.failed, 1);
        assert_eq!(view.counts.calls + calls.late(), 2);
    });
}

#[test]
fn no_success_is_lost_or_counted_twice() {
    explore(Window::Count(10), true, |calls| {
        let tickets = [(); 3].map(|()| calls.admit(0).unwrap());
        let others = [0, 1].map(|n| {
            let ticket = tickets[n];
            calls.on_thread(move |calls| calls.settle(ticket, Success, 0))
        });
        assert!(calls.view(0).counts.calls <= 2);
        calls.settle(tickets[2], Success, 0);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(calls.view(0).counts.calls, 3);
        assert_eq!(calls.late(), 0);
    });
}

#[test]
fn a_late_success_never_counts_in_another_generation() {
    explore(Window::Count(10), true, |calls| {
        let old = calls.admit(0).unwrap();
        let other = calls.on_thread(move |calls| calls.settle(old, Success, 0));
        calls.order(Order::Reset, 0);
        // Let in by the new head, it finds the new tally.
        let new = calls.admit(0).unwrap();
        calls.settle(new, Success, 0);
        other.join().unwrap();
        assert_eq!(calls.view(0).counts.calls, 1);
    });
}

#[test]
fn who_is_let_in_by_a_new_generation_counts_in_it() {
    explore(Window::Count(10), true, |calls| {
        let other = {
            let calls = calls.clone();
            thread::spawn(move || {
                let ticket = calls.admit(0).unwrap();
                calls.settle(ticket, Success, 0);
                ticket.generation()
            })
        };
        calls.order(Order::Reset, 0);
        let generation = other.join().unwrap();
        let counted = calls.view(0).counts.calls;
        match generation {
            // Before the order it went with the window, across it it is late.
            0 => assert_eq!(counted, 0),
            _ => assert_eq!((counted, calls.late()), (1, 0)),
        }
    });
}

#[test]
fn an_open_door_lets_in_as_many_probes_as_there_are() {
    explore(Window::Count(10), true, |calls| {
        let bad = calls.admit(0).unwrap();
        calls.settle(bad, Failure, 0);
        let probe = |calls: &Calls| calls.admit(OPEN_FOR);
        let other = {
            let calls = calls.clone();
            thread::spawn(move || probe(&calls))
        };
        let mine = probe(&calls);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some());
        calls.settle(mine.or(theirs).unwrap(), Success, OPEN_FOR);
        assert_eq!(calls.view(OPEN_FOR).shown, State::Closed);
    });
}

#[test]
fn a_refusal_tells_the_time_of_its_own_opening() {
    explore(Window::Count(10), true, |calls| {
        let bad = calls.admit(0).unwrap();
        calls.settle(bad, Failure, 0);
        let other = calls.on_thread(|calls| {
            // Its clock was read just before the first opening ends.
            if let Entry::Refused(refusal) = calls.entry(OPEN_FOR - 1) {
                let told = refusal.retry_after;
                let known = [Some(1), Some(OPEN_FOR), Some(OPEN_FOR + 1), None];
                assert!(known.contains(&told), "{told:?}");
            }
        });
        // Half-open and open again: another head, another time.
        if let Some(probe) = calls.admit(OPEN_FOR) {
            calls.settle(probe, Failure, OPEN_FOR);
        }
        other.join().unwrap();
        assert_eq!(calls.view(OPEN_FOR).shown, State::Open);
    });
}

#[test]
fn a_probe_is_judged_once_by_its_result_or_by_its_age() {
    explore(Window::Count(10), true, |calls| {
        let bad = calls.admit(0).unwrap();
        calls.settle(bad, Failure, 0);
        let probe = calls.admit(OPEN_FOR).unwrap();
        let hung = OPEN_FOR + PROBE_TIMEOUT;
        let other = calls.on_thread(move |calls| calls.settle(probe, Success, hung - 1));
        let view = calls.view(hung);
        other.join().unwrap();
        match view.shown {
            State::Closed => assert_eq!(calls.late(), 0),
            State::Open => assert_eq!(calls.late(), 1),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn nobody_passes_once_an_order_to_open_was_given() {
    explore(Window::Count(10), true, |calls| {
        let other = calls.on_thread(|calls| {
            if let Some(ticket) = calls.admit(0) {
                calls.settle(ticket, Success, 0);
            }
        });
        calls.order(Order::ForceOpen(None), 0);
        assert!(calls.admit(0).is_none());
        other.join().unwrap();
        assert_eq!(calls.view(0).counts.calls, 0);
    });
}

#[test]
fn a_success_counts_in_the_piece_that_runs_or_a_later_one() {
    // Pieces of 10 ns.
    let window = Window::Time(Duration::from_nanos(100));
    explore(window, true, |calls| {
        let [first, second] = [(); 2].map(|()| calls.admit(0).unwrap());
        // One success in the first piece, and one in the second, which has to end the first.
        let other = calls.on_thread(move |calls| calls.settle(second, Success, 10));
        calls.settle(first, Success, 9);
        other.join().unwrap();
        assert_eq!(calls.view(10).counts.calls, 2, "none is lost");
        // The first piece has left the window. What was recorded while it ran is gone, and the
        // success of the second piece was not among it.
        assert!((1..=2).contains(&calls.view(100).counts.calls));
        assert_eq!(calls.view(110).counts.calls, 0);
    });
}

#[test]
fn no_success_is_lost_between_lanes() {
    let window = Window::Time(Duration::from_secs(1));
    explore(window, false, |calls| {
        let [good, bad] = [(); 2].map(|()| calls.admit(0).unwrap());
        let other = calls.on_thread(move |calls| calls.settle(good, Success, 0));
        calls.settle(bad, Failure, 0);
        other.join().unwrap();
        let view = calls.view(0);
        assert_eq!(view.shown, State::Open);
        assert_eq!(view.counts.calls + calls.late(), 2);
    });
}
