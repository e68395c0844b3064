use axum::body::Body;
use axum::http::{Method, StatusCode};

use super::{Answer, Place, Plain, one};

const CLIENTS: &str =
    "clients: { header: x-key, identity: x-client, keys: { s1: shop, p1: partner } }\n";

async fn with_key(place: &Place, key: &str) -> Answer {
    let request = place.request(Method::GET, "/members").header("x-key", key);
    place.ask(request.body(Body::empty()).unwrap()).await
}

fn limited(server: &Plain) -> String {
    let text = one("members", &[server.address], "standard");
    let limit = "upstream: members, per_client: { calls: 3, period: 60s }";
    text.replace("upstream: members", limit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_has_a_limit_of_its_own() {
    let server = Plain::start();
    let place = Place::start(&format!("{CLIENTS}{}", limited(&server))).await;
    for _ in 0..3 {
        assert_eq!(with_key(&place, "s1").await.status, StatusCode::OK);
    }
    let refused = with_key(&place, "s1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "20");
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(with_key(&place, "p1").await.status, StatusCode::OK);
    // Who it is was told, and the key was not.
    let head = server.last();
    assert_eq!(head.headers["x-client"], "partner");
    assert!(!head.headers.contains_key("x-key"));
    let seen = &place.admin().await["routes"][0]["clients"];
    assert_eq!(
        (&seen["shop"]["rejected"], &seen["partner"]["rejected"]),
        (&1.into(), &0.into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unknown_take_no_tokens() {
    let server = Plain::start();
    let place = Place::start(&format!("{CLIENTS}{}", limited(&server))).await;
    for key in ["s2", "", "s11", "s"].repeat(5) {
        let refused = with_key(&place, key).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.headers.contains_key("www-authenticate"));
        // Without any, and with a name that it has given itself.
        let request = place
            .request(Method::GET, "/members")
            .header("x-client", "shop");
        let refused = place.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(server.calls(), 0);
    assert_eq!(
        place.admin().await["routes"][0]["clients"],
        serde_json::json!({})
    );
    for _ in 0..3 {
        assert_eq!(with_key(&place, "s1").await.status, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_a_client_is_an_address_and_a_limit_outlives_an_edit() {
    let server = Plain::start();
    let place = Place::start(&limited(&server)).await;
    for _ in 0..3 {
        assert_eq!(place.get("/members").await.status, StatusCode::OK);
    }
    assert_eq!(
        place.get("/members").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    place
        .edit(&format!("{}# nothing else\n", limited(&server)))
        .await;
    assert_eq!(
        place.get("/members").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let more = limited(&server)
        .replace("calls: 3", "calls: 60")
        .replace("60s }", "60s, burst: 60 }");
    place.edit(&more).await;
    assert_eq!(place.get("/members").await.status, StatusCode::OK);
    assert_eq!(server.calls(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_have_its_name_removed() {
    let server = Plain::start();
    let place = Place::start(&format!("{CLIENTS}{}", limited(&server))).await;
    let request = place
        .request(Method::GET, "/members")
        .header("x-key", "p1")
        .header("x-client", "shop")
        .header("connection", "x-client, via, x-forwarded-for")
        .body(Body::empty());
    assert_eq!(place.ask(request.unwrap()).await.status, StatusCode::OK);
    let headers = server.last().headers;
    let names: Vec<_> = headers.get_all("x-client").iter().collect();
    assert_eq!(names, ["partner"]);
    assert_eq!(headers["via"], "1.1 door");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_a_client_is_the_last_address_that_it_tells_of() {
    let server = Plain::start();
    let place = Place::start(&format!("trust_forwarded: true\n{}", limited(&server))).await;
    let ask = async |told: &str| {
        let request = place.request(Method::GET, "/members");
        let request = request.header("x-forwarded-for", told).body(Body::empty());
        place.ask(request.unwrap()).await.status
    };
    for told in ["192.0.2.1", "10.0.0.1, 192.0.2.1", "10.0.0.2, 192.0.2.1"] {
        assert_eq!(ask(told).await, StatusCode::OK, "{told}");
    }
    // What it claims before that helps nobody, and nobody else is hindered.
    let refused = ask("192.0.2.2, 192.0.2.1").await;
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask("192.0.2.1, 192.0.2.2").await, StatusCode::OK);
    let seen = &place.admin().await["routes"][0]["clients"];
    let names: Vec<_> = seen.as_object().unwrap().keys().collect();
    assert_eq!(names, ["192.0.2.1", "192.0.2.2"]);
}
