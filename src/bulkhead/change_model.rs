//! Changes of the settings under the model checker: see `model.rs`.

use std::task::Waker;

use super::{
    config::Config,
    lanes::Spread,
    model::{
        Shared, SharedTask, config, ends_even, explore, has_come, held_up, on_thread, runs, seen,
        waits,
    },
    room::{Entry, Glance, Room},
};

#[test]
fn a_raised_limit_beside_a_release_lets_in_whom_it_should() {
    explore(1, 2, |room| {
        runs(&room);
        let turns = [(); 2].map(|()| waits(&room));
        let raised = on_thread(&room, |room| room.reconfigure(config(2, 2)));
        let gives = on_thread(&room, Room::give);
        raised.join().unwrap();
        gives.join().unwrap();
        assert!(turns.iter().all(|turn| has_come(&room, *turn)));
        ends_even(&room, 2, 2);
    });
}

#[test]
fn a_lowered_limit_beside_a_release_is_never_off_by_one() {
    explore(2, 1, |room| {
        runs(&room);
        runs(&room);
        let turn = waits(&room);
        let lowered = on_thread(&room, |room| room.reconfigure(config(1, 1)));
        let gives = on_thread(&room, Room::give);
        lowered.join().unwrap();
        gives.join().unwrap();
        // It came in before the change, or not at all until the last of the others is gone.
        let (running, queued) = seen(&room);
        assert_eq!(running + queued, 2);
        assert_eq!(queued == 0, has_come(&room, turn));
        room.give();
        assert!(has_come(&room, turn));
        ends_even(&room, 1, 1);
    });
}

#[test]
fn a_changed_limit_beside_arrivals_is_kept() {
    for (old, new) in [(1, 2), (2, 1)] {
        explore(old, 0, move |room| {
            let changed = on_thread(&room, move |room| room.reconfigure(config(new, 0)));
            let arrives = on_thread(&room, |room| {
                u64::from(room.enter() == Entry::Granted)
                    + u64::from(room.enter() == Entry::Granted)
            });
            changed.join().unwrap();
            let running = arrives.join().unwrap();
            assert!((1..=2).contains(&running));
            ends_even(&room, running, new.into());
        });
    }
}

#[test]
fn a_limit_lowered_beside_a_wait_given_up_is_kept() {
    explore(2, 1, |room| {
        runs(&room);
        runs(&room);
        let turn = waits(&room);
        let lowered = on_thread(&room, |room| room.reconfigure(config(1, 1)));
        let leaves = on_thread(&room, move |room| room.leave(turn));
        room.give();
        lowered.join().unwrap();
        leaves.join().unwrap();
        ends_even(&room, 1, 1);
    });
}

fn in_shadow(limit: u32, max_queue: u32) -> Config {
    let mut config = config(limit, max_queue);
    config.shadow = true;
    config
}

#[test]
fn shadow_beside_an_arrival_and_a_release_leaves_nobody_in_the_queue() {
    explore(1, 1, |room| {
        runs(&room);
        let task = SharedTask::default();
        let waker = Waker::from(task.clone());
        let first = waits(&room);
        assert!(!room.has_come(first, &waker));
        let switched = on_thread(&room, |room| room.reconfigure(in_shadow(1, 2)));
        let arrives = on_thread(&room, Room::enter);
        room.give();
        switched.join().unwrap();
        let has_place = match arrives.join().unwrap() {
            // It came before the switch, or was let in by the release.
            Entry::Granted => true,
            Entry::Wait(turn) => has_come(&room, turn.number),
            Entry::Beside => false,
            // As it was before the switch.
            Entry::Full => false,
        };
        assert!(task.is_woken());
        assert!(has_come(&room, first));
        let running = 1 + u64::from(has_place);
        assert_eq!(seen(&room), (running, 0));
        // No place was lost, and none is there twice.
        room.reconfigure(config(1, 0));
        ends_even(&room, running, 1);
    });
}

#[test]
fn beside_the_places_of_a_room_in_shadow_none_is_lost() {
    explore(1, 1, |room| {
        room.reconfigure(in_shadow(1, 1));
        runs(&room);
        let others = [(); 2].map(|()| on_thread(&room, Room::enter));
        room.give();
        let entries = others.map(|other| other.join().unwrap());
        let granted = entries.iter().filter(|entry| **entry == Entry::Granted);
        let running = granted.count() as u64;
        let beside = entries.iter().filter(|entry| **entry == Entry::Beside);
        assert_eq!(running + beside.count() as u64, 2, "{entries:?}");
        room.reconfigure(config(1, 0));
        ends_even(&room, running, 1);
    });
}

/// No settings refuse it, only a mixture: the limit of some and the door of others.
fn is_never_refused(old: Config, new: Config, taken: u32) {
    held_up(3, move || {
        let room = Shared::new(Room::new(old, Spread::NONE));
        (0..taken).for_each(|_| runs(&room));
        let changed = on_thread(&room, move |room| room.reconfigure(new));
        assert_ne!(room.glance_closely(), Glance::Full);
        assert_ne!(room.enter(), Entry::Full);
        changed.join().unwrap();
    });
}

#[test]
fn the_end_of_shadow_with_a_higher_limit_refuses_nobody() {
    is_never_refused(in_shadow(1, 0), config(2, 0), 1);
    is_never_refused(config(2, 0), in_shadow(1, 0), 1);
}

#[test]
fn a_queue_given_up_for_a_higher_limit_refuses_nobody() {
    is_never_refused(config(1, 1), config(2, 0), 1);
    is_never_refused(config(2, 0), config(1, 1), 1);
}
