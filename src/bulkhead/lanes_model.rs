//! The lanes under the model checker: see `model.rs`, which has none.

use super::{
    lanes::Spread,
    model::{
        Shared, config, ends_even, gives_beside_an_arrival, has_come, held_up, on_thread, room,
        runs, seen, waits,
    },
    room::{Entry, Glance},
};

/// Two lanes, open from the start where so many may run.
const LANES: Spread = Spread { lanes: 2, from: 2 };

fn explore(limit: u32, max_queue: u32, protocol: impl Fn(Shared) + Sync + Send + 'static) {
    held_up(2, move || protocol(room(limit, max_queue, LANES)));
}

fn granted(entry: Entry) -> u64 {
    u64::from(entry == Entry::Granted)
}

#[test]
fn a_place_in_a_lane_is_there_for_others() {
    explore(2, 0, |room| {
        let leaves_one = on_thread(&room, |room| {
            runs(room);
            room.give();
        });
        leaves_one.join().unwrap();
        // Its own lane and the word hold less than there is.
        let others = [(); 2].map(|()| on_thread(&room, |room| granted(room.enter())));
        let running: u64 = others.map(|other| other.join().unwrap()).iter().sum();
        assert_eq!(running, 2);
        ends_even(&room, 2, 2);
    });
}

#[test]
fn nobody_is_refused_for_a_place_in_a_lane() {
    explore(2, 0, |room| {
        runs(&room);
        let next = on_thread(&room, |room| match room.enter() {
            Entry::Granted => {
                room.give();
                granted(room.enter())
            }
            _ => 0,
        });
        let other = on_thread(&room, |room| granted(room.enter()));
        assert_eq!(next.join().unwrap() + other.join().unwrap(), 1);
        ends_even(&room, 2, 2);
    });
}

#[test]
fn no_more_than_may_take_from_lanes_and_word() {
    explore(2, 0, |room| {
        let others = [(); 2].map(|()| {
            on_thread(&room, |room| {
                if room.enter() == Entry::Granted {
                    room.give();
                }
                granted(room.enter())
            })
        });
        let running = granted(room.enter());
        let others: u64 = others.map(|other| other.join().unwrap()).iter().sum();
        assert_eq!(running + others, 2);
        ends_even(&room, 2, 2);
    });
}

#[test]
fn no_wakeup_is_lost_to_a_lane() {
    explore(2, 1, |room| {
        runs(&room);
        runs(&room);
        gives_beside_an_arrival(&room);
        ends_even(&room, 2, 2);
    });
}

#[test]
fn lanes_that_open_beside_arrivals_lose_no_place() {
    explore(2, 0, |room| {
        runs(&room);
        runs(&room);
        // A look closes them.
        assert_eq!(seen(&room), (2, 0));
        let gives = on_thread(&room, |room| {
            room.give();
            room.give();
        });
        let arrives = on_thread(&room, |room| granted(room.enter()));
        let running = granted(room.enter());
        gives.join().unwrap();
        let running = running + arrives.join().unwrap();
        ends_even(&room, running, 2);
    });
}

#[test]
fn lanes_that_open_beside_one_who_waits_lose_no_place() {
    explore(2, 1, |room| {
        runs(&room);
        runs(&room);
        let turn = waits(&room);
        let gives = on_thread(&room, |room| room.give());
        let other = on_thread(&room, |room| room.give());
        let more = room.enter();
        gives.join().unwrap();
        other.join().unwrap();
        assert!(has_come(&room, turn));
        let running = match more {
            Entry::Wait(turn) => u64::from(has_come(&room, turn.number)),
            entry => granted(entry),
        };
        ends_even(&room, 1 + running, 2);
    });
}

/// Three places of which at most two are taken. The word is at zero in the end, the third place is in a
/// lane, and before the lanes opened the word was not at zero.
#[test]
fn a_glance_beside_an_opening_refuses_nobody_for_nothing() {
    explore(3, 0, |room| {
        runs(&room);
        runs(&room);
        assert_eq!(seen(&room), (2, 0));
        let both = room.clone();
        let others = on_thread(&room, move |room| {
            room.give();
            // Into a lane that is not this thread's.
            let other = on_thread(&both, |room| room.give());
            other.join().unwrap();
            runs(room);
            runs(room);
        });
        // The second half of it: the first saw nothing, since lanes were open some time before.
        assert_eq!(room.glance_closely(), Glance::Unsure, "it was never full");
        others.join().unwrap();
        ends_even(&room, 2, 3);
    });
}

#[test]
fn a_look_at_open_lanes_sees_what_was_there_at_some_moment() {
    explore(2, 0, |room| {
        let other = on_thread(&room, |room| {
            runs(room);
            room.give();
            runs(room);
        });
        runs(&room);
        let (running, queued) = seen(&room);
        assert!((1..=2).contains(&running) && queued == 0);
        other.join().unwrap();
        ends_even(&room, 2, 2);
    });
}

#[test]
fn a_changed_limit_beside_lanes_is_kept() {
    for (old, new) in [(2, 3), (3, 2), (2, 1)] {
        explore(old, 0, move |room| {
            runs(&room);
            let changed = on_thread(&room, move |room| room.reconfigure(config(new, 0)));
            let arrives = on_thread(&room, |room| granted(room.enter()));
            room.give();
            changed.join().unwrap();
            let running = arrives.join().unwrap();
            ends_even(&room, running, new.into());
        });
    }
}
