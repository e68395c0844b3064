//! One shop: a gateway in front of its catalogue, member and order services.
//! This is a file to copy from.

use std::error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Router, serve};
use buttress::pipeline::Resilient;
use buttress::{Error, InvalidConfig, Resilience};
use reqwest::{Method, Request, Url};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::Layer;

use crate::fault::Mood;
use crate::service::Service;
use crate::slots::{Slots, take_slot};

/// The same in every copy.
pub const CLIENT_TIMEOUT: Duration = Duration::from_millis(400);

/// What stands around the member client: any patterns, in the order that works. What a failure is, and which
/// requests are sent once more, is HTTP's to say: nothing of that is said here.
pub type Protection = Resilience;

/// Which patterns there are and all their numbers are said by the file, under this name.
pub fn protection(name: &str) -> Result<Protection, InvalidConfig> {
    Resilience::builder().name(name).build()
}

/// What a service is asked with: reqwest's client, protected or not.
pub trait Client: Send + Sync + 'static {
    fn get(&self, url: Url) -> impl Future<Output = Answer<reqwest::Response>> + Send;
}

/// As a page's answer: a refusal is 503 (or 429, 504) with its reason, a broken service 502.
pub type Answer<T> = Result<T, Error<reqwest::Error>>;

impl Client for Resilient<reqwest::Client> {
    fn get(&self, url: Url) -> impl Future<Output = Answer<reqwest::Response>> + Send {
        self.execute(Request::new(Method::GET, url))
    }
}

impl Client for reqwest::Client {
    async fn get(&self, url: Url) -> Answer<reqwest::Response> {
        let request = Request::new(Method::GET, url);
        self.execute(request).await.map_err(Error::Inner)
    }
}

/// The timeout is innermost, so that the breaker hears it as a failure. It is the client's and not the
/// pipeline's, since the copy without protection has the same. Who retries is the pipeline, if anybody.
pub fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(CLIENT_TIMEOUT)
        .retry(reqwest::retry::never())
        .build()
}

pub struct Dependency<C> {
    client: C,
    url: Url,
}

impl<C: Client> Dependency<C> {
    pub fn new(url: Url, client: C) -> Self {
        Self { client, url }
    }

    pub async fn ask(&self) -> Answer<String> {
        let response = self.client.get(self.url.clone()).await?;
        let response = response.error_for_status().map_err(Error::Inner)?;
        response.text().await.map_err(Error::Inner)
    }
}

struct Gateway<M> {
    catalogue: Dependency<reqwest::Client>,
    member: Dependency<M>,
    order: Dependency<reqwest::Client>,
}

/// The page that must survive: it never asks the member service.
async fn product_list<M: Client>(State(gateway): State<Arc<Gateway<M>>>) -> Answer<String> {
    gateway.catalogue.ask().await
}

async fn member_page<M: Client>(State(gateway): State<Arc<Gateway<M>>>) -> Answer<String> {
    let member = gateway.member.ask().await?;
    let orders = gateway.order.ask().await?;
    Ok(format!("{member}\n{orders}"))
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
        L: Layer<reqwest::Client, Service: Client>,
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
