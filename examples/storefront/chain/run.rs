//! One run of the chain, in the order of what happens.

use std::error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use buttress::reload::Reload;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::figures::{self, Checkout, Figures, Seen};
use super::service::{Caller, Next, Service};
use crate::arrivals::{self, Schedule, SplitMix64};
use crate::progress::progress;
use crate::retrying::{self, Retrying, Terms};
use crate::settings::Following;
use crate::verdict::{self, Bar, Verdict};

pub const PROMISE: &str = "CONTAINED";

/// When member fails, when it is well again, and the end.
pub const STRIKES: Duration = Duration::from_secs(1);
pub const HEALS: Duration = Duration::from_secs(4);
pub const ENDS: Duration = Duration::from_secs(5);
pub const FAULT: Range<Duration> = STRIKES..HEALS;

pub const CHECKOUTS_PER_SECOND: u32 = 100;

/// Of an attempt, at every hop and in both copies: so long that it never decides.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Who calls whom; the shop calls the first.
pub const ROW: [&str; 3] = ["checkout", "order", "member"];

/// All that a run has shown.
pub struct Chain {
    pub seed: u64,
    pub cores: usize,
    pub terms: Terms,
    /// What somebody has changed in the file meanwhile.
    pub edits: Vec<String>,
    /// Of A and B.
    pub figures: [Figures; 2],
    /// By how much the latest checkout began too late.
    pub latest: Duration,
    pub bars: Vec<Bar>,
    pub verdict: Verdict,
}

pub async fn run(seed: u64, file: &Path) -> Result<Chain, Box<dyn error::Error>> {
    let fails = watch::Sender::new(false);
    let schedule = schedule(seed);

    // Each hop has a policy of its own, with a budget of its own. They have one name, and what the file
    // says under that name is for all of them.
    let hop = || retrying::budgeted("hops");
    let hops = [hop()?, hop()?, hop()?];
    let file = hops
        .iter()
        .fold(Reload::file(file), |file, hop| file.policy(hop));
    let following = Following::start(file).await?;
    let terms = Terms::of(&hops[0])?;

    // Two copies, and all that differs between them.
    let naive = || Retrying::naive(terms.clone(), seed);
    let rows = [
        Row::open([naive(), naive(), naive()], &fails, schedule.len()).await?,
        Row::open(hops.map(Retrying::Budgeted), &fails, schedule.len()).await?,
    ];
    for row in &rows {
        row.warm_up(schedule.len()).await?;
    }

    let epoch = Instant::now() + Duration::from_millis(50);
    let load = rows
        .each_ref()
        .map(|row| tokio::spawn(come(Arc::clone(&row.shop), schedule.clone(), epoch)));
    let fault = async {
        for (at, failing) in [(STRIKES, true), (HEALS, false)] {
            sleep_until(epoch + at).await;
            fails.send_replace(failing);
        }
    };
    let says = |now| match now {
        now if now < STRIKES => "chain: healthy".into(),
        now if now < HEALS => "chain: member fails".into(),
        _ => "chain: healed".into(),
    };
    tokio::join!(fault, progress(ENDS, epoch, says));

    let mut seen = Vec::new();
    for (row, load) in rows.iter().zip(load) {
        let checkouts = load.await?;
        let came = row.services.each_ref().map(Service::came);
        seen.push(Seen { checkouts, came });
    }
    let figures = [&seen[0], &seen[1]].map(|seen| Figures::of(seen, &terms.budget));
    let checkouts = seen.iter().flat_map(|seen| &seen.checkouts);
    let latest = checkouts.map(Checkout::late).max().unwrap_or_default();
    let bars = figures::bars(&figures, &terms);
    Ok(Chain {
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

/// The checkouts have numbers.
fn schedule(seed: u64) -> Schedule<usize> {
    let mut random = SplitMix64(seed);
    let arrivals = arrivals::even(&mut random, Duration::ZERO..ENDS, CHECKOUTS_PER_SECOND);
    arrivals
        .enumerate()
        .map(|(number, at)| (at, number))
        .collect()
}

async fn come(shop: Arc<Caller>, schedule: Schedule<usize>, epoch: Instant) -> Vec<Checkout> {
    let check_out = move |number, due, late| {
        let shop = Arc::clone(&shop);
        async move {
            let answered = shop.call(number).await;
            Checkout {
                number,
                due,
                began: due + late,
                ended: epoch.elapsed(),
                answered,
            }
        }
    };
    arrivals::send_all(schedule, epoch, check_out).await
}

/// One copy: the shop, and the three services behind it.
struct Row {
    shop: Arc<Caller>,
    services: [Service; 3],
}

impl Row {
    async fn open(
        [first, second, third]: [Retrying; 3],
        fails: &watch::Sender<bool>,
        checkouts: usize,
    ) -> Result<Self, Box<dyn error::Error>> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ATTEMPT_TIMEOUT);
        let http = http.build()?;
        let caller = |retrying, of: &Service| Caller {
            retrying,
            http: http.clone(),
            url: of.url.clone(),
        };
        let member = Service::start(Next::Answer(fails.subscribe()), checkouts).await?;
        let order = Next::Ask(caller(third, &member));
        let order = Service::start(order, checkouts).await?;
        let checkout = Next::Ask(caller(second, &order));
        let checkout = Service::start(checkout, checkouts).await?;
        let shop = Arc::new(caller(first, &checkout));
        let services = [checkout, order, member];
        Ok(Self { shop, services })
    }

    /// So that no copy pays for its first connections on the clock.
    async fn warm_up(&self, nobody: usize) -> reqwest::Result<()> {
        let crowd = |_| {
            let shop = Arc::clone(&self.shop);
            async move { shop.ask(nobody).await }
        };
        let mut crowd: JoinSet<_> = (0..16).map(crowd).collect();
        while let Some(answer) = crowd.join_next().await {
            answer.expect("a caller does not panic")?;
        }
        Ok(())
    }
}
