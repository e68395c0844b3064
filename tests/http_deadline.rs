//! Deadlines in headers: how much is left, read once, and never more than there was.
#![cfg(feature = "http")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{convert::Infallible, time::Duration};

use buttress::{
    Bulkhead, Deadline, Reason, Rejected, Resilience, Timeout,
    deadline::CarryDeadline,
    http::{DeadlineHeader, InExtensions, arrive, respond},
};
use http::{Request, Response};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const CARRIED: DeadlineHeader = DeadlineHeader::millis("x-left-ms");

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn with(name: &str, value: &str) -> Request<()> {
    Request::builder().header(name, value).body(()).unwrap()
}

fn left(header: DeadlineHeader, request: &Request<()>) -> Option<Duration> {
    header.read(request).map(Deadline::remaining)
}

#[tokio::test(start_paused = true)]
async fn each_header_is_read_in_its_own_way() {
    let timeouts = [
        (DeadlineHeader::GRPC, "grpc-timeout", "250m", 250),
        (
            DeadlineHeader::ENVOY,
            "x-envoy-expected-rq-timeout-ms",
            "250",
            250,
        ),
        (CARRIED, "x-left-ms", "0", 0),
    ];
    for (header, name, value, expected) in timeouts {
        assert_eq!(header.name(), name);
        assert_eq!(left(header, &with(name, value)), Some(ms(expected)));
        assert_eq!(left(header, &with(name, "soon")), None);
        assert_eq!(left(header, &with(name, "")), None);
        assert_eq!(left(header, &with("another", value)), None);
    }
    // Of several the first.
    let mut several = with("x-left-ms", "7");
    several.headers_mut().append("x-left-ms", 9.into());
    assert_eq!(left(CARRIED, &several), Some(ms(7)));
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_rounded_down_and_replaces_what_was_there() {
    let mut request = with("x-left-ms", "90000");
    request.headers_mut().append("x-left-ms", 80_000.into());
    let deadline = Deadline::after(Duration::from_micros(2_999));
    CARRIED.write(&mut request, deadline);
    let values: Vec<_> = request.headers().get_all("x-left-ms").iter().collect();
    assert_eq!(values, ["2"]);
    assert!(CARRIED.read(&request).unwrap() <= deadline);

    DeadlineHeader::GRPC.write(&mut request, deadline);
    assert_eq!(request.headers()["grpc-timeout"], "2999000n");
    advance(ms(3)).await;
    DeadlineHeader::GRPC.write(&mut request, deadline);
    assert_eq!(request.headers()["grpc-timeout"], "0n");
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_header_and_extension_holds() {
    let mut request = with("x-left-ms", "500");
    InExtensions.write(&mut request, Deadline::after(ms(300)));
    assert_eq!(left(CARRIED, &request), Some(ms(300)));
    InExtensions.write(&mut request, Deadline::after(ms(700)));
    assert_eq!(left(CARRIED, &request), Some(ms(500)));
    request.headers_mut().clear();
    assert_eq!(left(CARRIED, &request), Some(ms(700)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_in_a_queue_does_not_get_its_time_anew() {
    for header in [DeadlineHeader::GRPC, CARRIED] {
        let places = Bulkhead::builder(1).max_queue(1).max_wait(ms(10_000));
        let places = places.build().unwrap();
        let timeout = Timeout::builder(ms(10_000))
            .deadline(header)
            .build()
            .unwrap();
        let service = ServiceBuilder::new()
            .layer(arrive(header))
            .layer(respond(
                ServiceBuilder::new()
                    .layer(places.clone().deadline(header))
                    .layer(timeout),
            ))
            .service(service_fn(|request: Request<()>| async move {
                // The handler sees it, too.
                let deadline: Deadline = *request.extensions().get().unwrap();
                assert_eq!(deadline.remaining(), ms(400));
                sleep(ms(10_000)).await;
                Ok::<_, Infallible>(Response::new(()))
            }));
        let taken = places.acquire().await.unwrap();
        let begun = Instant::now();
        tokio::spawn(async move {
            sleep(ms(600)).await;
            drop(taken);
        });
        let mut request = with("x-left-ms", "1000");
        DeadlineHeader::GRPC.write(&mut request, Deadline::after(ms(1_000)));
        let response = service.oneshot(request).await.unwrap();
        let no: &Rejected = response.extensions().get().unwrap();
        assert_eq!(no.reason(), Reason::DeadlineExceeded);
        assert_eq!(
            (response.status().as_u16(), begun.elapsed()),
            (504, ms(1_000))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_ends_with_the_deadline() {
    let places = Bulkhead::builder(1).max_queue(1).max_wait(ms(10_000));
    let places = places.build().unwrap();
    let _taken = places.acquire().await.unwrap();
    let service = ServiceBuilder::new()
        .layer(arrive(CARRIED))
        .layer(respond(places.deadline(InExtensions)))
        .service(service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(()))
        }));
    let begun = Instant::now();
    let response = service.oneshot(with("x-left-ms", "700")).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), begun.elapsed()),
        (504, ms(700))
    );
}

#[tokio::test(start_paused = true)]
async fn arriving_notes_the_earlier_and_nothing_where_there_is_nothing() {
    let noted = arrive(CARRIED).layer(service_fn(|request: Request<()>| async move {
        let deadline = InExtensions.read(&request);
        Ok::<_, Infallible>(deadline.map(Deadline::remaining))
    }));
    let ask = |request| noted.clone().oneshot(request);
    assert_eq!(ask(with("x-left-ms", "70")).await, Ok(Some(ms(70))));
    assert_eq!(ask(with("x-left-ms", "soon")).await, Ok(None));
    assert_eq!(ask(Request::new(())).await, Ok(None));
    let mut request = with("x-left-ms", "70");
    InExtensions.write(&mut request, Deadline::after(ms(50)));
    assert_eq!(ask(request).await, Ok(Some(ms(50))));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_tells_what_is_left_then() {
    let (told, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let broken = service_fn(move |request: Request<()>| {
        told.send(left(CARRIED, &request).unwrap()).unwrap();
        async {
            sleep(ms(100)).await;
            Response::builder().status(503).body(())
        }
    });
    let policy = Resilience::builder()
        .deadline(ms(5_000))
        .retry(buttress::retry::Config::default())
        .deadline_in(CARRIED)
        .build()
        .unwrap();
    // The request has less than the pipeline would give it.
    let request = with("x-left-ms", "2000");
    let response = policy.layer(broken).request(request).await.unwrap();
    assert_eq!(response.status(), 503);
    let mut all = Vec::new();
    while let Ok(left) = seen.try_recv() {
        all.push(left);
    }
    assert_eq!(all.len(), 3);
    assert_eq!(all[0], ms(2_000));
    assert!(all[1] <= ms(1_900) && all[2] <= all[1] - ms(100), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn extensions_carry_it_through_a_pipeline_asked_in_the_words_of_http() {
    let service = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(left(DeadlineHeader::GRPC, &request)))
    });
    let policy = Resilience::builder()
        .deadline(ms(5_000))
        .deadline_in(InExtensions)
        .build()
        .unwrap();
    let response = policy
        .layer(service)
        .request(Request::new(()))
        .await
        .unwrap();
    assert_eq!(*response.body(), Some(ms(5_000)));
}

#[test]
#[should_panic]
fn a_name_that_no_header_has_is_refused() {
    let _ = DeadlineHeader::millis("X Left");
}
