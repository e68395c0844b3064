//! One shop: a gateway in front of its catalogue, member and order services.
//! This is a file to copy from.

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
use buttress::{Adapt, Adapted, Classify, Error, InvalidConfig, Outcome, Resilience};
use reqwest::Request;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::{Layer, ServiceExt};

use crate::fault::Mood;
use crate::service::Service;
use crate::slots::{Slots, take_slot};

/// The same in every copy.
pub const CLIENT_TIMEOUT: Duration = Duration::from_millis(400);

/// What stands around the member client: any patterns, in the order that works.
pub type Protection = Resilience<Judge, Again>;

/// How a request is sent once more: not one whose body is a stream.
pub type Again = fn(&Request) -> Option<Request>;

/// Code says what a failure is, and how a request is sent once more. Which patterns there are and all
/// their numbers are said by the file, under this name.
pub fn protection(name: &str) -> Result<Protection, InvalidConfig> {
    Resilience::builder()
        .name(name)
        .classify(Judge)
        .replay(Request::try_clone as Again)
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
    S: tower::Service<Request, Response = reqwest::Response, Error = Error<reqwest::Error>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    fn get(
        &self,
        url: reqwest::Url,
    ) -> impl Future<Output = Result<reqwest::Response, Error<reqwest::Error>>> + Send {
        let request = Request::new(reqwest::Method::GET, url);
        self.clone().oneshot(request)
    }
}

pub type Http = Adapted<reqwest::Client>;

/// The timeout is innermost, so that the breaker hears it as a failure. It is the client's and not the
/// pipeline's, since the copy without protection has the same.
pub fn http() -> reqwest::Result<Http> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(CLIENT_TIMEOUT)
        .build()?;
    Ok(Adapt.layer(http))
}

pub struct Dependency<C> {
    client: C,
    url: reqwest::Url,
}

impl<C: Client> Dependency<C> {
    pub fn new(url: reqwest::Url, client: C) -> Self {
        Self { client, url }
    }

    pub async fn ask(&self) -> Result<String, Error<reqwest::Error>> {
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
            catalogue: Dependency::new(catalogue.url(), http()?),
            member: Dependency::new(member.url(), protection.layer(http()?)),
            order: Dependency::new(order.url(), http()?),
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
