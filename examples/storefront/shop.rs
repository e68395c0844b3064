//! One shop: a gateway in front of its catalogue, member and order services.
//! This is the file to copy from.

use std::error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve};
use buttress::guard::Guard;
use buttress::{Adapt, Adapted, Bulkhead, CircuitBreaker, Classify, Error, InvalidConfig, Outcome};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::{Layer, ServiceExt};

use crate::fault::Mood;
use crate::service::Service;
use crate::slots::{Slots, take_slot};

/// The same in every copy.
pub const CLIENT_TIMEOUT: Duration = Duration::from_millis(400);

/// The breaker of copies B, C and D.
pub const WINDOW: u32 = 100;
pub const RATIO: f64 = 0.5;
pub const MIN_CALLS: u32 = 20;
pub const SLOW_CALL: Duration = Duration::from_millis(200);
pub const OPEN_FOR: Duration = Duration::from_secs(1);
pub const PROBES: u32 = 5;
pub const RAMP: Duration = Duration::from_secs(2);

/// The bulkhead of copy D. When member is well, 400 pages a second of a few milliseconds each need two
/// places at a time: 20 are ample for a burst. When it hangs, they are all that it can hold, and 44 of
/// the 64 slots stay free, where the product list needs one or two.
pub const PLACES: u32 = 20;

pub type Breaker = CircuitBreaker<Judge>;

/// Two policies in one guard: both are asked at once, and the breaker first.
pub type Both = Guard<(Breaker, Bulkhead), Judge>;

pub fn both(breaker: Breaker, bulkhead: Bulkhead) -> Both {
    Guard::judged((breaker, bulkhead), Judge)
}

/// Without a queue: a call that waits for member holds a slot, too.
pub fn bulkhead() -> Result<Bulkhead, InvalidConfig> {
    Bulkhead::builder(PLACES).name("member").build()
}

pub fn breaker() -> Result<Breaker, InvalidConfig> {
    CircuitBreaker::builder()
        .name("member")
        .count_window(WINDOW)
        .failure_ratio(RATIO)
        .min_calls(MIN_CALLS)
        // A hang is heard when the client times out; a service that is merely slow, only by this.
        .slow_call_duration(SLOW_CALL)
        .slow_call_ratio(RATIO)
        .open_for(OPEN_FOR)
        .open_jitter(0.0)
        .probes(PROBES)
        // Five good probes do not prove that 400 calls a second will do well. A service that flaps
        // would be handed the whole load each time, and with it every slot.
        .ramp(RAMP)
        .classify(Judge)
        .build()
}

/// To reqwest a 500 is an answer like any other; to us it is a failure.
#[derive(Clone)]
pub struct Judge;

impl Classify<reqwest::Response, Error<reqwest::Error>> for Judge {
    fn classify(&self, result: Result<&reqwest::Response, &Error<reqwest::Error>>) -> Outcome {
        match result {
            Ok(response) if response.status().is_server_error() => Outcome::Failure,
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }
}

/// What a service is asked with: any tower service for reqwest's requests, protected or not.
pub trait Client: Send + Sync + 'static {
    fn get(
        &self,
        url: reqwest::Url,
    ) -> impl Future<Output = Result<reqwest::Response, Error<reqwest::Error>>> + Send;
}

impl<S> Client for S
where
    S: tower::Service<
            reqwest::Request,
            Response = reqwest::Response,
            Error = Error<reqwest::Error>,
        >,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    fn get(
        &self,
        url: reqwest::Url,
    ) -> impl Future<Output = Result<reqwest::Response, Error<reqwest::Error>>> + Send {
        let request = reqwest::Request::new(reqwest::Method::GET, url);
        self.clone().oneshot(request)
    }
}

pub type Http = Adapted<reqwest::Client>;

/// The timeout is innermost, so that the breaker hears it as a failure.
fn http() -> reqwest::Result<Http> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(CLIENT_TIMEOUT)
        .build()?;
    Ok(Adapt.layer(http))
}

struct Dependency<C> {
    client: C,
    url: reqwest::Url,
}

impl<C: Client> Dependency<C> {
    fn new(service: &Service, client: C) -> Self {
        let url = service.url();
        Self { client, url }
    }

    async fn ask(&self) -> Result<String, Error<reqwest::Error>> {
        let response = self.client.get(self.url.clone()).await?;
        let response = response.error_for_status().map_err(Error::Inner)?;
        response.text().await.map_err(Error::Inner)
    }
}

struct Gateway<M> {
    catalogue: Dependency<Http>,
    member: Dependency<M>,
    order: Dependency<Http>,
}

/// The page that must survive: it never asks the member service.
async fn product_list<M: Client>(
    State(gateway): State<Arc<Gateway<M>>>,
) -> Result<String, Unavailable> {
    Ok(gateway.catalogue.ask().await?)
}

async fn member_page<M: Client>(
    State(gateway): State<Arc<Gateway<M>>>,
) -> Result<String, Unavailable> {
    let member = gateway.member.ask().await?;
    let orders = gateway.order.ask().await?;
    Ok(format!("{member}\n{orders}"))
}

struct Unavailable(Error<reqwest::Error>);

impl From<Error<reqwest::Error>> for Unavailable {
    fn from(error: Error<reqwest::Error>) -> Self {
        Self(error)
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        match self.0 {
            Error::Rejected(rejected) => {
                (StatusCode::SERVICE_UNAVAILABLE, rejected.to_string()).into_response()
            }
            Error::Inner(error) if error.is_timeout() => {
                StatusCode::GATEWAY_TIMEOUT.into_response()
            }
            Error::Inner(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }
}

/// A running copy of the shop.
pub struct Shop {
    pub address: SocketAddr,
    pub slots: Arc<Slots>,
    pub member: Service,
    /// Catalogue and order live as long as this.
    _well: watch::Sender<Mood>,
}

impl Shop {
    /// The layer around the member client is the only difference between the copies.
    pub async fn open<L>(
        protection: L,
        mood: &watch::Sender<Mood>,
    ) -> Result<Self, Box<dyn error::Error>>
    where
        L: Layer<Http, Service: Client>,
    {
        let well = watch::Sender::new(Mood::Well);
        let catalogue = Service::start(&well)?;
        let member = Service::start(mood)?;
        let order = Service::start(&well)?;

        let gateway = Gateway {
            catalogue: Dependency::new(&catalogue, http()?),
            member: Dependency::new(&member, protection.layer(http()?)),
            order: Dependency::new(&order, http()?),
        };
        let slots = Slots::new();
        let app = Router::new()
            .route("/list", get(product_list::<L::Service>))
            .route("/member", get(member_page::<L::Service>))
            .layer(from_fn_with_state(Arc::clone(&slots), take_slot))
            .with_state(Arc::new(gateway));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { serve(listener, app).await });
        Ok(Self {
            address,
            slots,
            member,
            _well: well,
        })
    }
}
