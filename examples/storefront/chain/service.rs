//! A service of the row: it asks the next one, and the last one answers by itself, or fails.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Router, serve};
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::retrying::{Called, Retrying};

/// Goes with every request, so that each service can tell whose it is.
const CHECKOUT: &str = "checkout";

pub struct Service {
    pub url: Url,
    desk: Arc<Desk>,
}

struct Desk {
    next: Next,
    /// How many requests came for each checkout.
    came: Mutex<Vec<u32>>,
}

/// What a service does to answer.
pub enum Next {
    Ask(Caller),
    /// The last of the row fails while this says so.
    Answer(watch::Receiver<bool>),
}

/// Whoever calls a service of the row: another one, or the shop.
pub struct Caller {
    pub retrying: Retrying,
    pub http: reqwest::Client,
    pub url: Url,
}

impl Caller {
    /// Whether an attempt brought the answer.
    pub async fn call(&self, checkout: usize) -> bool {
        let Called { answer, .. } = self.retrying.call(|| self.ask(checkout)).await;
        answer.is_some()
    }

    pub async fn ask(&self, checkout: usize) -> reqwest::Result<String> {
        let request = self.http.get(self.url.clone());
        let answer = request.header(CHECKOUT, checkout).send().await?;
        answer.error_for_status()?.text().await
    }
}

impl Service {
    /// For so many checkouts, numbered from 0.
    pub async fn start(next: Next, checkouts: usize) -> io::Result<Self> {
        let came = Mutex::new(vec![0; checkouts]);
        let desk = Arc::new(Desk { next, came });
        let app = Router::new()
            .route("/", get(answer))
            .with_state(Arc::clone(&desk));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let url = url.parse().expect("an address makes a URL");
        tokio::spawn(async { serve(listener, app).await });
        Ok(Self { url, desk })
    }

    /// How many requests came for each checkout, as this service counted them.
    pub fn came(&self) -> Vec<u32> {
        let came = self.desk.came.lock();
        came.expect("no panic holds this lock").clone()
    }
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
) -> Result<&'static str, StatusCode> {
    let checkout = headers.get(CHECKOUT).and_then(|it| it.to_str().ok());
    let checkout = checkout.and_then(|it| it.parse().ok());
    let checkout: usize = checkout.ok_or(StatusCode::BAD_REQUEST)?;
    {
        // Those who only warm up the connections have numbers beyond the last.
        let mut came = desk.came.lock().expect("no panic holds this lock");
        came.get_mut(checkout).into_iter().for_each(|it| *it += 1);
    }
    let answered = match &desk.next {
        Next::Ask(next) => next.call(checkout).await,
        Next::Answer(fails) => !*fails.borrow(),
    };
    if answered {
        Ok("here you are")
    } else {
        Err(StatusCode::SERVICE_UNAVAILABLE)
    }
}
