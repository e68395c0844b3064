//! Places and queue under the model checker: every interleaving, and every reordering that the memory
//! model allows.
//!
//! `RUSTFLAGS="--cfg buttress_loom" cargo test --release --lib model`

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    task::{Wake, Waker},
    time::Duration,
};

use loom::{cell::UnsafeCell, sync::Arc, thread};

use super::{
    config::Config,
    lanes::Spread,
    room::{Entry, Room},
};

pub(super) fn config(limit: u32, max_queue: u32) -> Config {
    let mut config = Config::new(limit);
    config.max_queue = max_queue;
    config.max_wait = Duration::from_secs(1);
    config
}

pub(super) type Shared = Arc<Room>;

pub(super) fn explore(
    limit: u32,
    max_queue: u32,
    protocol: impl Fn(Shared) + Sync + Send + 'static,
) {
    held_up(3, move || protocol(room(limit, max_queue, Spread::NONE)));
}

/// Each thread is held up at most so often while it might go on: all interleavings of three would take
/// minutes, and faults of this kind need one or two.
pub(super) fn held_up(times: usize, protocol: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(times);
    model.check(protocol);
}

pub(super) fn room(limit: u32, max_queue: u32, spread: Spread) -> Shared {
    Shared::new(Room::new(config(limit, max_queue), spread))
}

pub(super) fn on_thread<T: 'static>(
    room: &Shared,
    run: impl FnOnce(&Room) -> T + 'static,
) -> thread::JoinHandle<T> {
    let room = room.clone();
    thread::spawn(move || run(&room))
}

/// A call that must be let in at once.
pub(super) fn runs(room: &Room) {
    assert_eq!(room.enter(), Entry::Granted);
}

/// A call that must wait.
pub(super) fn waits(room: &Room) -> u64 {
    match room.enter() {
        Entry::Wait(turn) => turn.number,
        other => panic!("{other:?}"),
    }
}

pub(super) fn has_come(room: &Room, turn: u64) -> bool {
    room.has_come(turn, Waker::noop())
}

/// In flight, queued.
pub(super) fn seen(room: &Room) -> (u64, u64) {
    let look = room.look();
    (look.in_flight, look.queued)
}

/// So many calls run. When they have ended, exactly `limit` others find a place.
pub(super) fn ends_even(room: &Room, running: u64, limit: u64) {
    assert_eq!(seen(room), (running, 0));
    (0..running).for_each(|_| room.give());
    assert!(room.is_empty());
    (0..limit).for_each(|_| runs(room));
    assert_ne!(room.enter(), Entry::Granted);
}

/// The task of a waiter.
#[derive(Default)]
pub(super) struct Task(AtomicBool);

pub(super) type SharedTask = std::sync::Arc<Task>;

impl Task {
    pub(super) fn is_woken(&self) -> bool {
        self.0.load(SeqCst)
    }
}

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A place is given back while a call arrives, for which there is room in the queue.
pub(super) fn gives_beside_an_arrival(room: &Shared) {
    let gives = on_thread(room, Room::give);
    let arrives = on_thread(room, |room| {
        let task = SharedTask::default();
        let turn = match room.enter() {
            Entry::Granted => return None,
            Entry::Wait(turn) => turn.number,
            Entry::Full | Entry::Beside => panic!("there is room in the queue"),
        };
        let come = room.has_come(turn, &Waker::from(task.clone()));
        (!come).then_some((turn, task))
    });
    gives.join().unwrap();
    if let Some((turn, task)) = arrives.join().unwrap() {
        assert!(task.is_woken(), "nobody woke it");
        assert!(has_come(room, turn));
    }
}

#[test]
fn the_last_place_is_taken_once() {
    explore(1, 0, |room| {
        let others = [(); 2].map(|()| on_thread(&room, Room::enter));
        let entries = others.map(|other| other.join().unwrap());
        let granted = entries.iter().filter(|entry| **entry == Entry::Granted);
        assert_eq!(granted.count(), 1, "{entries:?}");
        ends_even(&room, 1, 1);
    });
}

#[test]
fn nobody_is_refused_for_nothing() {
    explore(1, 0, |room| {
        runs(&room);
        let next = on_thread(&room, |room| {
            room.give();
            room.enter()
        });
        let other = on_thread(&room, Room::enter);
        let entries = [next, other].map(|call| call.join().unwrap());
        let granted = entries.iter().filter(|entry| **entry == Entry::Granted);
        // The place was free before the next one came: it has it, or the other.
        assert_eq!(granted.count(), 1, "{entries:?}");
        ends_even(&room, 1, 1);
    });
}

#[test]
fn who_makes_way_for_another_leaves_no_place_empty() {
    explore(1, 0, |room| {
        runs(&room);
        let others = [(); 2].map(|()| on_thread(&room, Room::enter));
        room.give();
        let granted = room.enter() == Entry::Granted;
        let entries = others.map(|other| other.join().unwrap());
        let others = entries.iter().filter(|entry| **entry == Entry::Granted);
        assert_eq!(others.count() + usize::from(granted), 1);
        ends_even(&room, 1, 1);
    });
}

#[test]
fn a_place_handed_over_beside_a_wait_given_up_is_the_next_ones() {
    explore(1, 2, |room| {
        runs(&room);
        let [first, second] = [(); 2].map(|()| waits(&room));
        let gives = on_thread(&room, Room::give);
        let leaves = on_thread(&room, move |room| room.leave(first));
        gives.join().unwrap();
        leaves.join().unwrap();
        assert!(has_come(&room, second));
        ends_even(&room, 1, 1);
    });
}

