//! A bulkhead's settings: their rules, and their change while it runs.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::time::Duration;

use buttress::{
    Bulkhead, InvalidConfig, Reason,
    bulkhead::{Config, Snapshot},
    guard::{Template, Yes},
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};

const SECOND: Duration = Duration::from_secs(1);

fn config(max_concurrent: u32, max_queue: u32, max_wait: Duration) -> Config {
    let mut config = Config::new(max_concurrent);
    config.max_queue = max_queue;
    config.max_wait = max_wait;
    config
}

fn queueing(max_concurrent: u32) -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(max_concurrent).max_queue(10);
    builder.max_wait(SECOND).build().unwrap()
}

fn broken(error: &InvalidConfig) -> Vec<(&str, &str)> {
    let violations = error.violations().iter();
    violations.map(|v| (v.field, &*v.value)).collect()
}

fn seen(snapshot: &Snapshot) -> (u32, u64, u64) {
    (snapshot.limit, snapshot.in_flight, snapshot.queued)
}

#[test]
fn without_more_than_a_limit_there_is_no_queue() {
    let bulkhead = Bulkhead::builder(7).build().unwrap();
    assert_eq!(bulkhead.name(), "bulkhead");
    assert_eq!(bulkhead.config(), config(7, 0, Duration::ZERO));
    let snapshot = bulkhead.snapshot();
    assert_eq!((snapshot.policy, seen(&snapshot)), ("bulkhead", (7, 0, 0)));
    assert_eq!((snapshot.waits, snapshot.waited), (0, Duration::ZERO));
    assert_eq!(
        (snapshot.rejected, snapshot.timed_out, snapshot.expired),
        (0, 0, 0)
    );
}

#[test]
fn every_broken_rule_is_listed_at_once() {
    let error = Bulkhead::builder(0).name("shop").max_wait(SECOND).build();
    assert_eq!(
        error.unwrap_err().to_string(),
        "shop: max_concurrent = 0: must be 1 to 1000000; \
         max_wait = 1s: must be zero without a queue: there is nowhere to wait",
    );
    let error = Bulkhead::builder(0).max_queue(5).build().unwrap_err();
    assert_eq!(
        broken(&error),
        [("max_concurrent", "0"), ("max_wait", "0ns")]
    );
    let error = Bulkhead::builder(1_000_001).max_queue(1_000_001).build();
    assert_eq!(
        broken(&error.unwrap_err()),
        [
            ("max_concurrent", "1000001"),
            ("max_queue", "1000001"),
            ("max_wait", "0ns"),
        ]
    );
    let most = config(1_000_000, 1_000_000, Duration::MAX);
    assert!(
        Bulkhead::builder(1)
            .max_queue(1)
            .config(most)
            .build()
            .is_ok()
    );
    assert!(Bulkhead::builder(1).max_queue(0).build().is_ok());
    let error = Bulkhead::builder(1).max_queue(0).max_wait(SECOND).build();
    assert_eq!(broken(&error.unwrap_err()), [("max_wait", "1s")]);
}

