//! The gateway while it runs: what is in force, and who follows the file.

use std::error::Error;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use axum::serve::ListenerExt;
use buttress::http::DeadlineHeader;
use buttress::reload::{File, Source};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::balance::Client;
use crate::file::Settings;
use crate::table::Table;
use crate::upstream::Terms;
use crate::{admin, proxy};

/// What all requests share.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    table: RwLock<Arc<Table>>,
    terms: Terms,
    start: AtStart,
    edits: Mutex<Edits>,
}

/// What became of the file's edits.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    pub taken: u64,
    pub rejected: u64,
    /// What is wrong with the file as it is: nothing if it is in force.
    pub faults: Vec<String>,
    /// What of it will be in force after a restart only.
    pub restart: Vec<String>,
}

/// What is read at the start alone.
struct AtStart {
    listen: SocketAddr,
    admin: SocketAddr,
    deadline_header: HeaderName,
}

impl AtStart {
    fn of(settings: &Settings) -> Self {
        Self {
            listen: settings.listen,
            admin: settings.admin,
            deadline_header: settings.deadline_header.clone(),
        }
    }

    /// What is another here.
    fn other(&self, settings: &Settings) -> Vec<String> {
        let next = Self::of(settings);
        let all = [
            ("listen", self.listen.to_string(), next.listen.to_string()),
            ("admin", self.admin.to_string(), next.admin.to_string()),
            (
                "deadline_header",
                self.deadline_header.to_string(),
                next.deadline_header.to_string(),
            ),
        ];
        let other = all.into_iter().filter(|(_, now, next)| now != next);
        let other = other.map(|(name, now, next)| {
            format!("{name}: it is `{now}` until a restart, and `{next}` after it")
        });
        other.collect()
    }
}

impl Live {
    pub fn table(&self) -> Arc<Table> {
        let table = self.0.table.read().expect("no panic holds this lock");
        Arc::clone(&table)
    }

    pub fn edits(&self) -> Edits {
        self.0
            .edits
            .lock()
            .expect("no panic holds this lock")
            .clone()
    }

    /// Puts a whole text in force, or nothing of it.
    fn take(&self, text: Result<String, String>) {
        let read = text.map_err(|error| vec![error]);
        self.put(read.and_then(|text| Settings::read(&text)), Table::new);
    }

    /// `make` runs before any lock is taken, and should it panic, requests are answered as ever, it is told, and the
    /// next edit is read.
    pub fn put(
        &self,
        read: Result<Settings, Vec<String>>,
        make: fn(Settings, Option<&Table>, &Terms) -> Table,
    ) {
        let next = read.and_then(|settings| {
            let restart = self.0.start.other(&settings);
            let make = || make(settings, Some(&self.table()), &self.0.terms);
            let table = catch_unwind(AssertUnwindSafe(make));
            let failed = "the gateway failed at it, perhaps half way: its log says where";
            let table = table.map_err(|_| vec![failed.to_owned()])?;
            Ok((Arc::new(table), restart))
        });
        match next {
            Ok((next, restart)) => {
                let before = {
                    let mut table = self.0.table.write().expect("no panic holds this lock");
                    mem::replace(&mut *table, next)
                };
                drop(before);
                eprintln!("the file is in force");
                restart.iter().for_each(|it| eprintln!("but {it}"));
                self.note(|edits| {
                    edits.taken += 1;
                    edits.faults.clear();
                    edits.restart = restart;
                });
            }
            Err(faults) => {
                faults
                    .iter()
                    .for_each(|fault| eprintln!("the file is not taken: {fault}"));
                self.note(|edits| {
                    edits.rejected += 1;
                    edits.faults = faults;
                });
            }
        }
    }

    fn note(&self, change: impl FnOnce(&mut Edits)) {
        change(&mut self.0.edits.lock().expect("no panic holds this lock"));
    }

    /// Follows the file for as long as it is polled.
    async fn follow(self, mut file: File) {
        loop {
            let next = file.next().await;
            let failed = next.is_err();
            let text = next.map(|it| it.text).map_err(|error| error.to_string());
            self.take(text);
            if failed {
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Small writes are not held back for more to come: a proxy writes what it has.
fn at_once(connection: &mut TcpStream) {
    // One on which that fails is as good as gone.
    let _ = connection.set_nodelay(true);
}

const CONNECT: Duration = Duration::from_secs(2);

/// One for all upstreams. It keeps connections, and lets go of those that nobody needs.
fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // A server that is there answers that in a moment. Of one that is not, the system is told in minutes.
    connector.set_connect_timeout(Some(CONNECT));
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// A gateway that runs until this is dropped.
pub struct Running {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub live: Live,
    _tasks: JoinSet<io::Result<()>>,
}

impl Running {
    /// A file that is wrong now is an error; one that gets wrong later changes nothing.
    pub async fn start(path: &Path, bare: bool) -> Result<Self, Box<dyn Error>> {
        let mut file = File::new(path);
        let settings =
            Settings::read(&file.next().await?.text).map_err(|faults| faults.join("\n"))?;
        // Kept for ever, once: strategies are made when the code is written, or at the start.
        let header = String::leak(settings.deadline_header.as_str().to_owned());
        let terms = Terms {
            client: client(),
            deadline: DeadlineHeader::millis(header),
            bare,
        };
        let door = TcpListener::bind(settings.listen).await?;
        let back_door = TcpListener::bind(settings.admin).await?;
        let (address, admin) = (door.local_addr()?, back_door.local_addr()?);
        let start = AtStart::of(&settings);
        let table = Table::new(settings, None, &terms);
        let live = Live(Arc::new(Shared {
            table: RwLock::new(Arc::new(table)),
            terms,
            start,
            edits: Mutex::default(),
        }));
        let app = Router::new()
            .fallback(proxy::forward)
            .with_state(live.clone());
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { axum::serve(door.tap_io(at_once), app).await });
        let desk = admin::router(live.clone());
        tasks.spawn(async { axum::serve(back_door, desk).await });
        let follower = live.clone().follow(file);
        tasks.spawn(async {
            follower.await;
            Ok(())
        });
        Ok(Self {
            address,
            admin,
            live,
            _tasks: tasks,
        })
    }
}