#[test]
fn two_who_leave_beside_a_hand_over_leave_no_trace() {
    explore(1, 3, |room| {
        runs(&room);
        let [first, second, third] = [(); 3].map(|()| waits(&room));
        let gives = on_thread(&room, Room::give);
        let leaves = on_thread(&room, move |room| room.leave(first));
        room.leave(second);
        gives.join().unwrap();
        leaves.join().unwrap();
        assert!(has_come(&room, third));
        ends_even(&room, 1, 1);
    });
}

#[test]
fn a_wait_that_ends_in_time_has_the_place_and_else_it_is_free() {
    explore(1, 1, |room| {
        runs(&room);
        let turn = waits(&room);
        let gives = on_thread(&room, Room::give);
        let expired = on_thread(&room, move |room| room.give_up(turn));
        gives.join().unwrap();
        let running = u64::from(!expired.join().unwrap());
        ends_even(&room, running, 1);
    });
}

#[test]
fn no_wakeup_is_lost_between_arrival_and_release() {
    explore(1, 1, |room| {
        runs(&room);
        gives_beside_an_arrival(&room);
        ends_even(&room, 1, 1);
    });
}

#[test]
fn a_waker_beside_another_and_a_hand_over_is_woken() {
    explore(1, 1, |room| {
        runs(&room);
        let turn = waits(&room);
        let first = SharedTask::default();
        assert!(!room.has_come(turn, &Waker::from(first)));
        let gives = on_thread(&room, Room::give);
        let moves = on_thread(&room, move |room| {
            let second = SharedTask::default();
            let come = room.has_come(turn, &Waker::from(second.clone()));
            (!come).then_some(second)
        });
        gives.join().unwrap();
        if let Some(second) = moves.join().unwrap() {
            assert!(second.is_woken(), "nobody woke it");
        }
        assert!(has_come(&room, turn));
        ends_even(&room, 1, 1);
    });
}

#[test]
fn an_arrival_at_a_full_queue_beside_a_hand_over_waits_or_is_refused() {
    explore(1, 1, |room| {
        runs(&room);
        let turn = waits(&room);
        let gives = on_thread(&room, Room::give);
        let arrives = on_thread(&room, Room::enter);
        gives.join().unwrap();
        assert!(has_come(&room, turn));
        match arrives.join().unwrap() {
            Entry::Granted => panic!("it passed by one who waits"),
            Entry::Full => {}
            Entry::Beside => panic!("it is not in shadow"),
            Entry::Wait(turn) => {
                assert!(!has_come(&room, turn.number));
                room.leave(turn.number);
            }
        }
        ends_even(&room, 1, 1);
    });
}

#[test]
fn places_are_granted_in_order_of_arrival() {
    explore(1, 3, |room| {
        runs(&room);
        let first = waits(&room);
        let gives = on_thread(&room, Room::give);
        let arrives = on_thread(&room, waits);
        let second = arrives.join().unwrap();
        gives.join().unwrap();
        assert!(has_come(&room, first));
        assert!(!has_come(&room, second));
        room.give();
        assert!(has_come(&room, second));
        ends_even(&room, 1, 1);
    });
}

#[test]
fn a_glance_never_sees_more_running_than_may() {
    explore(1, 0, |room| {
        runs(&room);
        let others = [(); 2].map(|()| on_thread(&room, Room::enter));
        assert_eq!(seen(&room), (1, 0));
        let entries = others.map(|other| other.join().unwrap());
        assert_eq!(entries, [Entry::Full; 2]);
        ends_even(&room, 1, 1);
    });
}

/// What only the one who has the only place may touch.
struct Desk(UnsafeCell<u32>);

impl Desk {
    fn work(&self) {
        self.0.with_mut(|count| {
            // The checker looks whether anybody else does so without having heard of it.
            let _ = count;
        });
    }
}

#[test]
fn the_only_place_is_mutual_exclusion() {
    held_up(3, || {
        let room = room(1, 2, Spread::NONE);
        let desk = Arc::new(Desk(UnsafeCell::new(0)));
        let others = [(); 2].map(|()| {
            let desk = desk.clone();
            on_thread(&room, move |room| match room.enter() {
                Entry::Granted => {
                    desk.work();
                    room.give();
                }
                Entry::Full | Entry::Beside => panic!("there is room in the queue"),
                Entry::Wait(turn) if has_come(room, turn.number) => {
                    desk.work();
                    room.give();
                }
                Entry::Wait(turn) => room.leave(turn.number),
            })
        });
        others.into_iter().for_each(|other| other.join().unwrap());
        runs(&room);
        desk.work();
        room.give();
        ends_even(&room, 0, 1);
    });
}

#[test]
fn who_is_let_in_by_a_third_has_heard_of_the_one_before() {
    held_up(3, || {
        let room = room(1, 2, Spread::NONE);
        let desk = Arc::new(Desk(UnsafeCell::new(0)));
        runs(&room);
        let [first, second] = [(); 2].map(|()| waits(&room));
        let gives = {
            let desk = desk.clone();
            on_thread(&room, move |room| {
                desk.work();
                room.give();
            })
        };
        // May find the place given and the hand-over still to be done, and do it.
        let leaves = on_thread(&room, move |room| room.leave(first));
        if has_come(&room, second) {
            desk.work();
        }
        gives.join().unwrap();
        leaves.join().unwrap();
        assert!(has_come(&room, second));
        ends_even(&room, 1, 1);
    });
}
