//! One shop: a gateway in front of its catalogue, member and order services.
//! This is the file to copy from.

use std::error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve};
use buttress::{Adapt, CircuitBreaker, Classify, Error, InvalidConfig, Outcome};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::fault::Mood;
use crate::service::Service;

/// The same in every copy.
pub const CLIENT_TIMEOUT: Duration = Duration::from_millis(400);
pub const SLOTS: usize = 64;

/// The breaker of copies B and C.
pub const WINDOW: u32 = 100;
pub const RATIO: f64 = 0.5;
pub const MIN_CALLS: u32 = 20;
pub const SLOW_CALL: Duration = Duration::from_millis(200);
pub const OPEN_FOR: Duration = Duration::from_secs(1);
pub const PROBES: u32 = 5;
pub const RAMP: Duration = Duration::from_secs(2);

pub type Breaker = CircuitBreaker<Judge>;

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

type Client = BoxCloneSyncService<reqwest::Request, reqwest::Response, Error<reqwest::Error>>;

struct Dependency {
    client: Client,
    url: reqwest::Url,
}

impl Dependency {
    fn new(service: &Service, breaker: Option<Breaker>) -> reqwest::Result<Self> {
        // The timeout is innermost, so that the breaker hears it as a failure.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(CLIENT_TIMEOUT)
            .build()?;
        // Whether there is a breaker is the only difference between the copies.
        let client = ServiceBuilder::new()
            .option_layer(breaker)
            .layer(Adapt)
            .service(http);
        Ok(Self {
            client: BoxCloneSyncService::new(client),
            url: service.url(),
        })
    }

    async fn ask(&self) -> Result<String, Error<reqwest::Error>> {
        let request = reqwest::Request::new(reqwest::Method::GET, self.url.clone());
        let response = self.client.clone().oneshot(request).await?;
        let response = response.error_for_status().map_err(Error::Inner)?;
        response.text().await.map_err(Error::Inner)
    }
}

struct Gateway {
    catalogue: Dependency,
    member: Dependency,
    order: Dependency,
}

/// The page that must survive: it never asks the member service.
async fn product_list(State(gateway): State<Arc<Gateway>>) -> Result<String, Unavailable> {
    Ok(gateway.catalogue.ask().await?)
}

async fn member_page(State(gateway): State<Arc<Gateway>>) -> Result<String, Unavailable> {
    let member = gateway.member.ask().await?;
    let orders = gateway.order.ask().await?;
    Ok(format!("{member}\n{orders}"))
}

/// The body of an answer that got no slot.
pub const NO_SLOT: &str = "no slot is free";

/// Every request holds a slot until it is answered: so a hang in one service reaches every page.
async fn take_slot(State(slots): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match slots.try_acquire() {
        Ok(_slot) => next.run(request).await,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, NO_SLOT).into_response(),
    }
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
    pub slots: Arc<Semaphore>,
    pub member: Service,
    /// Catalogue and order live as long as this.
    _well: watch::Sender<Mood>,
}

impl Shop {
    pub async fn open(
        breaker: Option<Breaker>,
        mood: &watch::Sender<Mood>,
    ) -> Result<Self, Box<dyn error::Error>> {
        let well = watch::Sender::new(Mood::Well);
        let catalogue = Service::start(&well)?;
        let member = Service::start(mood)?;
        let order = Service::start(&well)?;

        let gateway = Gateway {
            catalogue: Dependency::new(&catalogue, None)?,
            member: Dependency::new(&member, breaker)?,
            order: Dependency::new(&order, None)?,
        };
        let slots = Arc::new(Semaphore::new(SLOTS));
        let app = Router::new()
            .route("/list", get(product_list))
            .route("/member", get(member_page))
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
