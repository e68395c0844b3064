//! What an operator can see: as JSON, on a port of its own.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::balance::Address;
use crate::live::Live;
use crate::table::Route;
use crate::upstream::Upstream;

pub fn router(live: Live) -> Router {
    Router::new().route("/", get(look)).with_state(live)
}

async fn look(State(live): State<Live>) -> Json<Value> {
    let table = live.table();
    let edits = live.edits();
    let upstreams = table.upstreams.iter();
    let upstreams = upstreams.map(|(name, it)| (name.clone(), upstream(it)));
    Json(json!({
        "file": {
            "current": edits.faults.is_empty() && edits.restart.is_empty(),
            "taken": edits.taken,
            "rejected": edits.rejected,
            "faults": edits.faults,
            "restart": edits.restart,
        },
        "routes": table.routes.iter().map(route).collect::<Vec<_>>(),
        "upstreams": upstreams.collect::<serde_json::Map<_, _>>(),
    }))
}

fn route(route: &Route) -> Value {
    let clients = route.limit.as_ref().map(|limit| {
        let clients = limit.snapshot().keys.into_iter();
        let clients = clients.map(|(client, seen)| {
            (
                client,
                json!({ "available": seen.available, "rejected": seen.rejected }),
            )
        });
        clients.collect::<serde_json::Map<_, _>>()
    });
    json!({ "path": route.rule.path, "upstream": route.rule.upstream, "clients": clients })
}

fn upstream(upstream: &Upstream) -> Value {
    let seen = upstream.policy.snapshot();
    let clients = upstream.shares.as_ref().map(|shares| {
        let clients = shares.in_flight();
        let clients =
            clients.map(|(client, count)| (client.to_string(), json!({ "in_flight": count })));
        clients.collect::<serde_json::Map<_, _>>()
    });
    json!({
        "in_flight": seen.bulkhead.as_ref().map(|it| it.in_flight),
        "limit": seen.bulkhead.as_ref().map(|it| it.limit),
        "rejected": seen.bulkhead.as_ref().map(|it| it.rejected),
        "retries": seen.retry.as_ref().map(|it| it.retries),
        "recovered": seen.retry.as_ref().map(|it| it.recovered),
        "expired": seen.timeout.expired,
        "clients": clients,
        "addresses": upstream.balance.addresses().iter().map(|it| address(it)).collect::<Vec<_>>(),
    })
}

fn address(address: &Address) -> Value {
    let seen = address.breaker.as_ref().map(|it| it.snapshot());
    json!({
        "address": address.authority.as_str(),
        "breaker": seen.as_ref().map(|it| it.state.to_string()),
        "calls": seen.as_ref().map(|it| it.calls),
        "failed": seen.as_ref().map(|it| it.failed),
        "skipped": seen.as_ref().map(|it| it.rejected),
    })
}
