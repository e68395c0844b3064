//! One flood, in the order of what happens.

use std::error;
use std::ops::Range;
use std::thread::available_parallelism;
use std::time::Duration;

use reqwest::{StatusCode, header};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::door::{self, CLIENT, QUOTA};
use super::figures::{self, Figures};
use crate::arrivals::{self, Schedule, SplitMix64};
use crate::limited::Service;
use crate::progress::progress;
use crate::verdict::{self, Bar, Verdict};

pub const PROMISE: &str = "FAIR";

/// The flood, and the end.
pub const STRIKES: Duration = Duration::from_secs(1);
pub const OVER: Duration = Duration::from_secs(5);
pub const ENDS: Duration = Duration::from_secs(6);

pub const BEFORE: Range<Duration> = Duration::ZERO..STRIKES;
pub const FLOOD: Range<Duration> = STRIKES..OVER;
pub const AFTER: Range<Duration> = OVER..ENDS;

/// Each with the same quota; the first of them is the one that floods.
pub const CLIENTS: usize = 10;
pub const FLOODER: usize = 0;

/// Four fifths of the quota, and twenty times the quota.
pub const CALLS_PER_SECOND: u32 = 40;
pub const FLOOD_PER_SECOND: u32 = 20 * QUOTA.get();

/// When a client gives up: later than the longest wait in the shop's queue, so that it is the shop that
/// decides.
pub const PATIENCE: Duration = Duration::from_millis(400);

/// One call and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub client: usize,
    pub due: Duration,
    pub late: Duration,
    /// From `due`.
    pub took: Duration,
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Answered,
    /// At the door: 429, with the time to wait.
    OverQuota,
    /// The shop was full, or too slow.
    Lost,
}

/// All that a flood has shown.
pub struct Neighbour {
    pub seed: u64,
    pub cores: usize,
    /// Of A and B.
    pub figures: [Figures; 2],
    /// By how much the latest call was sent too late.
    pub latest: Duration,
    pub bars: Vec<Bar>,
    pub verdict: Verdict,
}

pub async fn run(seed: u64) -> Result<Neighbour, Box<dyn error::Error>> {
    // Two copies, and all that differs between them.
    let b = |app| door::with_quotas(app);
    let shops = [Service::start(Ok).await?, Service::start(b).await?];

    let mut crowds = Vec::new();
    for shop in &shops {
        let crowd = Clients::of(shop)?;
        crowd.warm_up().await?;
        crowds.push(crowd);
    }
    let epoch = Instant::now() + Duration::from_millis(50);
    let schedule = schedule(seed);
    let come = |crowd: Clients| tokio::spawn(crowd.come(schedule.clone(), epoch));
    let load: Vec<_> = crowds.into_iter().map(come).collect();
    progress(ENDS, epoch, |now| match now {
        now if now < STRIKES => "neighbour: quiet".into(),
        now if now < OVER => "neighbour: one client floods".into(),
        _ => "neighbour: quiet again".into(),
    })
    .await;

    let mut seen = Vec::new();
    for load in load {
        seen.push(load.await?);
    }
    let figures = [Figures::of(&seen[0]), Figures::of(&seen[1])];
    let latest = seen.iter().flatten().map(|call| call.late).max();
    let latest = latest.unwrap_or_default();
    let bars = figures::bars(&figures);
    Ok(Neighbour {
        seed,
        cores: available_parallelism().map_or(1, usize::from),
        verdict: verdict::verdict(&bars, latest),
        figures,
        latest,
        bars,
    })
}

/// Which client comes when.
fn schedule(seed: u64) -> Schedule<usize> {
    let mut random = SplitMix64(seed);
    let mut calls = Vec::new();
    for client in 0..CLIENTS {
        let in_the_flood = if client == FLOODER {
            FLOOD_PER_SECOND
        } else {
            CALLS_PER_SECOND
        };
        for (span, rate) in [
            (BEFORE, CALLS_PER_SECOND),
            (FLOOD, in_the_flood),
            (AFTER, CALLS_PER_SECOND),
        ] {
            let arrivals = arrivals::even(&mut random, span, rate);
            calls.extend(arrivals.map(|at| (at, client)));
        }
    }
    calls.sort_by_key(|(at, _)| *at);
    calls.into()
}

/// The clients of one shop.
#[derive(Clone)]
struct Clients {
    http: reqwest::Client,
    shop: reqwest::Url,
}

impl Clients {
    fn of(shop: &Service) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        Ok(Self {
            http: http.build()?,
            shop: shop.url.clone(),
        })
    }

    /// So that no copy pays for its first connections on the clock.
    async fn warm_up(&self) -> reqwest::Result<()> {
        let crowd = (0..CLIENTS).map(|client| self.clone().ask(client));
        let mut crowd: JoinSet<_> = crowd.collect();
        while let Some(answer) = crowd.join_next().await {
            answer.expect("a client does not panic")?;
        }
        Ok(())
    }

    async fn come(self, schedule: Schedule<usize>, epoch: Instant) -> Vec<Call> {
        let call = move |client, due, late| {
            let clients = self.clone();
            async move {
                let ending = clients.ask(client).await.unwrap_or(Ending::Lost);
                let took = epoch.elapsed().saturating_sub(due);
                Call {
                    client,
                    due,
                    late,
                    took,
                    // So that a busy machine flatters nobody.
                    ending: if took <= PATIENCE || ending == Ending::OverQuota {
                        ending
                    } else {
                        Ending::Lost
                    },
                }
            }
        };
        arrivals::send_all(schedule, epoch, call).await
    }

    async fn ask(self, client: usize) -> reqwest::Result<Ending> {
        let request = self.http.get(self.shop).header(CLIENT, client);
        let answer = request.send().await?;
        let told = answer.headers().contains_key(header::RETRY_AFTER);
        let status = answer.status();
        answer.bytes().await?;
        Ok(match status {
            StatusCode::OK => Ending::Answered,
            StatusCode::TOO_MANY_REQUESTS if told => Ending::OverQuota,
            _ => Ending::Lost,
        })
    }
}
