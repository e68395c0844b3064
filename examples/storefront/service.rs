//! A service behind the gateway: catalogue, member or order. Only member is ever unwell.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use reqwest::Url;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::fault::{Mood, SLOW_ANSWER};

pub struct Service {
    address: SocketAddr,
    desk: Arc<Desk>,
}

/// What a service keeps when its process dies and starts again.
struct Desk {
    mood: watch::Receiver<Mood>,
    arrivals: Mutex<Vec<Instant>>,
}

impl Service {
    /// Starts the service on a thread with a runtime of its own. To drop that runtime is as abrupt
    /// as the end of a process: the listener and every connection go at once.
    pub fn start(mood: &watch::Sender<Mood>) -> io::Result<Self> {
        let desk = Arc::new(Desk {
            mood: mood.subscribe(),
            arrivals: Mutex::default(),
        });
        let (tell, told) = mpsc::channel();
        let worker = Arc::clone(&desk);
        thread::Builder::new()
            .name("service".into())
            .spawn(move || {
                let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                loop {
                    let life = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build();
                    match life.and_then(|life| life.block_on(live(&mut address, &tell, &worker))) {
                        Ok(true) => {} // closed: the next turn opens it again, on the same port
                        Ok(false) => return,
                        Err(error) => return eprintln!("a service stopped: {error}"),
                    }
                }
            })?;
        let address = told.recv().map_err(io::Error::other)?;
        Ok(Self { address, desk })
    }

    pub fn url(&self) -> Url {
        format!("http://{}/", self.address)
            .parse()
            .expect("an address makes a URL")
    }

    /// When each request came in, read at the service itself.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.desk
            .arrivals
            .lock()
            .expect("no panic holds this lock")
            .clone()
    }
}

/// One life of the process: until the fault closes it (`true`) or the run is over (`false`).
async fn live(
    address: &mut SocketAddr,
    tell: &mpsc::Sender<SocketAddr>,
    desk: &Arc<Desk>,
) -> io::Result<bool> {
    let mut mood = desk.mood.clone();
    // Bound at once, listening only when well: so callers are refused, and nobody takes the port.
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(*address)?;
    *address = socket.local_addr()?;
    let _ = tell.send(*address);
    if mood.wait_for(|mood| *mood != Mood::Closed).await.is_err() {
        return Ok(false);
    }
    let app = Router::new()
        .route("/", get(answer))
        .with_state(Arc::clone(desk));
    let server = serve(socket.listen(1024)?, app);
    tokio::select! {
        closed = mood.wait_for(|mood| *mood == Mood::Closed) => Ok(closed.is_ok()),
        ended = async { server.await } => ended.map(|()| false),
    }
}

async fn answer(State(desk): State<Arc<Desk>>) -> Result<&'static str, StatusCode> {
    desk.arrivals
        .lock()
        .expect("no panic holds this lock")
        .push(Instant::now());
    let mut mood = desk.mood.clone();
    let now = *mood.borrow();
    match now {
        Mood::Failing => return Err(StatusCode::INTERNAL_SERVER_ERROR),
        Mood::Slow => sleep(SLOW_ANSWER).await,
        Mood::Hanging => drop(mood.wait_for(|mood| *mood != Mood::Hanging).await),
        Mood::Well | Mood::Closed => {}
    }
    Ok("here you are")
}
