//! Routes of axum, over real sockets: what a caller sees of each refusal, and who shares a state.
#![cfg(all(feature = "axum", feature = "keyed"))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use buttress::{
    Bulkhead, CircuitBreaker, Deadline, Error, RateLimit, Reason, Rejected, Timeout,
    axum::keys::{Peer, Route},
    breaker::State,
    guard::Template,
    http::{DeadlineHeader, InExtensions, arrive, respond},
    rate_limit::Quota,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::ServiceBuilder;

/// A server on loopback, and where it is.
async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

fn breaker(name: &str) -> CircuitBreaker {
    let breaker = CircuitBreaker::builder().name(name);
    breaker.open_for(Duration::from_secs(60)).build().unwrap()
}

fn one_an_hour() -> RateLimit {
    RateLimit::builder(Quota::per_hour(NonZeroU32::MIN))
        .build()
        .unwrap()
}

/// A refusal as a caller sees it: status, `Retry-After`, problem.
async fn refused(response: reqwest::Response) -> (u16, Option<u64>, Value) {
    let status = response.status().as_u16();
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/problem+json");
    let wait = headers
        .get("retry-after")
        .map(|value| value.to_str().unwrap().parse().unwrap());
    (status, wait, response.json().await.unwrap())
}

#[tokio::test]
async fn every_kind_of_refusal_arrives_as_a_response() {
    let open = breaker("secret");
    open.force_open_for(Duration::from_secs(30));
    let limit = one_an_hour();
    limit.try_acquire().unwrap().success();
    let full = Bulkhead::builder(1).build().unwrap();
    let _taken = full.try_acquire().unwrap();
    let timeout = Timeout::builder(Duration::from_millis(20)).build().unwrap();
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    let address = serve(
        Router::new()
            .route("/open", get(slow).layer(respond(open)))
            .route("/limited", get(slow).layer(respond(limit)))
            .route("/full", get(slow).layer(respond(full)))
            .route("/slow", get(slow).layer(respond(timeout))),
    )
    .await;
    let ask = async |path| refused(reqwest::get(format!("{address}{path}")).await.unwrap()).await;

    let (status, wait, problem) = ask("/open").await;
    assert_eq!((status, wait), (503, Some(30)));
    let expected = json!({
        "title": "Service Unavailable",
        "status": 503,
        "detail": "circuit breaker is open",
        "reason": "open",
    });
    assert_eq!(problem, expected);

    let (status, wait, problem) = ask("/limited").await;
    assert_eq!(
        (status, &problem["title"]),
        (429, &json!("Too Many Requests"))
    );
    assert!((3_500..=3_600).contains(&wait.unwrap()), "{wait:?}");

    let (status, wait, problem) = ask("/full").await;
    assert_eq!(
        (status, wait, &problem["reason"]),
        (503, None, &json!("full"))
    );

    let (status, wait, problem) = ask("/slow").await;
    assert_eq!(
        (status, wait, &problem["reason"]),
        (504, None, &json!("timed_out"))
    );
}

#[tokio::test]
async fn a_handler_that_answers_500_opens_a_breaker_with_default_settings() {
    let breaker = breaker("members");
    let broken = || async { StatusCode::INTERNAL_SERVER_ERROR };
    let address = serve(
        Router::new()
            .route("/", get(broken))
            .route_layer(respond(breaker.clone())),
    )
    .await;
    for _ in 0..20 {
        assert_eq!(breaker.snapshot().state, State::Closed);
        assert_eq!(reqwest::get(&address).await.unwrap().status(), 500);
    }
    assert_eq!(breaker.snapshot().state, State::Open);
    let (status, wait, _) = refused(reqwest::get(&address).await.unwrap()).await;
    assert_eq!(status, 503);
    assert!(wait.is_some());
}

