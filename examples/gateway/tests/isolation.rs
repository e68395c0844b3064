use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::sleep;

use super::{Place, Plain, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_hangs_takes_nothing_from_another() {
    let (sick, well) = (Plain::start(), Plain::start());
    sick.hang(true);
    let text = format!(
        "routes: [{{ path: /sick, upstream: sick }}, {{ path: /well, upstream: well }}]\n\
         upstreams: {{ sick: {{ addresses: [{}] }}, well: {{ addresses: [{}] }} }}\n\
         policies:\n  sick: {{ bulkhead: {{ max_concurrent: 5 }} }}\n  well: {{ bulkhead: {{ max_concurrent: 5 }} }}\n",
        sick.address, well.address
    );
    let place = std::sync::Arc::new(Place::start(&text).await);
    // As many as may, and they stay.
    for _ in 0..5 {
        let place = std::sync::Arc::clone(&place);
        tokio::spawn(async move { place.get("/sick").await });
    }
    within(10, || sick.calls() == 5).await;
    for _ in 0..50 {
        assert_eq!(place.get("/well").await.status, StatusCode::OK);
        let refused = place.get("/sick").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    assert_eq!((sick.calls(), well.calls()), (5, 50));
    let seen = place.admin().await;
    assert_eq!(seen["upstreams"]["sick"]["in_flight"], 5);
    assert_eq!(seen["upstreams"]["sick"]["rejected"], 50);
    assert_eq!(seen["upstreams"]["well"]["in_flight"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_taken_until_the_last_byte_is_read() {
    let files = Plain::start();
    let place = Place::start(&super::one(
        "files",
        &[files.address],
        "{ bulkhead: { max_concurrent: 1 } }",
    ))
    .await;
    let request = place.request(axum::http::Method::GET, "/files/bytes/67108864");
    let long = place
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(
        place.get("/files").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    drop(long);
    // The connection is closed for it, and the gateway has to hear of that.
    let mut answers = Vec::new();
    while answers.last() != Some(&StatusCode::OK) && answers.len() < 500 {
        sleep(Duration::from_millis(10)).await;
        answers.push(place.get("/files").await.status);
    }
    assert_eq!(answers.last(), Some(&StatusCode::OK));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_leaves_places_for_others() {
    let files = Plain::start();
    let rules = super::one(
        "files",
        &[files.address],
        "{ bulkhead: { max_concurrent: 3 } }",
    )
    .replace("replay: 1024", "per_client: { max_concurrent: 2 }");
    let keys = "clients: { header: x-key, identity: x-client, keys: { s1: shop, p1: partner } }\n";
    let place = Place::start(&format!("{keys}{rules}")).await;
    let ask = async |key: &str, path: &str| {
        let request = place
            .request(axum::http::Method::GET, path)
            .header("x-key", key);
        place
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await
    };
    // It has both of its places, and reads nothing.
    let long = "/files/bytes/67108864";
    let unread = [ask("s1", long).await, ask("s1", long).await];
    let refused = ask("s1", "/files").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    for _ in 0..5 {
        let answer = ask("p1", "/files").await;
        assert_eq!(answer.status(), StatusCode::OK);
        http_body_util::BodyExt::collect(answer.into_body())
            .await
            .unwrap();
    }
    let seen = &place.admin().await["upstreams"]["files"]["clients"];
    assert_eq!(seen["shop"]["in_flight"], 2, "{seen}");
    // An edit takes no place away, and its places come back.
    place.edit(&format!("{keys}{rules}# nothing else\n")).await;
    assert_eq!(
        ask("s1", "/files").await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    drop(unread);
    let mut answers = Vec::new();
    while answers.last() != Some(&StatusCode::OK) && answers.len() < 500 {
        sleep(Duration::from_millis(10)).await;
        answers.push(ask("s1", "/files").await.status());
    }
    assert_eq!(answers.last(), Some(&StatusCode::OK));
}

/// An address where connections are asked for and never made: its queue is full.
async fn unanswering() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    let wait = Duration::from_millis(200);
    while let Ok(made) = tokio::time::timeout(wait, tokio::net::TcpStream::connect(address)).await {
        queue.push(made.unwrap());
    }
    (listener, queue)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_never_made_is_not_waited_for() {
    let (listener, _queue) = unanswering().await;
    let address = listener.local_addr().unwrap();
    let place = Place::start(&super::one("files", &[address], "{ breaker: on }")).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), place.get("/files")).await;
    assert_eq!(answer.unwrap().status, StatusCode::BAD_GATEWAY);
    let seen = &place.admin().await["upstreams"]["files"]["addresses"][0];
    assert_eq!(seen["failed"], 1, "{seen}");
}
