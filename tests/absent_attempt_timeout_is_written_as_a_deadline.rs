//! Without an attempt timeout and without a deadline a strategy that writes was given one of 584 years:
//! too long for what it is written into.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::time::Duration;

use buttress::{Deadline, Resilience, deadline::ReadWrite, pipeline::Config};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn no_limit_writes_no_deadline() {
    type Request = Option<Deadline>;
    let carried = ReadWrite::new(
        |request: &Request| *request,
        |request: &mut Request, deadline| *request = Some(deadline),
    );
    let all = Resilience::builder().deadline_in(carried).build().unwrap();
    let mut service = all.layer(service_fn(async |seen: Request| Ok::<_, BoxError>(seen)));
    let seen = service.ready().await.unwrap().call(None).await.unwrap();
    assert_eq!(seen, None);

    let mut config = Config::default();
    config.attempt_timeout = Some(Duration::from_secs(1));
    all.reconfigure(config).unwrap();
    let seen = service.ready().await.unwrap().call(None).await.unwrap();
    let second = Deadline::at(Instant::now() + Duration::from_secs(1));
    assert_eq!(seen, Some(second));
}
