//! A bulkhead is switched off, since calls wait for it. New ones pass by, but those that waited went on to wait for
//! its places, and were refused as full by a bulkhead that nobody had any more.
#![allow(clippy::disallowed_methods, reason = "tests may read clocks")]

use std::time::Duration;

use buttress::{Resilience, bulkhead};
use tokio::time::{Instant, sleep};

fn one_place() -> bulkhead::Config {
    let mut places = bulkhead::Config::new(1);
    (places.max_queue, places.max_wait) = (5, Duration::from_secs(60));
    places
}

async fn call(policy: Resilience) -> Duration {
    let start = Instant::now();
    let slow = |_| async {
        sleep(Duration::from_secs(50)).await;
        Ok::<_, std::io::Error>(())
    };
    policy.call(slow).await.unwrap();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_bulkhead_that_is_switched_off_is_let_in() {
    let policy = Resilience::builder().bulkhead(one_place()).build().unwrap();
    let calls = [(); 4].map(|()| tokio::spawn(call(policy.clone())));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(policy.snapshot().bulkhead.unwrap().queued, 3);

    let mut config = policy.config();
    config.bulkhead = None;
    policy.reconfigure(config.clone()).unwrap();
    assert_eq!(policy.snapshot().bulkhead, None);
    let took = futures::future::join_all(calls).await;
    let took: Vec<_> = took
        .into_iter()
        .map(|took| took.unwrap().as_secs())
        .collect();
    assert_eq!(took, [50, 51, 51, 51]);

    // Switched on again it is as its settings say.
    config.bulkhead = Some(one_place());
    policy.reconfigure(config.clone()).unwrap();
    assert_eq!(policy.config(), config);
    let seen = policy.snapshot().bulkhead.unwrap();
    assert_eq!((seen.limit, seen.in_flight, seen.queued), (1, 0, 0));
    let calls = [(); 2].map(|()| tokio::spawn(call(policy.clone())));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(policy.snapshot().bulkhead.unwrap().queued, 1);
    drop(calls);
}
