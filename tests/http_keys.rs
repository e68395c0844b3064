//! Whose a request is: what is found, what becomes of requests that say nothing, and of those that lie.
#![cfg(all(feature = "http", feature = "keyed"))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{convert::Infallible, fmt::Debug, net::IpAddr, num::NonZeroU32, sync::Arc};

use buttress::{
    CircuitBreaker, RateLimit,
    breaker::Breaker,
    guard::Template,
    http::{
        keys::{Authority, ForwardedFor, Header, MatchedRoute, Peer, PeerAddr, Route},
        respond,
    },
    keyed::{Finds, KeyOf, PerKey},
    rate_limit::Quota,
};
use http::{HeaderValue, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

/// The key of this request, as it is kept.
fn key<F: Finds + KeyOf<Request<()>, F::Key>>(by: &F, request: &Request<()>) -> F::Key {
    let kept = F::keep(by.find(request));
    assert!(F::is(&by.find(request), &kept));
    kept
}

fn to(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

fn with(name: &'static str, value: &[u8]) -> Request<()> {
    let mut request = to("/");
    let value = HeaderValue::from_bytes(value).unwrap();
    request.headers_mut().append(name, value);
    request
}

fn peer(address: &str) -> Request<()> {
    let mut request = to("/");
    let address = PeerAddr(address.parse().unwrap());
    request.extensions_mut().insert(address);
    request
}

fn forwarded(lines: &[&str]) -> Request<()> {
    let mut request = to("/");
    for line in lines {
        let value = HeaderValue::from_str(line).unwrap();
        request.headers_mut().append("x-forwarded-for", value);
    }
    request
}

/// One call of each, in turn: who is let in by a limit of one call for each key.
async fn limited<F>(by: F, requests: impl IntoIterator<Item = Request<()>>) -> Vec<bool>
where
    F: Finds + KeyOf<Request<()>, F::Key> + Send + Sync + 'static,
    F::Key: Eq + Send + Sync + 'static,
{
    let quota = Quota::per_hour(NonZeroU32::MIN);
    let limit = RateLimit::builder(quota).build().unwrap().keyed_by(by);
    let limit = limit.build().unwrap();
    let service = respond(limit).layer(service_fn(|_| async {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let mut all = Vec::new();
    for request in requests {
        let response = service.clone().oneshot(request).await.unwrap();
        all.push(response.status() == 200);
    }
    all
}

/// The first of these fails: which are refused then, by a breaker for each key?
async fn broken<F>(by: F, requests: impl IntoIterator<Item = Request<()>>) -> Vec<bool>
where
    F: Finds + KeyOf<Request<()>, F::Key> + Send + Sync + 'static,
    F::Key: Eq + Clone + Debug + Send + Sync + 'static,
{
    let breaker = CircuitBreaker::builder().count_window(1).min_calls(1);
    let breaker: PerKey<Breaker, F::Key, F> =
        breaker.build().unwrap().keyed_by(by).build().unwrap();
    let service = respond(breaker.clone()).layer(service_fn(|_| async {
        let broken = Response::builder().status(500).body(()).unwrap();
        Ok::<_, Infallible>(broken)
    }));
    let mut all = Vec::new();
    for request in requests {
        let response = service.clone().oneshot(request).await.unwrap();
        all.push(response.status() == 503);
    }
    let opened = breaker.snapshot().keys.len();
    assert_eq!(opened, all.iter().filter(|refused| !**refused).count());
    all
}

#[tokio::test(start_paused = true)]
async fn an_authority_is_the_addresss_or_the_host_in_whichever_case() {
    for (request, expected) in [
        (to("http://Shop.example:8080/a"), "shop.example:8080"),
        (to("http://user:secret@shop.example/a"), "shop.example"),
        (with("host", b"SHOP.example"), "shop.example"),
        (with("host", b"[2001:DB8::1]:80"), "[2001:db8::1]:80"),
        (to("/only/a/path"), ""),
        (with("host", b""), ""),
        (with("host", b"not a host"), "\u{fffd}"),
        (with("host", b"evil.example/?"), "\u{fffd}"),
        (with("host", &[0xff]), "\u{fffd}"),
        (with("host", "x".repeat(257).as_bytes()), "\u{fffd}"),
        (to(&format!("http://{}/", "x".repeat(257))), "\u{fffd}"),
    ] {
        assert_eq!(*key(&Authority, &request), *expected, "{request:?}");
    }
    // The address comes first: a proxy's request has both.
    let mut both = to("http://a.example/");
    both.headers_mut()
        .insert("host", HeaderValue::from_static("b.example"));
    assert_eq!(*key(&Authority, &both), *"a.example");

    let asked = || {
        [
            to("http://a/1"),
            to("http://A/2"),
            with("host", b"a"),
            to("http://b/"),
        ]
    };
    assert_eq!(
        limited(Authority, asked()).await,
        [true, false, false, true]
    );
    assert_eq!(broken(Authority, asked()).await, [false, true, true, false]);
    let nobody = || {
        [
            to("/"),
            with("host", b""),
            with("host", b"a b"),
            with("host", b"?"),
        ]
    };
    assert_eq!(
        limited(Authority, nobody()).await,
        [true, false, true, false]
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_is_known_by_its_name_as_well() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let per_host = breaker.keyed_by(Authority).build().unwrap();
    let key: Arc<str> = "a.example".into();
    per_host.for_key(&*key).try_acquire().unwrap().success();
    let service = per_host.layer(buttress::http::Adapt.layer(service_fn(|_| async {
        Ok::<_, Infallible>(Response::new(()))
    })));
    service.oneshot(to("http://a.example/")).await.unwrap();
    assert_eq!(per_host.len(), 1);
    assert_eq!(
        per_host.with("a.example", |breaker| breaker.snapshot().calls),
        Some(2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_header_is_its_value_copied_and_bounded() {
    const KEY: Header = Header::named("x-api-key");
    for (request, expected) in [
        (with("x-api-key", b"Ada"), "Ada"),
        (with("x-api-key", b""), ""),
        (to("/"), ""),
        (with("another", b"Ada"), ""),
        (
            with("x-api-key", "k".repeat(256).as_bytes()),
            &*"k".repeat(256),
        ),
        (with("x-api-key", "k".repeat(257).as_bytes()), "\u{fffd}"),
        (with("x-api-key", "Jürgen".as_bytes()), "\u{fffd}"),
    ] {
        assert_eq!(*key(&KEY, &request), *expected, "{request:?}");
    }
    let long = |with_which| {
        let mut value = "k".repeat(300);
        value.push_str(with_which);
        with("x-api-key", value.as_bytes())
    };
    // Anybody could send as many long ones as it likes: they share one.
    let asked = || {
        let (ada, bob) = (with("x-api-key", b"Ada"), with("x-api-key", b"Bob"));
        [
            ada,
            bob,
            with("x-api-key", b"Ada"),
            long("1"),
            long("2"),
            to("/"),
            to("/"),
        ]
    };
    let expected = [true, true, false, true, false, true, false];
    assert_eq!(limited(KEY, asked()).await, expected);
    assert_eq!(broken(KEY, asked()).await, expected.map(|let_in| !let_in));
}

#[tokio::test(start_paused = true)]
async fn a_route_is_what_the_router_noted() {
    let on = |path: &str, route| {
        let mut request = to(path);
        request.extensions_mut().insert(MatchedRoute(route));
        request
    };
    let asked = || {
        [
            on("/a/1", "/a/{id}"),
            on("/a/2", "/a/{id}"),
            on("/b", "/b"),
            to("/a/{id}"),
        ]
    };
    assert_eq!(*key(&Route, &asked()[0]), *"/a/{id}");
    assert_eq!(limited(Route, asked()).await, [true, false, true, true]);
    assert_eq!(broken(Route, asked()).await, [false, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_an_address_or_a_network_of_ipv6() {
    for (address, expected) in [
        ("192.0.2.7:40000", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:40000", "192.0.2.7"),
        ("[2001:db8:1:2:3:4:5:6]:40000", "2001:db8:1:2::"),
        ("[::1]:40000", "::"),
    ] {
        let expected: IpAddr = expected.parse().unwrap();
        assert_eq!(key(&Peer, &peer(address)), expected);
    }
    let asked = || {
        [
            peer("192.0.2.7:1"),
            peer("192.0.2.7:2"),
            peer("192.0.2.8:1"),
            peer("[2001:db8:1:2::7]:1"),
            peer("[2001:db8:1:2:ffff::]:1"),
            peer("[2001:db8:1:3::7]:1"),
            to("/"),
            to("/"),
        ]
    };
    let expected = [true, false, true, true, false, true, true, false];
    assert_eq!(limited(Peer, asked()).await, expected);
    assert_eq!(broken(Peer, asked()).await, expected.map(|let_in| !let_in));
}

#[tokio::test(start_paused = true)]
async fn who_asked_through_proxies_is_counted_from_the_right() {
    let nobody: IpAddr = "0.0.0.0".parse().unwrap();
    let cases: [(usize, &[&str], &str); 14] = [
        (1, &["192.0.2.7"], "192.0.2.7"),
        (1, &["10.0.0.1, 192.0.2.7"], "192.0.2.7"),
        (2, &["198.51.100.1,192.0.2.7 , 10.0.0.1"], "192.0.2.7"),
        // Whatever the client wrote itself is further left.
        (1, &["forged, , 203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        (2, &["192.0.2.7", "10.0.0.1"], "192.0.2.7"),
        (1, &["192.0.2.7, "], "192.0.2.7"),
        (1, &["192.0.2.7:4711"], "192.0.2.7"),
        (1, &["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        (1, &["[2001:db8:1:2:3:4:5:6]"], "2001:db8:1:2::"),
        (1, &["[2001:db8:1:2:3:4:5:6]:4711"], "2001:db8:1:2::"),
        // Not enough of them, none, and no address.
        (2, &["192.0.2.7"], "0.0.0.0"),
        (1, &[], "0.0.0.0"),
        (1, &["192.0.2.7, unknown"], "0.0.0.0"),
        (1, &["192.0.2.7, [192.0.2.7]"], "0.0.0.0"),
    ];
    for (proxies, lines, expected) in cases {
        let found = key(&ForwardedFor::trusting(proxies), &forwarded(lines));
        assert_eq!(
            found,
            expected.parse::<IpAddr>().unwrap(),
            "{proxies} {lines:?}"
        );
    }
    assert_eq!(
        key(
            &ForwardedFor::trusting(1),
            &with("x-forwarded-for", &[0xff])
        ),
        nobody
    );

    let asked = || {
        [
            forwarded(&["192.0.2.7"]),
            // Another name for itself is in vain.
            forwarded(&["203.0.113.1, 192.0.2.7"]),
            forwarded(&["192.0.2.8"]),
            forwarded(&["who knows"]),
            to("/"),
        ]
    };
    let by = ForwardedFor::trusting(1);
    assert_eq!(limited(by, asked()).await, [true, false, true, true, false]);
    assert_eq!(broken(by, asked()).await, [false, true, false, false, true]);
}

#[test]
#[should_panic(expected = "0 proxies: must be 1 or more")]
fn nobody_is_trusted_to_no_end() {
    let _ = ForwardedFor::trusting(0);
}

#[test]
#[should_panic]
fn a_name_that_no_header_has_is_refused() {
    let _ = Header::named("X Key");
}
