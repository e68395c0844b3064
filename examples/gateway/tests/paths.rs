use axum::http::StatusCode;

use super::{Place, Plain};

/// Two routes to one server, the second with a limit that leaves nothing after the first call.
async fn start(server: &Plain) -> Place {
    let text = format!(
        "routes: [{{ path: /files, upstream: one }},\
         {{ path: /members, upstream: one, per_client: {{ calls: 1, period: 60s }} }}]\n\
         upstreams: {{ one: {{ addresses: [{}] }} }}\n\
         policies: {{ one: {{ bulkhead: {{ max_concurrent: 9 }} }} }}\n",
        server.address
    );
    Place::start(&text).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_others_read_differently_is_refused() {
    let server = Plain::start();
    let place = start(&server).await;
    for path in [
        "/files/..%2fmembers/7",
        "/files/..%2Fmembers/7",
        "/files/..%5cmembers/7",
        "/files/..%5Cmembers/7",
        "/files/..\\members/7",
        "/files\\..\\members",
        "/files/..;/members/7",
        "/files/..;a=b/members/7",
        "/files/%2e%2E;/members/7",
        "/files/..%3b/members/7",
        "/files/.;/members",
        "/files/../members",
        "/files/.%2E/members",
        "/files/.",
        "/files/..",
        "//members",
        "/files//members",
        "/files%00",
        "/files/%",
        "/files/%2",
        "/files/%+7",
        "/files/%zz",
    ] {
        let answer = place.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(server.calls(), 0);
    // What only looks like it, and is passed on as it was written.
    let fine = [
        "/files/",
        "/files/...",
        "/files/.well-known/a..b",
        "/files/a%20b%25",
        "/files/a;b=..",
        "/files/%c3%a4?path=../..//%2f",
    ];
    for path in fine {
        assert_eq!(place.get(path).await.status, StatusCode::OK, "{path}");
        assert_eq!(server.last().uri, path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_are_escaped_are_the_same_letters() {
    let server = Plain::start();
    let place = start(&server).await;
    assert_eq!(place.get("/members/7").await.status, StatusCode::OK);
    for path in ["/members/7", "/%6dembers/7", "/%6Dember%73"] {
        let answer = place.get(path).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    let other = place.get("/m%65mbers%2D").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert_eq!(server.calls(), 1);
}
