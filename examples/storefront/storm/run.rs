//! One storm, in the order of what happens.

use std::error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use buttress::reload::Reload;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::figures::{self, Call, Figures, Seen};
use crate::arrivals::{self, Schedule, SplitMix64};
use crate::limited::Service;
use crate::progress::progress;
use crate::retrying::{self, Called, Retrying, Terms};
use crate::settings::Following;
use crate::verdict::{self, Bar, Verdict};

pub const PROMISE: &str = "CONTAINED";

/// The trigger, and the end.
pub const STRIKES: Duration = Duration::from_secs(1);
pub const OVER: Duration = Duration::from_secs(3);
pub const ENDS: Duration = Duration::from_secs(7);

/// The load goes on until the last call of the run has ended: else it would end well by itself.
const TAIL: Range<Duration> = ENDS..Duration::from_secs(9);

pub const BEFORE: Range<Duration> = Duration::ZERO..STRIKES;
pub const TRIGGER: Range<Duration> = STRIKES..OVER;
pub const AFTER: Range<Duration> = OVER..ENDS;

/// Four fifths of what the service can do, and twice as much as it can.
pub const CALLS_PER_SECOND: u32 = 400;
pub const CALLS_PER_SECOND_IN_TRIGGER: u32 = 1_000;

/// Of a single attempt, in both copies.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(250);

/// All that a storm has shown.
pub struct Storm {
    pub seed: u64,
    pub cores: usize,
    pub terms: Terms,
    /// What somebody has changed in the file meanwhile.
    pub edits: Vec<String>,
    /// Of A and B.
    pub figures: [Figures; 2],
    /// By how much the latest call began too late.
    pub latest: Duration,
    pub bars: Vec<Bar>,
    pub verdict: Verdict,
}

pub async fn run(seed: u64, file: &Path) -> Result<Storm, Box<dyn error::Error>> {
    let orders = retrying::budgeted("orders")?;
    let following = Following::start(Reload::file(file).policy(&orders)).await?;
    let terms = Terms::of(&orders)?;

    // Two copies, and all that differs between them.
    let a = Shop::open(Retrying::naive(terms.clone(), seed)).await?;
    let b = Shop::open(Retrying::Budgeted(orders)).await?;
    let shops = [a, b];
    for shop in &shops {
        shop.warm_up().await?;
    }

    let epoch = Instant::now() + Duration::from_millis(50);
    let (schedule, tail) = schedules(seed);
    let come = |shop: &Arc<Shop>, schedule: &Schedule<()>| {
        tokio::spawn(Arc::clone(shop).come(schedule.clone(), epoch))
    };
    let load = shops.each_ref().map(|shop| come(shop, &schedule));
    let tails = shops.each_ref().map(|shop| come(shop, &tail));
    progress(ENDS, epoch, |now| match now {
        now if now < STRIKES => "storm: healthy".into(),
        now if now < OVER => "storm: overload".into(),
        _ => "storm: load as before".into(),
    })
    .await;

    let mut seen = Vec::new();
    for (shop, load) in shops.iter().zip(load) {
        let calls = load.await?;
        let done = shop.service.done().into_iter();
        let done = done
            .filter_map(|done| Some((done.at.checked_duration_since(epoch)?, done.in_vain)))
            .collect();
        seen.push(Seen { calls, done });
    }
    tails.iter().for_each(JoinHandle::abort);
    let figures = [&seen[0], &seen[1]].map(|seen| Figures::of(seen, &terms.budget));
    let calls = seen.iter().flat_map(|seen| &seen.calls);
    let latest = calls.map(Call::late).max().unwrap_or_default();
    let bars = figures::bars(&figures);
    Ok(Storm {
        seed,
        cores: available_parallelism().map_or(1, usize::from),
        verdict: verdict::verdict(&bars, latest),
        terms,
        edits: following.edits(epoch),
        figures,
        latest,
        bars,
    })
}

/// The calls of the run, and those that come after it.
fn schedules(seed: u64) -> (Schedule<()>, Schedule<()>) {
    let mut random = SplitMix64(seed);
    let mut arrivals = |span, rate| {
        let arrivals = arrivals::even(&mut random, span, rate);
        arrivals.map(|at| (at, ())).collect::<Vec<_>>()
    };
    let run = [
        arrivals(BEFORE, CALLS_PER_SECOND),
        arrivals(TRIGGER, CALLS_PER_SECOND_IN_TRIGGER),
        arrivals(AFTER, CALLS_PER_SECOND),
    ];
    (run.concat().into(), arrivals(TAIL, CALLS_PER_SECOND).into())
}

/// One copy: those who call, and the service that they call.
struct Shop {
    retrying: Retrying,
    http: reqwest::Client,
    service: Service,
}

impl Shop {
    async fn open(retrying: Retrying) -> Result<Arc<Self>, Box<dyn error::Error>> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ATTEMPT_TIMEOUT)
            .build()?;
        let service = Service::start(Ok).await?;
        Ok(Arc::new(Self {
            retrying,
            http,
            service,
        }))
    }

    /// So that no copy pays for its first connections on the clock.
    async fn warm_up(self: &Arc<Self>) -> reqwest::Result<()> {
        let crowd = |_| {
            let shop = Arc::clone(self);
            async move { shop.ask().await }
        };
        let mut crowd: JoinSet<_> = (0..16).map(crowd).collect();
        while let Some(answer) = crowd.join_next().await {
            answer.expect("a caller does not panic")?;
        }
        Ok(())
    }

    async fn come(self: Arc<Self>, schedule: Schedule<()>, epoch: Instant) -> Vec<Call> {
        let call = move |(), due, late| {
            let shop = Arc::clone(&self);
            async move {
                let Called { answer, attempts } = shop.retrying.call(|| shop.ask()).await;
                Call {
                    due,
                    began: due + late,
                    ended: epoch.elapsed(),
                    attempts,
                    answered: answer.is_some(),
                }
            }
        };
        arrivals::send_all(schedule, epoch, call).await
    }

    async fn ask(&self) -> reqwest::Result<String> {
        let answer = self.http.get(self.service.url.clone()).send().await?;
        answer.error_for_status()?.text().await
    }
}
