//! A health service of gRPC on a real socket that answers as it is told.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::disallowed_types,
    reason = "a script that a server in another thread reads"
)]

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, pending, ready},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use tokio::runtime::Runtime;
use tonic::{
    Status,
    server::NamedService,
    service::Routes,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};
use tower::{BoxError, Layer, Service};

pub(crate) fn ask() -> HealthCheckRequest {
    HealthCheckRequest::default()
}

/// How one call is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    Serving,
    /// Before any message: at the head of the response.
    Fails(Status),
    /// A stream: after its first message.
    Breaks(Status),
    Hangs,
}

/// What the service is told, and what it has seen.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    answers: VecDeque<Answer>,
    seen: Vec<HeaderMap>,
    asked: Vec<String>,
}

impl Script {
    /// These answers, one per call, and then all is well.
    pub(crate) fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Self::default();
        script.0.lock().unwrap().answers.extend(answers);
        script
    }

    /// The calls that arrived.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().seen.len()
    }

    /// This header of each call that arrived.
    pub(crate) fn header(&self, name: &str) -> Vec<Option<String>> {
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        let pages = self.0.lock().unwrap();
        let values = pages.seen.iter().map(|headers| headers.get(name).map(text));
        values.collect()
    }

    /// What each call that arrived asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    fn next(&self, request: tonic::Request<HealthCheckRequest>) -> Answer {
        let (metadata, _, message) = request.into_parts();
        let mut pages = self.0.lock().unwrap();
        pages.seen.push(metadata.into_headers());
        pages.asked.push(message.service);
        pages.answers.pop_front().unwrap_or(Answer::Serving)
    }
}

const SERVING: HealthCheckResponse = HealthCheckResponse {
    status: ServingStatus::Serving as i32,
};

#[tonic::async_trait]
impl Health for Script {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        match self.next(request) {
            Answer::Serving => Ok(tonic::Response::new(SERVING)),
            Answer::Fails(status) | Answer::Breaks(status) => Err(status),
            Answer::Hangs => pending().await,
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let first = stream::iter([Ok(SERVING)]);
        let messages: Self::WatchStream = match self.next(request) {
            Answer::Serving => Box::pin(first),
            Answer::Fails(status) => return Err(status),
            Answer::Breaks(status) => Box::pin(first.chain(stream::iter([Err(status)]))),
            Answer::Hangs => Box::pin(first.chain(stream::pending())),
        };
        Ok(tonic::Response::new(messages))
    }
}

/// Answers a unary call with a message, and says in the trailers that it failed: what a server may do, and
/// generated code never does.
#[derive(Clone)]
pub(crate) struct FailsInTrailers(pub(crate) &'static str);

impl NamedService for FailsInTrailers {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl<B> Service<Request<B>> for FailsInTrailers {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        // Not compressed, two bytes: field 1 is 1.
        let message = Frame::data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(self.0));
        let frames = [message, Frame::trailers(trailers)].map(Ok::<_, Infallible>);
        let body = tonic::body::Body::new(StreamBody::new(stream::iter(frames)));
        let response = Response::builder().header("content-type", "application/grpc");
        ready(Ok(response.body(body).expect("well formed")))
    }
}

/// The scripted service alone.
pub(crate) fn routes(script: &Script) -> Routes {
    Routes::new(HealthServer::new(script.clone()))
}

/// A server with a runtime of its own: dropped, all its connections break.
pub(crate) struct Running {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Running {
    /// The scripted service, below this layer.
    pub(crate) fn start<L, B>(layer: L, script: &Script) -> Self
    where
        L: Layer<Routes> + Clone + Send + 'static,
        L::Service: Service<
                Request<tonic::body::Body>,
                Response = Response<B>,
                Error: Into<BoxError> + Send,
                Future: Send,
            > + Clone
            + Send
            + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self::serve(layer, routes(script))
    }

    pub(crate) fn serve<L, B>(layer: L, routes: Routes) -> Self
    where
        L: Layer<Routes> + Clone + Send + 'static,
        L::Service: Service<
                Request<tonic::body::Body>,
                Response = Response<B>,
                Error: Into<BoxError> + Send,
                Future: Send,
            > + Clone
            + Send
            + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), layer, routes)
    }

    pub(crate) fn at<L, B>(address: SocketAddr, layer: L, routes: Routes) -> Self
    where
        L: Layer<Routes> + Clone + Send + 'static,
        L::Service: Service<
                Request<tonic::body::Body>,
                Response = Response<B>,
                Error: Into<BoxError> + Send,
                Future: Send,
            > + Clone
            + Send
            + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind(address).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let server = Server::builder().layer(layer).add_routes(routes);
            let served = server.serve_with_incoming(TcpIncoming::from(listener));
            served.await.expect("it serves");
        });
        Self {
            address,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).expect("an address")
    }

    pub(crate) fn channel(&self) -> Channel {
        self.endpoint().connect_lazy()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
