//! The first act: one run, in the order of what happens.

use std::error;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::layer::util::Identity;

use crate::bars;
use crate::fault::{ENDS, Fault, HEALS, Mood, STRIKES, SWITCHED_OFF, SWITCHED_ON};
use crate::figures::{CELL, FAULT, Figures, Seen, cells};
use crate::load::{self, Visitors};
use crate::progress::progress;
use crate::shop::{self, Breaker, Shop};
use crate::story::{self, Moment, Span, Witness};
use crate::verdict::{self, Bar, Verdict};

pub const PROMISE: &str = "ISOLATED";

/// All that a run has shown.
pub struct Run {
    pub fault: Fault,
    pub seed: u64,
    pub cores: usize,
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

pub async fn run(fault: Fault, seed: u64) -> Result<Run, Box<dyn error::Error>> {
    // Four copies, and all that differs between them.
    let mood = watch::Sender::new(Mood::Well);
    let [breaker_b, breaker_c, breaker_d] = [shop::breaker()?, shop::breaker()?, shop::breaker()?];
    let bulkhead = shop::bulkhead()?;
    let both = shop::both(breaker_d.clone(), bulkhead.clone());
    let shops = [
        Shop::open(Identity::new(), &mood).await?,
        Shop::open(breaker_b.clone(), &mood).await?,
        Shop::open(breaker_c.clone(), &mood).await?,
        Shop::open(both, &mood).await?,
    ];
    let witnesses = [
        Witness::of(&breaker_b, Arc::clone(&shops[1].slots)),
        Witness::of(&breaker_d, Arc::clone(&shops[3].slots)),
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
        switch(&breaker_c, epoch),
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
    let refused = bulkhead.snapshot().rejected;
    Ok(judge(fault, seed, &seen, moments, refused))
}

/// Copy C without its breaker for a while, in the middle of the outage.
async fn switch(breaker: &Breaker, epoch: Instant) {
    sleep_until(epoch + SWITCHED_OFF).await;
    breaker.disable();
    sleep_until(epoch + SWITCHED_ON).await;
    breaker.reset();
}

fn judge(fault: Fault, seed: u64, seen: &[Seen], moments: [Vec<Moment>; 2], refused: u64) -> Run {
    let figures = [0, 1, 2, 3].map(|copy| Figures::of(&seen[copy]));
    let [b, d] = [&seen[1], &seen[3]];
    let [b_saw, d_saw] = moments;
    let saw = [
        story::spans(&b_saw, &b.arrivals),
        story::spans(&d_saw, &d.arrivals),
    ];
    let opened = saw[0].first().map_or(HEALS, |span| span.from);
    let hurt = |copy: &Seen| {
        let hurt = cells(FAULT).filter(|cell| copy.lists_lost(cell.clone()) > 0);
        hurt.count() as u32 * CELL
    };
    let latest = figures.iter().map(|copy| copy.latest).max();
    let latest = latest.unwrap_or_default();
    let bars = bars::bars(fault, &figures, [&saw[0], &saw[1]]);
    Run {
        fault,
        seed,
        cores: available_parallelism().map_or(1, usize::from),
        hurt: [hurt(b), hurt(d)],
        lost_before: b.lists_lost(STRIKES..opened.clamp(STRIKES, HEALS)),
        refused,
        latest,
        silent: figures.iter().map(|copy| copy.silent).sum(),
        verdict: verdict::verdict(&bars, latest),
        figures,
        saw,
        bars,
    }
}
