//! The first act: one run, in the order of what happens.

use std::error;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use buttress::breaker::{self, Order};
use buttress::bulkhead;
use buttress::reload::Reload;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::layer::util::Identity;

use crate::bars;
use crate::fault::{ENDS, Fault, HEALS, Mood, STRIKES, SWITCHED_OFF, SWITCHED_ON};
use crate::figures::{CELL, FAULT, Figures, Seen, cells};
use crate::load::{self, Visitors};
use crate::progress::progress;
use crate::settings::Following;
use crate::shop::{self, Protection, Shop};
use crate::story::{self, Moment, Span, Witness};
use crate::verdict::{self, Bar, Verdict};

pub const PROMISE: &str = "ISOLATED";

/// All that a run has shown.
pub struct Run {
    pub fault: Fault,
    pub seed: u64,
    pub cores: usize,
    /// Of B and D, as they were when it began.
    pub policies: [Policy; 2],
    /// What somebody has changed in the file meanwhile.
    pub edits: Vec<String>,
    /// Of A, B, C and D.
    pub figures: [Figures; 4],
    /// What the breakers of B and D went through.
    pub saw: [Vec<Span>; 2],
    /// For how long the product lists of B and D were hurt by the fault.
    pub hurt: [Duration; 2],
    /// What was lost of B's before its breaker first opened.
    pub lost_before: usize,
    /// How many calls D's bulkhead refused.
    pub refused: u64,
    /// The machine's part in all this: see `Figures`.
    pub latest: Duration,
    pub silent: usize,
    pub bars: Vec<Bar>,
    pub verdict: Verdict,
}

/// What the file says of a copy: these two are what this act is about.
pub struct Policy {
    pub breaker: breaker::Config,
    pub bulkhead: Option<bulkhead::Config>,
}

impl Policy {
    fn of(protection: &Protection) -> Result<Self, String> {
        let config = protection.config();
        let name = protection.name();
        let none = || format!("policies.{name}.breaker: none, and this act needs one");
        Ok(Self {
            breaker: config.breaker.ok_or_else(none)?,
            bulkhead: config.bulkhead,
        })
    }
}

pub async fn run(fault: Fault, seed: u64, file: &Path) -> Result<Run, Box<dyn error::Error>> {
    // Four copies, and all that differs between them.
    let mood = watch::Sender::new(Mood::Well);
    let [b, c] = [shop::protection("breaker")?, shop::protection("breaker")?];
    let d = shop::protection("breaker-and-bulkhead")?;
    let shops = [
        Shop::open(Identity::new(), &mood).await?,
        Shop::open(b.clone(), &mood).await?,
        Shop::open(c.clone(), &mood).await?,
        Shop::open(d.clone(), &mood).await?,
    ];
    let file = Reload::file(file).policy(&b).policy(&c).policy(&d);
    let following = Following::start(file).await?;
    let policies = [Policy::of(&b)?, Policy::of(&d)?];
    let witnesses = [
        Witness::of(&b, Arc::clone(&shops[1].slots)),
        Witness::of(&d, Arc::clone(&shops[3].slots)),
    ];

    let mut crowds = Vec::new();
    for shop in &shops {
        let crowd = Visitors::of(shop)?;
        crowd.warm_up().await?;
        crowds.push(crowd);
    }

    // One clock: the same visitors come to each, the same fault strikes all.
    let epoch = Instant::now() + Duration::from_millis(50);
    let schedule = load::schedule(seed);
    let come = |crowd: Visitors| tokio::spawn(crowd.come(schedule.clone(), epoch));
    let load: Vec<_> = crowds.into_iter().map(come).collect();
    tokio::join!(
        fault.play(epoch, &mood),
        switch(&c, epoch),
        progress(ENDS, epoch, |now| match now {
            now if now < STRIKES => format!("{}: healthy", fault.name()),
            now if now < HEALS => format!("{}: member is unwell", fault.name()),
            _ => format!("{}: healed", fault.name()),
        })
    );

    let mut seen = Vec::new();
    for (shop, load) in shops.iter().zip(load) {
        let visits = load.await?;
        let arrivals = shop.member.arrivals();
        let arrivals = arrivals
            .into_iter()
            .filter_map(|at| at.checked_duration_since(epoch))
            .collect();
        seen.push(Seen {
            visits,
            arrivals,
            fullest: shop.slots.fullest(),
        });
    }
    let moments = witnesses.map(|witness| witness.moments(epoch));
    let bulkhead = d.snapshot().bulkhead;
    let run = judge(fault, seed, policies, &seen, moments);
    Ok(Run {
        refused: bulkhead.map_or(0, |bulkhead| bulkhead.rejected),
        edits: following.edits(epoch),
        ..run
    })
}

/// Copy C without its breaker for a while, in the middle of the outage.
async fn switch(protection: &Protection, epoch: Instant) {
    sleep_until(epoch + SWITCHED_OFF).await;
    protection.order(Order::Disable);
    sleep_until(epoch + SWITCHED_ON).await;
    protection.order(Order::Reset);
}

fn judge(
    fault: Fault,
    seed: u64,
    policies: [Policy; 2],
    seen: &[Seen],
    moments: [Vec<Moment>; 2],
) -> Run {
    let figures = [0, 1, 2, 3].map(|copy| Figures::of(&seen[copy]));
    let [b, d] = [&seen[1], &seen[3]];
    let [b_saw, d_saw] = moments;
    let probes = policies.each_ref().map(|policy| policy.breaker.probes);
    let saw = [
        story::spans(&b_saw, &b.arrivals, probes[0]),
        story::spans(&d_saw, &d.arrivals, probes[1]),
    ];
    let opened = saw[0].first().map_or(HEALS, |span| span.from);
    let hurt = |copy: &Seen| {
        let hurt = cells(FAULT).filter(|cell| copy.lists_lost(cell.clone()) > 0);
        hurt.count() as u32 * CELL
    };
    let latest = figures.iter().map(|copy| copy.latest).max();
    let latest = latest.unwrap_or_default();
    let open_for = policies.each_ref().map(|policy| policy.breaker.open_for);
    let bars = bars::bars(fault, &figures, [&saw[0], &saw[1]], open_for);
    Run {
        fault,
        seed,
        cores: available_parallelism().map_or(1, usize::from),
        policies,
        edits: Vec::new(),
        hurt: [hurt(b), hurt(d)],
        lost_before: b.lists_lost(STRIKES..opened.clamp(STRIKES, HEALS)),
        refused: 0,
        latest,
        silent: figures.iter().map(|copy| copy.silent).sum(),
        verdict: verdict::verdict(&bars, latest),
        figures,
        saw,
        bars,
    }
}
