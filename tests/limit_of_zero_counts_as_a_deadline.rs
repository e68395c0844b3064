//! A call whose own limit is zero runs out of that limit when it waits, however far its request's
//! deadline is.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Deadline, Timeout,
    telemetry::{EventKind, Expiry},
};
use tower::{BoxError, Layer, Service, service_fn};

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_is_what_a_call_ran_into() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = told.clone();
    let timeout = Timeout::builder(Duration::from_secs(1))
        .by_request(|_: &()| Some(Duration::ZERO))
        .deadline(|_: &()| Some(Deadline::after(Duration::from_secs(60))))
        .on_event(move |event| ear.lock().unwrap().push(event.kind.clone()))
        .build()
        .unwrap();
    let mut service = timeout.layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    service.call(()).await.unwrap_err();
    let seen = timeout.snapshot();
    assert_eq!((seen.ran_into_limit, seen.ran_into_deadline), (1, 0));
    let told = told.lock().unwrap();
    let [EventKind::TimedOut { kind, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(kind, Expiry::Limit);
}