#[tokio::test]
async fn a_missing_page_and_a_fault_of_the_caller_open_none() {
    let breaker = breaker("members");
    let address = serve(
        Router::new()
            .route(
                "/{id}",
                get(|Path(_): Path<u64>| async { StatusCode::NOT_FOUND }),
            )
            .layer(respond(breaker.clone())),
    )
    .await;
    for path in ["/7", "/seven"].into_iter().cycle().take(40) {
        let status = reqwest::get(format!("{address}{path}"))
            .await
            .unwrap()
            .status();
        assert!(status.is_client_error());
    }
    assert_eq!(
        (breaker.snapshot().state, breaker.snapshot().failed),
        (State::Closed, 0)
    );
}

#[tokio::test]
async fn one_layer_value_on_two_routes_has_one_state_and_a_fork_its_own() {
    let shared = breaker("shared");
    let own = shared.fork("own");
    let layer = respond(shared.clone());
    let fine = || async { "fine" };
    let address = serve(
        Router::new()
            .route("/a", get(fine).layer(layer.clone()))
            .route("/b", get(fine).layer(layer))
            .route("/c", get(fine).layer(respond(own))),
    )
    .await;
    shared.force_open();
    for (path, status) in [("/a", 503), ("/b", 503), ("/c", 200)] {
        let response = reqwest::get(format!("{address}{path}")).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_bulkhead_per_route_keeps_the_others_free() {
    let gate = Arc::new(Semaphore::new(0));
    let held = {
        let gate = Arc::clone(&gate);
        move || {
            let gate = Arc::clone(&gate);
            async move { gate.acquire().await.map(drop).unwrap() }
        }
    };
    let places = Bulkhead::builder(1)
        .build()
        .unwrap()
        .keyed_by(Route)
        .build()
        .unwrap();
    let address = serve(
        Router::new()
            .route("/hung/{id}", get(held))
            .route("/fine/{id}", get(|| async { "fine" }))
            .route_layer(respond(places.clone())),
    )
    .await;
    let hung = tokio::spawn(reqwest::get(format!("{address}/hung/1")));
    let running = || places.with("/hung/{id}", |places| places.snapshot().in_flight);
    while running() != Some(1) {
        tokio::task::yield_now().await;
    }
    // By the pattern, not by the path.
    let (status, _, problem) =
        refused(reqwest::get(format!("{address}/hung/2")).await.unwrap()).await;
    assert_eq!((status, &problem["reason"]), (503, &json!("full")));
    for id in 0..5 {
        let fine = reqwest::get(format!("{address}/fine/{id}")).await.unwrap();
        assert_eq!(fine.status(), 200);
    }
    gate.add_permits(1);
    assert_eq!(hung.await.unwrap().unwrap().status(), 200);
    assert_eq!(places.len(), 2);
}

#[tokio::test]
async fn a_limit_per_client_goes_by_the_peers_address() {
    let limit = one_an_hour().keyed_by(Peer).build().unwrap();
    let app = Router::new()
        .route("/", get(|| async { "fine" }))
        .layer(respond(limit.clone()));
    let address = serve(app).await;
    let from = |last| {
        let client = reqwest::Client::builder().local_address(Some([127, 0, 0, last].into()));
        client.build().unwrap()
    };
    for (last, status) in [(1, 200), (1, 429), (2, 200), (2, 429), (1, 429)] {
        let response = from(last).get(&address).send().await.unwrap();
        assert_eq!(response.status(), status, "127.0.0.{last}");
    }
    assert_eq!(limit.len(), 2);
    assert!(
        limit
            .with(&std::net::IpAddr::from([127, 0, 0, 2]), |_| ())
            .is_some()
    );
}

#[tokio::test]
async fn bodies_stream_through_both_ways() {
    let (part, parts) = (Bytes::from(vec![7; 64 * 1024]), 64);
    let echo = |body: Body| async move { body };
    let stack = ServiceBuilder::new()
        .layer(breaker("b"))
        .layer(Timeout::builder(Duration::from_secs(60)).build().unwrap());
    let app = Router::new().route("/", post(echo)).layer(respond(stack));
    let address = serve(app).await;

    // The next part is sent when the last one has come back: nothing on the way collects the body.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let sent = stream::unfold(receiver, |mut receiver| async {
        receiver
            .recv()
            .await
            .map(|part| (Ok::<_, std::io::Error>(part), receiver))
    });
    sender.send(part.clone()).await.unwrap();
    let request = http::Request::post(&address)
        .body(Body::from_stream(sent))
        .unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let response = client.build_http().request(request).await.unwrap();
    let mut back = Body::new(response.into_body()).into_data_stream();
    let mut read = 0;
    for round in 1..=parts {
        while read < round * part.len() {
            let data = back.next().await.unwrap().unwrap();
            assert!(data.iter().all(|byte| *byte == 7));
            read += data.len();
        }
        if round < parts {
            sender.send(part.clone()).await.unwrap();
        }
    }
    drop(sender);
    assert!(back.next().await.is_none());
    assert_eq!(read, parts * part.len());
}

