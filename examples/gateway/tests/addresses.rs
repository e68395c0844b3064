use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Method, StatusCode};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{EAGER, Place, Plain, one, plain, within};

fn total(servers: &[&Plain]) -> usize {
    servers.iter().map(|it| it.calls()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_dies_is_skipped_and_nothing_is_lost() {
    let (mut first, second) = (Plain::start(), Plain::start());
    let place = Place::start(&one("members", &[first.address, second.address], EAGER)).await;
    for _ in 0..20 {
        assert_eq!(place.get("/members").await.status, StatusCode::OK);
    }
    assert_eq!((first.calls(), second.calls()), (10, 10));
    first.kill();
    for n in 0..50 {
        assert_eq!(
            place.get("/members").await.status,
            StatusCode::OK,
            "call {n}"
        );
    }
    assert_eq!((first.calls(), second.calls()), (10, 60));
    let seen = &place.admin().await["upstreams"]["members"];
    assert_eq!(seen["addresses"][0]["breaker"], "open", "{seen}");
    assert_eq!(seen["addresses"][1]["breaker"], "closed");
    // Those that met it before its breaker opened, and no others, were sent again.
    let retries = seen["retries"].as_u64().unwrap();
    assert!((1..=10).contains(&retries), "{seen}");
    assert_eq!(seen["recovered"], retries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_goes_to_another_address_and_takes_its_body_along() {
    let (bad, good) = (Plain::start(), Plain::start());
    bad.seen.status.store(503, Ordering::Relaxed);
    let policy = "{ retry: { max_attempts: 2, backoff: { base: 1ms } }, budget: { reserve: 100 } }";
    let place = Place::start(&one("members", &[bad.address, good.address], policy)).await;
    for _ in 0..20 {
        let put = place
            .request(Method::PUT, "/members/7")
            .body(Body::from("seven b"));
        assert_eq!(place.ask(put.unwrap()).await.status, StatusCode::OK);
    }
    assert_eq!((bad.calls(), good.calls()), (10, 20));
    assert_eq!(good.seen.bytes.load(Ordering::Relaxed), 20 * 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_and_a_body_beyond_the_cap_are_sent_once() {
    let (first, second) = (Plain::start(), Plain::start());
    for server in [&first, &second] {
        server.seen.status.store(503, Ordering::Relaxed);
    }
    let policy = "{ retry: { max_attempts: 3, backoff: { base: 1ms } }, budget: { reserve: 100 } }";
    let place = Place::start(&one("members", &[first.address, second.address], policy)).await;
    let post = place
        .request(Method::POST, "/members")
        .body(Body::from("one"));
    assert_eq!(
        place.ask(post.unwrap()).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(total(&[&first, &second]), 1);
    // Of unknown length, so that it is not known beforehand.
    let put = place
        .request(Method::PUT, "/members")
        .body(plain::bytes(128 * 1024));
    assert_eq!(
        place.ask(put.unwrap()).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(total(&[&first, &second]), 2);
    // And of what may be, it is as often as the policy says.
    assert_eq!(
        place.get("/members").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(total(&[&first, &second]), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_hangs_opens_its_breaker() {
    let (sick, well) = (Plain::start(), Plain::start());
    sick.hang(true);
    let policy = EAGER.replace("2s", "100ms");
    let place = Place::start(&one("members", &[sick.address, well.address], &policy)).await;
    for _ in 0..20 {
        assert_eq!(place.get("/members").await.status, StatusCode::OK);
    }
    assert_eq!((sick.calls(), well.calls()), (4, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_addresses_are_sick_it_is_said_when_to_come_again() {
    let mut server = Plain::start();
    let place = Place::start(&one("members", &[server.address], EAGER)).await;
    server.kill();
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(place.get("/members").await);
    }
    assert_eq!(answers[0].status, StatusCode::BAD_GATEWAY);
    let refused = &answers[4];
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((50..=70).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_clients_break_off_open_no_breaker() {
    let server = Plain::start();
    let place = Place::start(&one("members", &[server.address], EAGER)).await;
    let (address, started) = (place.gateway.address, server.calls());
    for n in 1..=10 {
        let mut client = TcpStream::connect(address).await.unwrap();
        let head =
            "PUT /members HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        within(10, || server.calls() == started + n).await;
        client.write_all(b"no number\r\n").await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    }
    let seen = &place.admin().await["upstreams"]["members"]["addresses"][0];
    assert_eq!(
        (&seen["breaker"], &seen["failed"]),
        (&"closed".into(), &0.into()),
        "{seen}"
    );
    assert_eq!(place.get("/members").await.status, StatusCode::OK);
}

/// The head of a PUT, and five of its bytes. The rest comes later, or never.
async fn begin(place: &Place) -> TcpStream {
    let mut client = TcpStream::connect(place.gateway.address).await.unwrap();
    let head = "PUT /members HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nbegun";
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

async fn status(client: &mut TcpStream) -> String {
    let mut head = [0; 12];
    client.read_exact(&mut head).await.unwrap();
    String::from_utf8(head[9..].to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_slowly_opens_no_breaker() {
    let server = Plain::start();
    let policy = EAGER.replace("attempt_timeout: 2s", "attempt_timeout: 400ms");
    let place = Place::start(&one("members", &[server.address], &policy)).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(begin(&place).await);
    }
    for client in &mut clients {
        assert_eq!(status(client).await, "408");
    }
    // None was sent again: the next attempt would wait for the same client.
    assert_eq!(server.calls(), 10);
    let seen = &place.admin().await["upstreams"]["members"];
    let address = &seen["addresses"][0];
    assert_eq!(
        (&address["breaker"], &address["failed"], &seen["retries"]),
        (&"closed".into(), &0.into(), &0.into()),
        "{seen}"
    );
    // And neither does one that leaves the server the last moment.
    server.hang(true);
    let mut client = begin(&place).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    client.write_all(b" ends").await.unwrap();
    assert_eq!(status(&mut client).await, "408");
    let seen = &place.admin().await["upstreams"]["members"]["addresses"][0];
    assert_eq!(seen["failed"], 0, "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_a_body_unread_opens_its_breaker() {
    let server = Plain::start();
    server.hang(true);
    let policy = "{ breaker: { window: 10, min_calls: 4, open_for: 60s }, attempt_timeout: 400ms }";
    let place = Place::start(&one("members", &[server.address], policy)).await;
    for size in [10, 10, 64 << 20, 64 << 20] {
        let put = place.request(Method::POST, "/members");
        let body = match size {
            10 => Body::from("ten bytes."),
            size => plain::bytes(size),
        };
        let answer = place.ask(put.body(body).unwrap()).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    }
    let seen = &place.admin().await["upstreams"]["members"]["addresses"][0];
    assert_eq!(
        (&seen["breaker"], &seen["failed"]),
        (&"open".into(), &4.into())
    );
}
