//! Which address of an upstream is next.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use axum::http::{Request, Response};
use buttress::guard::{Ending, Permit};
use buttress::http::{AfterBody, DeadlineHeader, Fault, Judged};
use buttress::{CircuitBreaker, Reason, Rejected, Timeout, breaker, timeout};
use futures::future::{BoxFuture, Either, ready};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use tower::{Layer, Service, ServiceExt};

use crate::sending::{Sending, Turn};
use crate::upstream::Sent;

pub type Client = legacy::Client<HttpConnector, Sending>;

/// The addresses of one upstream: a service that sends each request to one of them.
#[derive(Clone)]
pub struct Balance(Arc<Addresses>);

pub struct Addresses {
    client: Client,
    all: Vec<Arc<Address>>,
    /// How long one of them may take for the head of its response.
    timeout: Option<Timeout<DeadlineHeader>>,
    limit: Option<Duration>,
    /// Counts requests: whose turn it is.
    turn: AtomicUsize,
}

/// One address, and what is known of it.
pub struct Address {
    pub authority: Authority,
    pub breaker: Option<CircuitBreaker>,
}

/// In the extensions of a request, and shared by all its copies: which addresses were tried for it.
#[derive(Clone, Default)]
pub struct Tried(Arc<AtomicU64>);

impl Balance {
    pub fn new(
        client: Client,
        all: Vec<Arc<Address>>,
        timeout: Option<Timeout<DeadlineHeader>>,
    ) -> Self {
        let turn = AtomicUsize::new(0);
        Self(Arc::new(Addresses {
            client,
            all,
            limit: timeout.as_ref().map(|it| it.config().limit),
            timeout,
            turn,
        }))
    }

    pub fn addresses(&self) -> &[Arc<Address>] {
        &self.0.all
    }

    /// To the one whose turn it is, whatever is known of it: what a proxy does without policies.
    pub async fn send_bare(
        &self,
        request: Request<Sent>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        let Addresses {
            client, all, turn, ..
        } = &*self.0;
        let at = turn.fetch_add(1, Ordering::Relaxed) % all.len();
        let request = aimed(request, &all[at].authority);
        client.request(request.map(Sending::from)).await
    }
}

impl Addresses {
    /// The next one whose breaker lets a call in. One that this request has not tried goes before all that
    /// it has.
    fn next(&self, tried: &Tried) -> Result<Chosen<'_>, Rejected> {
        // A further attempt is none in the turn, or one bad address would be the first of every request.
        let turn = self
            .turn
            .fetch_add(tried.is_empty().into(), Ordering::Relaxed);
        let count = self.all.len();
        let mut refusals = Vec::new();
        for again in [false, true] {
            for at in (turn..turn + count).map(|turn| turn % count) {
                if tried.contains(at) != again {
                    continue;
                }
                // Asked for before the request is given away: an open breaker here is no refusal yet. And asked
                // for the right to call, not just looked at: the one probe of a breaker is not given twice.
                match self.all[at].enter() {
                    Ok(permit) => {
                        tried.insert(at);
                        let address = &*self.all[at];
                        return Ok(Chosen { address, permit });
                    }
                    Err(no) => refusals.push(no),
                }
            }
        }
        // All are sick. It is worth asking again when the first of them is.
        let soonest = refusals
            .into_iter()
            .min_by_key(|no| no.retry_after().unwrap_or(Duration::MAX));
        Err(soonest.expect("there is an address"))
    }
}

struct Chosen<'a> {
    address: &'a Address,
    permit: Option<Permit<CircuitBreaker>>,
}

impl Address {
    /// What was known of it `before` stays.
    pub fn new(
        authority: &Authority,
        upstream: &str,
        config: Option<breaker::Config>,
        before: Option<&Self>,
    ) -> Self {
        let before = before.and_then(|it| it.breaker.clone());
        let breaker = match (config, before) {
            (None, _) => None,
            (Some(config), Some(breaker)) => {
                breaker.reconfigure(config).expect("it was checked");
                Some(breaker)
            }
            (Some(config), None) => {
                // Names are kept for ever, so there is one for all addresses of an upstream.
                let breaker = CircuitBreaker::builder().name(upstream).config(config);
                Some(breaker.build().expect("it was checked"))
            }
        };
        let authority = authority.clone();
        Self { authority, breaker }
    }