#[tokio::test]
async fn a_handler_returns_our_errors_and_sees_its_deadline() {
    let places = Bulkhead::builder(1).build().unwrap();
    let taken = Arc::new(places.clone().try_acquire().unwrap());
    let full = move || {
        let (places, _taken) = (places.clone(), Arc::clone(&taken));
        async move {
            places
                .call(|| async { Ok::<_, std::io::Error>("in") })
                .await
        }
    };
    let broken = || async {
        Err::<(), _>(Error::Inner(std::io::Error::other(
            "the password is secret",
        )))
    };
    let limited = || async { Err::<(), _>(Rejected::new("p", Reason::RateLimited)) };
    let left = |deadline: Option<Extension<Deadline>>| async move {
        Json(deadline.map(|Extension(deadline)| deadline.remaining().as_millis() as u64))
    };
    let address = serve(
        Router::new()
            .route("/full", get(full))
            .route("/broken", get(broken))
            .route("/limited", get(limited))
            .route("/left", get(left))
            .layer(arrive(DeadlineHeader::ENVOY)),
    )
    .await;
    let ask = async |path| refused(reqwest::get(format!("{address}{path}")).await.unwrap()).await;
    let (status, _, problem) = ask("/full").await;
    assert_eq!((status, &problem["reason"]), (503, &json!("full")));
    let (status, _, problem) = ask("/limited").await;
    assert_eq!((status, &problem["reason"]), (429, &json!("rate_limited")));
    let (status, wait, problem) = ask("/broken").await;
    assert_eq!(
        (status, wait, &problem["title"]),
        (502, None, &json!("Bad Gateway"))
    );
    assert!(!problem.to_string().contains("secret"));

    let url = format!("{address}/left");
    let client = reqwest::Client::new();
    let told = client
        .get(&url)
        .header("x-envoy-expected-rq-timeout-ms", "60000");
    let left: Option<u64> = told.send().await.unwrap().json().await.unwrap();
    assert!((50_000..=60_000).contains(&left.unwrap()), "{left:?}");
    let left: Option<u64> = client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(left, None);
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_place_back() {
    let places = Bulkhead::builder(1).build().unwrap();
    let waiting = Bulkhead::builder(1)
        .max_queue(9)
        .max_wait(Duration::from_secs(60));
    let waiting = waiting.build().unwrap();
    let started = Arc::new(AtomicU32::new(0));
    let hang = {
        let started = Arc::clone(&started);
        move || {
            started.fetch_add(1, SeqCst);
            std::future::pending::<()>()
        }
    };
    let stack = ServiceBuilder::new()
        .layer(waiting.clone().deadline(InExtensions))
        .layer(places.clone());
    let app = Router::new().route("/", get(hang)).layer(respond(stack));
    let address = serve(app).await;
    for call in 1..=3 {
        let impatient = reqwest::Client::builder().timeout(Duration::from_millis(300));
        let error = impatient
            .build()
            .unwrap()
            .get(&address)
            .send()
            .await
            .unwrap_err();
        assert!(error.is_timeout());
        while places.snapshot().in_flight + waiting.snapshot().in_flight > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(started.load(SeqCst), call);
    }
}
