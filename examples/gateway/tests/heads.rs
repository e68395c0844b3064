use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};

use super::{Place, Plain, one};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_is_passed_on_and_shrinks() {
    let (slow, server) = (Plain::start(), Plain::start());
    slow.hang(true);
    let policy = "{ deadline: 5s, attempt_timeout: 1s, retry: { backoff: { base: 1ms } }, budget: { reserve: 9 } }";
    let place = Place::start(&one("members", &[slow.address, server.address], policy)).await;
    let told = |server: &Plain| {
        text(&server.last().headers, "x-deadline-ms")
            .parse::<u64>()
            .unwrap()
    };
    let ask = async |given: Option<&str>| {
        let mut request = place.request(Method::GET, "/members");
        if let Some(given) = given {
            request = request.header("x-deadline-ms", given);
        }
        place.ask(request.body(Body::empty()).unwrap()).await.status
    };
    // What the first attempt took, the second has not.
    assert_eq!(ask(Some("1500")).await, StatusCode::OK);
    assert!((900..=1_000).contains(&told(&slow)), "{}", told(&slow));
    assert!((100..=500).contains(&told(&server)), "{}", told(&server));
    // None, a later one, and one that nobody understands: the attempt's own.
    slow.hang(false);
    for given in [None, Some("60000"), Some("soon"), None] {
        assert_eq!(ask(given).await, StatusCode::OK);
        assert!((900..=1_000).contains(&told(&server)), "{}", told(&server));
    }
    // Nothing is sent for a caller that waits no more.
    let before = slow.calls() + server.calls();
    assert_eq!(ask(Some("0")).await, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(slow.calls() + server.calls(), before);
    slow.hang(true);
    server.hang(true);
    assert_eq!(ask(Some("50")).await, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_one_hop_goes_no_further() {
    let server = Plain::start();
    let place = Place::start(&one("members", &[server.address], "standard")).await;
    let request = place
        .request(Method::GET, "/members/7?page=2")
        .header("connection", "X-Hop, keep-alive")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("upgrade", "h2c")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("tracestate", "a=b")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-forwarded-proto", "https")
        .header("via", "1.0 edge")
        .header("host", "shop.example");
    let answer = place.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);

    let head = server.last();
    let headers = &head.headers;
    assert_eq!(head.uri, "/members/7?page=2");
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "te",
        "proxy-authorization",
        "upgrade",
    ] {
        assert_eq!(text(headers, name), "", "{name}");
    }
    assert_eq!(
        text(headers, "traceparent"),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    );
    assert_eq!(text(headers, "tracestate"), "a=b");
    // What a client claims of itself is dropped.
    assert_eq!(text(headers, "x-forwarded-for"), "127.0.0.1");
    assert_eq!(text(headers, "x-forwarded-proto"), "http");
    assert_eq!(text(headers, "x-forwarded-host"), "shop.example");
    assert_eq!(text(headers, "host"), server.address.to_string());
    let via: Vec<_> = headers.get_all("via").iter().collect();
    assert_eq!(via, ["1.0 edge", "1.1 door"]);

    assert_eq!(text(&answer.headers, "x-secret"), "");
    assert_eq!(text(&answer.headers, "x-open"), "for all");
    assert_eq!(text(&answer.headers, "via"), "1.1 door");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_claims_of_itself_is_dropped_however_it_is_called() {
    let server = Plain::start();
    let rules = one("members", &[server.address], "standard");
    let claims = [
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-user",
        "x-forwarded",
        "x-real-ip",
        "forwarded",
    ];
    let strange = ["x_forwarded_for", "x_client", "x-real_ip"];
    for (trusted, kept) in [(false, 0), (true, claims.len())] {
        let place = Place::start(&format!("trust_forwarded: {trusted}\n{rules}")).await;
        let mut request = place.request(Method::GET, "/members");
        for name in claims.iter().chain(&strange) {
            request = request.header(*name, "made up");
        }
        place.ask(request.body(Body::empty()).unwrap()).await;
        let headers = server.last().headers;
        let count = |names: &[&str]| names.iter().filter(|it| headers.contains_key(**it)).count();
        assert_eq!((count(&claims), count(&strange)), (kept, 0), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_in_front_that_is_trusted_is_believed() {
    let server = Plain::start();
    let trusting = format!(
        "trust_forwarded: true\n{}",
        one("members", &[server.address], "standard")
    );
    let place = Place::start(&trusting).await;
    let request = place
        .request(Method::GET, "/members")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-forwarded-for", "10.0.0.2")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "shop.example");
    place.ask(request.body(Body::empty()).unwrap()).await;
    let headers = server.last().headers;
    assert_eq!(
        text(&headers, "x-forwarded-for"),
        "10.0.0.1, 10.0.0.2, 127.0.0.1"
    );
    assert_eq!(text(&headers, "x-forwarded-proto"), "https");
    assert_eq!(text(&headers, "x-forwarded-host"), "shop.example");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_forwarded_is_said_clearly() {
    let mut server = Plain::start();
    let rules = one(
        "members",
        &[server.address],
        "{ bulkhead: { max_concurrent: 9 } }",
    )
    .replace(
        "upstream: members",
        "upstream: members, methods: [GET, PUT]",
    );
    let place = Place::start(&rules).await;
    for (path, status) in [
        ("/", StatusCode::NOT_FOUND),
        ("/memberships", StatusCode::NOT_FOUND),
        ("/members", StatusCode::OK),
        ("/members/7", StatusCode::OK),
        ("/members/../admin", StatusCode::BAD_REQUEST),
        ("/members/%2E./admin", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(place.get(path).await.status, status, "{path}");
    }
    let post = place.request(Method::POST, "/members").body(Body::empty());
    let refused = place.ask(post.unwrap()).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers["allow"], "GET, PUT");

    let upgrade = place
        .request(Method::GET, "/members")
        .header("connection", "upgrade");
    let upgrade = upgrade.header("upgrade", "websocket").body(Body::empty());
    let refused = place.ask(upgrade.unwrap()).await;
    assert_eq!(refused.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(server.calls(), 2);

    server.kill();
    let broken = place.get("/members").await;
    assert_eq!(broken.status, StatusCode::BAD_GATEWAY);
    assert_eq!(broken.headers["content-type"], "application/problem+json");
    let told = String::from_utf8_lossy(&broken.body);
    assert!(!told.contains(&server.address.to_string()), "{told}");
}
