//! A service that can do so much and no more: one worker, a queue before it, and a door that is shut
//! when the queue is full. The storm and the noisy neighbour strike it.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use buttress::InvalidConfig;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// What the worker can do.
pub const PER_SECOND: u32 = 500;

/// Who comes when so many wait is refused at once. Who is last in a full queue waits for 300 ms: longer
/// than a caller of the storm does.
pub const QUEUE: usize = 150;

pub struct Service {
    pub url: Url,
    desk: Arc<Desk>,
}

struct Desk {
    queue: mpsc::Sender<Work>,
    done: Arc<Mutex<Vec<Done>>>,
}

struct Work {
    since: Instant,
    caller: oneshot::Sender<()>,
}

/// One piece of work.
#[derive(Clone, Copy)]
pub struct Done {
    pub at: Instant,
    /// Nobody was there any more to take the answer.
    pub in_vain: bool,
}

impl Service {
    /// `door` is what stands before it.
    pub async fn start(
        door: impl FnOnce(Router) -> Result<Router, InvalidConfig>,
    ) -> Result<Self, Box<dyn Error>> {
        let (queue, work) = mpsc::channel(QUEUE);
        let done = Arc::default();
        tokio::spawn(worker(work, Arc::clone(&done)));
        let desk = Arc::new(Desk { queue, done });
        let app = Router::new()
            .route("/", get(answer))
            .with_state(Arc::clone(&desk));
        let app = door(app)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let url = url.parse().expect("an address makes a URL");
        tokio::spawn(async { serve(listener, app).await });
        Ok(Self { url, desk })
    }

    pub fn done(&self) -> Vec<Done> {
        let done = self.desk.done.lock();
        done.expect("no panic holds this lock").clone()
    }
}

async fn answer(State(desk): State<Arc<Desk>>) -> Result<&'static str, StatusCode> {
    let (caller, answer) = oneshot::channel();
    let since = Instant::now();
    let work = desk.queue.try_send(Work { since, caller });
    work.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    // When the caller hangs up, this is dropped; the work stays in the queue.
    answer
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("here you are")
}

/// First come, first served, and nobody tells it that a caller has left.
async fn worker(mut queue: mpsc::Receiver<Work>, done: Arc<Mutex<Vec<Done>>>) {
    let mut free = Instant::now();
    while let Some(work) = queue.recv().await {
        // From when it could be begun, and not from now: so a late timer takes nothing from the capacity.
        free = free.max(work.since) + Duration::from_secs(1) / PER_SECOND;
        sleep_until(free).await;
        let in_vain = work.caller.send(()).is_err();
        let mut done = done.lock().expect("no panic holds this lock");
        done.push(Done { at: free, in_vain });
    }
}
