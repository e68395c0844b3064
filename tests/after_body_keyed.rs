//! One policy per key, whose calls end with the body of their response.
#![cfg(all(feature = "http", feature = "keyed"))]

#[path = "support/bodies.rs"]
mod bodies;

use std::convert::Infallible;

use bodies::{Script, Step};
use buttress::{
    Bulkhead,
    http::{Adapt, after_body},
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn each_key_has_its_places_for_as_long_as_its_bodies() {
    let hosts = Bulkhead::builder(1)
        .build()
        .unwrap()
        .keyed(|request: &Request<()>| request.uri().host().unwrap_or_default().to_owned())
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(after_body(hosts))
        .layer(Adapt)
        .service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Script::new([Step::Data(1)])))
        }));
    let mut get = async |uri| {
        let request = Request::get(uri).body(()).unwrap();
        service.ready().await.unwrap().call(request).await
    };
    let first = get("http://a/").await.unwrap();
    assert!(get("http://a/").await.unwrap_err().is_rejected());
    let other = get("http://b/").await.unwrap();
    first.into_body().collect().await.unwrap();
    drop(other);
    get("http://a/").await.unwrap();
    get("http://b/").await.unwrap();
}
