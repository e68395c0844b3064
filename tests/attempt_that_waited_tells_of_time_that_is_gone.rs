//! A deadline can be written as how much time is left. An attempt that had to wait for its turn told its
//! service of as much as there was when its call arrived.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{Deadline, Resilience, bulkhead, deadline::ReadWrite, rate_limit};
use tower::{BoxError, Layer, ServiceExt, service_fn};

/// A request with a header such as gRPC's.
#[derive(Debug, Clone, Default)]
struct Request {
    left: Option<Duration>,
}

type Carried = ReadWrite<fn(&Request) -> Option<Deadline>, fn(&mut Request, Deadline)>;

fn carried() -> Carried {
    ReadWrite::new(
        |request: &Request| request.left.map(Deadline::after),
        |request: &mut Request, deadline| request.left = Some(deadline.remaining()),
    )
}

/// What three calls at once tell their service, each of which takes a second.
async fn told(builder: buttress::pipeline::Builder) -> Vec<Duration> {
    let policy = builder.deadline_in(carried()).build().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let service = policy.layer(service_fn({
        let told = Arc::clone(&told);
        move |request: Request| {
            told.lock().unwrap().push(request.left.unwrap());
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, BoxError>(())
            }
        }
    }));
    let call = || service.clone().oneshot(Request::default());
    let (one, two, three) = tokio::join!(call(), call(), call());
    one.and(two).and(three).unwrap();
    let told = told.lock().unwrap();
    told.clone()
}

const LEFT: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(4),
    Duration::from_secs(3),
];

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_turn_says_how_much_time_is_left_then() {
    let mut limit = rate_limit::Config::per_second(1);
    limit.max_wait = Duration::from_secs(4);
    let builder = Resilience::builder().deadline(LEFT[0]);
    assert_eq!(told(builder.rate_limit(limit)).await, LEFT);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_place_says_how_much_time_is_left_then() {
    let mut places = bulkhead::Config::new(1);
    (places.max_queue, places.max_wait) = (2, Duration::from_secs(4));
    let builder = Resilience::builder().deadline(LEFT[0]);
    assert_eq!(told(builder.bulkhead(places)).await, LEFT);
}
