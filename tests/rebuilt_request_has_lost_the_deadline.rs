//! The pipeline's deadline is written into the request as it arrives. A later attempt whose request is made
//! anew from parts went out without it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Deadline, Resilience, backoff::Backoff, deadline::ReadWrite, pipeline::Config, replay::Rebuild,
    retry,
};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Request {
    by: Option<Deadline>,
}

/// What each attempt saw, with a retry or a hedge, and a request that came with this deadline.
async fn seen(config: Config, by: Option<Deadline>) -> Vec<Option<Deadline>> {
    let carried = ReadWrite::new(
        |request: &Request| request.by,
        |request: &mut Request, deadline| request.by = Some(deadline),
    );
    let anew = Rebuild::new(|_: &Request| Some(()), |(): &()| Some(Request { by: None }));
    let all = Resilience::builder()
        .config(config)
        .replay(anew)
        .deadline_in(carried)
        .build()
        .unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let logged = Arc::clone(&log);
    let fails = move |request: Request| {
        let first = logged.lock().unwrap().is_empty();
        logged.lock().unwrap().push(request.by);
        async move {
            if first {
                sleep(Duration::from_secs(1)).await;
            }
            Err::<(), BoxError>("down".into())
        }
    };
    let mut service = all.layer(service_fn(fails));
    let _ = service.ready().await.unwrap().call(Request { by }).await;
    let seen = log.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    seen
}

#[tokio::test(start_paused = true)]
async fn every_attempt_carries_the_deadline_of_its_call() {
    let mut retried = Config::default();
    let mut twice = retry::Config::default();
    twice.max_attempts = 2;
    twice.backoff = Backoff::none();
    retried.retry = Some(twice);
    let mut hedged = Config::default();
    hedged.hedge = Some(Duration::from_millis(10).into());
    for mut config in [retried, hedged] {
        config.deadline = Some(Duration::from_secs(10));
        let by = Deadline::after(Duration::from_secs(10));
        assert_eq!(seen(config.clone(), None).await, [Some(by); 2]);
        // The request's own, if that is earlier.
        let by = Deadline::after(Duration::from_secs(5));
        assert_eq!(seen(config.clone(), Some(by)).await, [Some(by); 2]);
        // An attempt's limit, if that is the earliest.
        config.attempt_timeout = Some(Duration::from_secs(2));
        let limit = Duration::from_secs(2);
        let begun = Instant::now();
        let second = match config.retry {
            Some(_) => begun + Duration::from_secs(1),
            None => begun + Duration::from_millis(10),
        };
        let by = Deadline::after(Duration::from_secs(5));
        let expected = [begun, second].map(|at| Some(Deadline::at(at + limit)));
        assert_eq!(seen(config, Some(by)).await, expected);
    }
}
