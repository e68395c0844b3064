//! A call whose deadline had passed when it arrived is refused as it should be, but nobody hears of it: no
//! count, no event, no metric. A timeout and a retry alone tell.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::sync::{Arc, Mutex};

use buttress::{
    Deadline, Reason, Refusal, Resilience,
    telemetry::{EventKind, Expiry},
};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_call_that_arrives_too_late_is_counted_and_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let told_to = Arc::clone(&told);
    let late = |(): &()| Some(Deadline::at(Instant::now()));
    let all = Resilience::builder()
        .deadline_in(late)
        .on_event(move |event| told_to.lock().unwrap().push(event.kind.clone()))
        .build()
        .unwrap();
    let mut service = all.layer(service_fn(async |()| Ok::<(), BoxError>(())));
    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(error.rejected().unwrap().reason(), Reason::Expired);
    assert_eq!(all.snapshot().timeout.expired, 1);
    let told = told.lock().unwrap();
    let [EventKind::TimedOut { kind, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(kind, Expiry::Expired);
}