    fn enter(&self) -> Result<Option<Permit<CircuitBreaker>>, Rejected> {
        self.breaker.as_ref().map(|it| it.try_acquire()).transpose()
    }
}

impl Service<Request<Sent>> for Balance {
    /// Judged by the breaker of its address when its body has ended.
    type Response = Response<Judged<Incoming, CircuitBreaker>>;
    type Error = Fault<Broken>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Whether an address is, is asked when it is chosen.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Sent>) -> Self::Future {
        let addresses = &*self.0;
        let tried = request.extensions().get().cloned().unwrap_or_default();
        let Chosen { address, permit } = match addresses.next(&tried) {
            Ok(chosen) => chosen,
            Err(no) => return Box::pin(ready(Err(no.into()))),
        };
        // A client of hyper's is always ready.
        let mut client = (&addresses.client).map_err(fault as fn(_) -> _);
        let request = aimed(request, &address.authority);
        // The timeout stands inside of the permit: its expiry is a failure of this address. Outside, an address
        // that hangs would only look abandoned.
        let (request, turn) = Sending::noted(request);
        let result = match &addresses.timeout {
            Some(timeout) => Either::Left(timeout.layer(client).call(request)),
            None => Either::Right(client.call(request)),
        };
        let limit = addresses.limit;
        Box::pin(async move {
            let result = result.await.map_err(|fault| excused(fault, turn, limit));
            match permit {
                Some(permit) => AfterBody::new().end(result, permit.into()),
                None => result.map(|response| response.map(Judged::from)),
            }
        })
    }
}

/// Why there is no response.
#[derive(Debug)]
pub enum Broken {
    /// The connection.
    Connection(legacy::Error),
    /// The client took so long to send its body that there was no time left for an answer.
    Slow,
}

/// What an error says of the address. A body that the client broke off says nothing, or any client could
/// open the breaker for all others.
fn fault(error: legacy::Error) -> Fault<Broken> {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    match cause.is_some_and(hyper::Error::is_user) {
        true => Fault::ignored(Broken::Connection(error)),
        false => Fault::failure(Broken::Connection(error)),
    }
}

/// And neither does the time that a client took to send it.
fn excused(fault: Fault<Broken>, turn: Option<Turn>, limit: Option<Duration>) -> Fault<Broken> {
    let late = fault
        .rejected()
        .is_some_and(|no| no.reason() == Reason::TimedOut);
    match (turn, limit) {
        (Some(turn), Some(limit)) if late && !turn.was_the_servers(limit) => {
            Fault::ignored(Broken::Slow)
        }
        _ => fault,
    }
}

/// The same request for this address.
fn aimed(mut request: Request<Sent>, authority: &Authority) -> Request<Sent> {
    let mut target = std::mem::take(request.uri_mut()).into_parts();
    target.scheme = Some(Scheme::HTTP);
    target.authority = Some(authority.clone());
    target
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(target).expect("it has all parts");
    // The client speaks its own version, whatever the one at the other side speaks.
    *request.version_mut() = axum::http::Version::HTTP_11;
    request
}

impl Tried {
    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn contains(&self, at: usize) -> bool {
        self.0.load(Ordering::Relaxed) & 1 << at != 0
    }

    fn insert(&self, at: usize) {
        self.0.fetch_or(1 << at, Ordering::Relaxed);
    }
}

/// The timeout of one attempt, if there is one.
pub fn attempt(
    upstream: &str,
    limit: Option<Duration>,
    header: DeadlineHeader,
) -> Option<Timeout<DeadlineHeader>> {
    let config = timeout::Config::new(limit?);
    let timeout = Timeout::builder(config.limit)
        .name(upstream)
        .deadline(header);
    Some(timeout.build().expect("it was checked"))
}
