//! A request whose deadline is noted in its extensions went on with the header that it had come with, or with
//! none: the next service was told of more time than there was.
#![cfg(feature = "http")]

use std::{
    future::{Ready, ready},
    time::Duration,
};

use ::http::{Request, Response};
use buttress::{Deadline, Resilience, Timeout, http::DeadlineHeader};
use tokio::time::advance;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const CARRIED: DeadlineHeader = DeadlineHeader::ENVOY;

/// What the service is told, of a request that has four seconds left and a header from when it had ten.
async fn told<L>(layer: L) -> Vec<String>
where
    L: Layer<Told>,
    L::Service: tower::Service<Request<()>, Response = Response<String>, Error = BoxError>,
{
    let mut told = Vec::new();
    for header in [Some("10000"), None] {
        let mut request = Request::new(());
        let deadline = Deadline::after(Duration::from_secs(10));
        request.extensions_mut().insert(deadline);
        if let Some(header) = header {
            let header = header.parse().expect("digits");
            request.headers_mut().insert(CARRIED.name(), header);
        }
        advance(Duration::from_secs(6)).await;
        let service = layer.layer(service_fn(echo as fn(_) -> _));
        told.push(
            service
                .oneshot(request)
                .await
                .expect("it answers")
                .into_body(),
        );
    }
    told
}

type Told = tower::util::ServiceFn<fn(Request<()>) -> Ready<Result<Response<String>, BoxError>>>;

fn echo(request: Request<()>) -> Ready<Result<Response<String>, BoxError>> {
    let header = request.headers().get(CARRIED.name());
    let header = header.map_or("nothing", |it| it.to_str().expect("digits"));
    ready(Ok(Response::new(header.to_owned())))
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_tells_what_is_left() {
    for own in [None, Some(Duration::from_secs(60))] {
        let mut config = buttress::pipeline::Config::default();
        config.deadline = own;
        let builder = Resilience::builder().config(config);
        let policy = builder
            .deadline_in(CARRIED)
            .build()
            .expect("valid settings");
        assert_eq!(told(policy).await, ["4000", "4000"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_tells_what_is_left() {
    let timeout = Timeout::builder(Duration::from_secs(60)).deadline(CARRIED);
    let timeout = timeout.build().expect("valid settings");
    assert_eq!(told(timeout).await, ["4000", "4000"]);
}