#[test]
fn one_without_a_queue_takes_none() {
    let queue = config(0, 5, Duration::ZERO);
    let wanted = [
        ("max_concurrent", "0"),
        ("max_queue", "5"),
        ("max_wait", "0ns"),
    ];
    let error = Bulkhead::builder(1).config(queue).build().unwrap_err();
    assert_eq!(broken(&error), wanted);
    assert!(error.violations()[1].rule.contains("built without a queue"));

    let bulkhead = Bulkhead::builder(1).build().unwrap();
    assert_eq!(broken(&bulkhead.reconfigure(queue).unwrap_err()), wanted);
    assert_eq!(bulkhead.config(), Config::new(1));
    assert!(bulkhead.policy().fresh(queue).is_err());
    assert!(bulkhead.reconfigure(config(1, 5, SECOND)).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_none_may_be_given_room_and_lose_it() {
    let bulkhead = Bulkhead::builder(1).max_queue(0).build().unwrap();
    let place = bulkhead.acquire().await.unwrap();
    assert_eq!(bulkhead.acquire().await.unwrap_err().reason(), Reason::Full);
    bulkhead.reconfigure(config(1, 1, SECOND)).unwrap();
    let mut waiting = spawn(bulkhead.acquire());
    assert_pending!(waiting.poll());
    bulkhead.reconfigure(config(1, 0, Duration::ZERO)).unwrap();
    // Nobody else may wait, and who does keeps turn and time.
    assert_eq!(bulkhead.acquire().await.unwrap_err().reason(), Reason::Full);
    assert_pending!(waiting.poll());
    advance(SECOND / 2).await;
    place.success();
    assert_ready_ok!(waiting.poll()).success();
    assert_eq!(bulkhead.snapshot().waited, SECOND / 2);
}

#[tokio::test(start_paused = true)]
async fn bad_settings_change_nothing() {
    let bulkhead = queueing(3);
    let before = bulkhead.config();
    assert!(bulkhead.reconfigure(config(0, 10, SECOND)).is_err());
    assert!(bulkhead.reconfigure(config(3, 0, SECOND)).is_err());
    assert_eq!(bulkhead.config(), before);
    assert_eq!(seen(&bulkhead.snapshot()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_lets_in_the_first_at_once() {
    let bulkhead = queueing(1);
    let place = bulkhead.acquire().await.unwrap();
    let mut waiting = [(); 4].map(|()| spawn(bulkhead.acquire()));
    for call in waiting.iter_mut().rev() {
        assert_pending!(call.poll());
    }
    bulkhead.reconfigure(config(3, 10, SECOND)).unwrap();
    assert_eq!(seen(&bulkhead.snapshot()), (3, 3, 2));
    let woken = waiting.each_ref().map(|call| call.is_woken());
    assert_eq!(woken, [true, true, false, false]);
    let [first, second, mut third, mut fourth] = waiting;
    drop((place, first));
    assert!(third.is_woken() && fourth.is_woken());
    let places = [&mut third, &mut fourth].map(|call| assert_ready_ok!(call.poll()));
    assert_eq!(seen(&bulkhead.snapshot()), (3, 3, 0));
    assert_pending!(spawn(bulkhead.acquire()).poll());
    drop((second, places));
    assert_eq!(seen(&bulkhead.snapshot()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lowered_limit_lets_calls_end_and_nobody_in_until_fewer_run() {
    let bulkhead = queueing(4);
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(bulkhead.acquire().await.unwrap());
    }
    let mut waiting = spawn(bulkhead.acquire());
    assert_pending!(waiting.poll());
    // The caller is not held up, and those who run are left alone.
    bulkhead.reconfigure(config(2, 10, SECOND)).unwrap();
    assert_eq!(seen(&bulkhead.snapshot()), (2, 4, 1));
    for running in (2..4).rev() {
        places.pop();
        assert_eq!(seen(&bulkhead.snapshot()), (2, running, 1));
        assert!(!waiting.is_woken());
    }
    places.pop();
    assert!(waiting.is_woken());
    places.push(assert_ready_ok!(waiting.poll()));
    assert_eq!(seen(&bulkhead.snapshot()), (2, 2, 0));
    // Up and down again, with as many running as before.
    for limit in [5, 1, 3, 2] {
        bulkhead.reconfigure(config(limit, 10, SECOND)).unwrap();
        assert_eq!(seen(&bulkhead.snapshot()), (limit, 2, 0));
    }
    assert_pending!(spawn(bulkhead.acquire()).poll());
    drop(places);
    let places = [(); 2].map(|()| assert_ready!(spawn(bulkhead.acquire()).poll()).unwrap());
    assert_pending!(spawn(bulkhead.acquire()).poll());
    assert_eq!(seen(&bulkhead.snapshot()), (2, 2, 0));
    drop(places);
}

#[tokio::test(start_paused = true)]
async fn a_limit_lowered_where_nobody_waits() {
    let bulkhead = Bulkhead::builder(3).build().unwrap();
    let mut places = [(); 3].map(|()| Some(bulkhead.try_acquire().unwrap()));
    bulkhead.reconfigure(Config::new(1)).unwrap();
    for running in (0..3).rev() {
        assert!(bulkhead.try_acquire().is_err());
        places[running] = None;
        assert_eq!(seen(&bulkhead.snapshot()), (1, running as u64, 0));
    }
    let place = bulkhead.try_acquire().unwrap();
    assert!(bulkhead.try_acquire().is_err());
    drop(place);
}

#[tokio::test(start_paused = true)]
async fn a_time_to_wait_holds_for_those_who_come_after() {
    let bulkhead = queueing(1);
    let _place = bulkhead.acquire().await.unwrap();
    let mut before = spawn(bulkhead.acquire());
    bulkhead.reconfigure(config(1, 10, 2 * SECOND)).unwrap();
    let mut after = spawn(bulkhead.acquire());
    assert_pending!(before.poll());
    assert_pending!(after.poll());
    advance(SECOND).await;
    assert!(assert_ready!(before.poll()).is_err());
    assert_pending!(after.poll());
    advance(SECOND).await;
    assert!(assert_ready!(after.poll()).is_err());
    assert_eq!(bulkhead.snapshot().timed_out, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_an_end_in_sight_is_a_wait() {
    let builder = Bulkhead::builder(1).max_queue(1).max_wait(Duration::MAX);
    let bulkhead = builder.build().unwrap();
    let place = bulkhead.acquire().await.unwrap();
    let mut waiting = spawn(bulkhead.acquire());
    assert_pending!(waiting.poll());
    advance(1_000_000 * SECOND).await;
    assert_pending!(waiting.poll());
    drop(place);
    assert!(assert_ready!(waiting.poll()).is_ok());
}

#[test]
fn a_policy_is_made_like_another() {
    let template = Bulkhead::builder(2).name("tenant").build().unwrap();
    let _place = template.try_acquire().unwrap();
    let fresh = template.policy().fresh(Config::new(5)).unwrap();
    assert_eq!(fresh.config(), Config::new(5));
    assert_eq!(fresh.snapshot().policy, "tenant");
    assert_eq!(seen(&fresh.snapshot()), (5, 0, 0));
}
