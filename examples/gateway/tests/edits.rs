use axum::http::StatusCode;

use super::{Place, Plain, one};
use crate::file::Settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_and_addresses_are_changed_without_a_restart() {
    let (first, second) = (Plain::start(), Plain::start());
    let place = Place::start(&one("members", &[first.address], "standard")).await;
    assert_eq!(place.get("/members").await.status, StatusCode::OK);
    assert_eq!(place.get("/staff").await.status, StatusCode::NOT_FOUND);

    let edits = place
        .edit(&one("staff", &[second.address], "standard"))
        .await;
    assert_eq!((edits.taken, edits.rejected), (1, 0), "{edits:?}");
    assert_eq!(place.get("/members").await.status, StatusCode::NOT_FOUND);
    assert_eq!(place.get("/staff").await.status, StatusCode::OK);
    assert_eq!((first.calls(), second.calls()), (1, 1));

    place
        .edit(&one("staff", &[first.address], "standard"))
        .await;
    assert_eq!(place.get("/staff").await.status, StatusCode::OK);
    assert_eq!((first.calls(), second.calls()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_changed_and_what_it_knows_stays() {
    let mut server = Plain::start();
    let text = |open_for: &str, places: u32| {
        let breaker = format!("window: 10, min_calls: 4, open_for: {open_for}, open_jitter: 0");
        let policy =
            format!("{{ breaker: {{ {breaker} }}, bulkhead: {{ max_concurrent: {places} }} }}");
        one("members", &[server.address], &policy)
    };
    let (before, after) = (text("60s", 7), text("30s", 8));
    let place = Place::start(&before).await;
    server.kill();
    for _ in 0..4 {
        assert_eq!(place.get("/members").await.status, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(place.get("/members").await.headers["retry-after"], "60");
    let edits = place.edit(&after).await;
    assert_eq!(edits.taken, 1, "{edits:?}");
    assert_eq!(
        place.get("/members").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let seen = &place.admin().await["upstreams"]["members"];
    assert_eq!(
        (&seen["limit"], &seen["addresses"][0]["breaker"]),
        (&8.into(), &"open".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_edit_changes_nothing_and_is_told() {
    let (first, second) = (Plain::start(), Plain::start());
    let right = one("members", &[first.address], "standard");
    let place = Place::start(&right).await;
    let other = one("members", &[second.address], "standard");
    let limited = other.replace(
        "upstream: members",
        "upstream: members, per_client: { calls: 0, period: 1s }",
    );
    for (wrong, told) in [
        (
            other.replace("upstream: members", "upstream: memers"),
            "routes[0].upstream: there is no `upstreams.memers`",
        ),
        (
            other.replace("path: /members", "path: members"),
            "routes[0].path: `members`: must begin with a slash",
        ),
        (
            other.replace("members: standard", "staff: standard"),
            "upstreams.members: there is no `policies.members`",
        ),
        (
            other.replace(": standard", ": { breaker: { open_fr: 1s } }"),
            "policies.members.breaker.open_fr: unknown name",
        ),
        (
            format!(
                "trust_forwrded: true
{other}"
            ),
            "unknown name `trust_forwrded`",
        ),
        (other.replace("replay: 1024", "replay: much"), "replay"),
        (
            other.replace("replay: 1024", "per_client: { max_concurrent: 0 }"),
            "upstreams.members.per_client.max_concurrent: 0",
        ),
        (
            other.replace("path: /members", "path: /%6dembers"),
            "routes[0].path: `/%6dembers`: must be written plainly",
        ),
        (
            format!("clients: {{ header: x_key, identity: x-client, keys: {{}} }}\n{other}"),
            "clients.header: `x_key`: must have no `_`",
        ),
        (limited, "routes[0].per_client.calls: 0"),
        (format!("{other}]"), "line"),
    ] {
        let edits = place.edit(&wrong).await;
        let faults = edits.faults.join("\n");
        assert!(faults.contains(told), "{told}: {faults}");
        assert_eq!(edits.taken, 0);
        assert_eq!(place.get("/members").await.status, StatusCode::OK);
        let file = &place.admin().await["file"];
        assert_eq!(file["current"], false);
    }
    assert_eq!((first.calls(), second.calls()), (11, 0));
    assert!(place.edit(&other).await.faults.is_empty());
    assert_eq!(place.get("/members").await.status, StatusCode::OK);
    assert_eq!((first.calls(), second.calls()), (11, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_wants_a_restart_is_told() {
    let (first, second) = (Plain::start(), Plain::start());
    let place = Place::start(&one("members", &[first.address], "standard")).await;
    let next = one("members", &[second.address], "standard");
    let path = place.folder.join("gateway.yaml");
    for (before, after, told) in [
        (
            "listen: 127.0.0.1:0",
            "listen: 127.0.0.1:1",
            "listen: it is `127.0.0.1:0`",
        ),
        ("admin: 127.0.0.1:0", "admin: 127.0.0.1:2", "admin: it is"),
        (
            "x-deadline-ms",
            "x-other-ms",
            "deadline_header: it is `x-deadline-ms`",
        ),
    ] {
        let taken = place.gateway.live.edits().taken;
        let text = super::whole(&next).replace(before, after);
        std::fs::write(&path, text).unwrap();
        super::within(10, || place.gateway.live.edits().taken > taken).await;
        let edits = place.gateway.live.edits();
        assert_eq!(
            (edits.faults.len(), edits.restart.len()),
            (0, 1),
            "{edits:?}"
        );
        assert!(edits.restart[0].starts_with(told), "{edits:?}");
        let file = &place.admin().await["file"];
        assert_eq!(file["current"], false, "{file}");
        // All the rest is in force.
        assert_eq!(place.get("/members").await.status, StatusCode::OK);
        assert!(second.last().headers.contains_key("x-deadline-ms"));
    }
    assert_eq!((first.calls(), second.calls()), (0, 3));
    let edits = place.edit(&next).await;
    assert!(edits.restart.is_empty(), "{edits:?}");
    assert_eq!(place.admin().await["file"]["current"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_an_edit_stops_nothing() {
    let server = Plain::start();
    let text = |places: u32| {
        let policy = format!("{{ bulkhead: {{ max_concurrent: {places} }} }}");
        one("members", &[server.address], &policy)
    };
    let place = Place::start(&text(7)).await;
    let settings = Settings::read(&super::whole(&text(8)));
    let live = &place.gateway.live;
    live.put(settings, |_, _, _| panic!("a fault of the gateway's own"));
    let edits = live.edits();
    assert_eq!((edits.taken, edits.rejected), (0, 1), "{edits:?}");
    assert_eq!(edits.faults.len(), 1, "{edits:?}");
    assert_eq!(place.admin().await["file"]["current"], false);
    assert_eq!(place.get("/members").await.status, StatusCode::OK);
    let edits = place.edit(&text(9)).await;
    assert_eq!((edits.taken, edits.rejected), (1, 1), "{edits:?}");
    assert!(edits.faults.is_empty(), "{edits:?}");
    assert_eq!(place.admin().await["upstreams"]["members"]["limit"], 9);
}

#[test]
fn the_file_beside_the_example_keeps_the_rules() {
    let text = include_str!("../gateway.yaml");
    let settings = Settings::read(text).unwrap();
    assert_eq!((settings.routes.len(), settings.upstreams.len()), (3, 3));
    assert_eq!(settings.policy("files").deadline, None);
    assert!(settings.policy("members").retry.is_some());
    for (name, upstream) in &settings.upstreams {
        let policy = settings.policy(name);
        assert!(policy.attempt_timeout.is_some(), "{name}");
        // Nor, by reading slowly, open a breaker.
        assert_eq!(policy.breaker.unwrap().slow_call_duration, None, "{name}");
        // One client alone cannot take all places.
        let share = upstream.per_client.unwrap().max_concurrent;
        assert!(share < policy.bulkhead.unwrap().max_concurrent, "{name}");
    }
}
