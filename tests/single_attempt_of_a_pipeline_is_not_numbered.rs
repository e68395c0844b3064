//! `on_attempt` writes the number into each request, the first included; but not where nothing sends further
//! attempts. So a header that a service reads vanished when the retry was switched off.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::time::Duration;

use buttress::{Resilience, pipeline::Config, replay::Attempt, retry};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

#[derive(Debug)]
struct Request {
    attempt: u32,
    // Not `Clone`.
    _body: Body,
}

#[derive(Debug)]
struct Body;

#[tokio::test(start_paused = true)]
async fn the_only_attempt_is_numbered_as_the_first_of_several() {
    let all = Resilience::builder()
        .replay(|_: &Request| None)
        .on_attempt(|request: &mut Request, attempt: Attempt| request.attempt = attempt.number())
        .build()
        .unwrap();
    let number = |request: Request| async move { Ok::<_, BoxError>(request.attempt) };
    let mut service = all.layer(service_fn(number));
    let mut retried = Config::default();
    retried.retry = Some(retry::Config::default());
    let mut hedged = Config::default();
    hedged.hedge = Some(Duration::from_secs(1).into());
    for config in [Config::default(), retried, hedged] {
        all.reconfigure(config).unwrap();
        let request = Request {
            attempt: 0,
            _body: Body,
        };
        let service = service.ready().await.unwrap();
        assert_eq!(service.call(request).await.unwrap(), 1);
    }
}

/// And a request that is sent once is not cloned for nothing.
#[tokio::test(start_paused = true)]
async fn a_request_is_not_kept_where_nobody_sends_it_again() {
    #[derive(Debug)]
    struct Precious;

    impl Clone for Precious {
        fn clone(&self) -> Self {
            panic!("cloned for nothing");
        }
    }

    let all = Resilience::builder()
        .on_attempt(|_: &mut Precious, _: Attempt| ())
        .build()
        .unwrap();
    let mut service = all.layer(service_fn(async |_: Precious| Ok::<_, BoxError>(())));
    service.ready().await.unwrap().call(Precious).await.unwrap();
}
