//! The first act: one run, in the order of what happens.

use std::error;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

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
    /// Of A, B and C.
    pub figures: [Figures; 3],
    /// What breaker B went through.
    pub spans: Vec<Span>,
    /// For how long B's product list was hurt by the fault.
    pub hurt: Duration,
    /// What was lost of it before its breaker first opened.
    pub lost_before: usize,
    /// The machine's part in all this: see `Figures`.
    pub latest: Duration,
    pub silent: usize,
    pub bars: Vec<Bar>,
    pub verdict: Verdict,
}

pub async fn run(fault: Fault, seed: u64) -> Result<Run, Box<dyn error::Error>> {
    // Three copies, and all that differs between them.
    let mood = watch::Sender::new(Mood::Well);
    let (breaker_b, breaker_c) = (shop::breaker()?, shop::breaker()?);
    let a = Shop::open(None, &mood).await?;
    let b = Shop::open(Some(breaker_b.clone()), &mood).await?;
    let c = Shop::open(Some(breaker_c.clone()), &mood).await?;
    let witness = Witness::of(&breaker_b, b.slots.clone());

    let crowds = [Visitors::of(&a)?, Visitors::of(&b)?, Visitors::of(&c)?];
    for crowd in &crowds {
        crowd.warm_up().await?;
    }

    // One clock: the same visitors come to each, the same fault strikes all.
    let epoch = Instant::now() + Duration::from_millis(50);
    let schedule = load::schedule(seed);
    let load = crowds.map(|crowd| tokio::spawn(crowd.come(schedule.clone(), epoch)));
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
    for (shop, load) in [&a, &b, &c].into_iter().zip(load) {
        let visits = load.await?;
        let arrivals = shop.member.arrivals();
        let arrivals = arrivals
            .into_iter()
            .filter_map(|at| at.checked_duration_since(epoch))
            .collect();
        seen.push(Seen { visits, arrivals });
    }
    Ok(judge(fault, seed, &seen, &witness.moments(epoch)))
}

/// Copy C without its breaker for a while, in the middle of the outage.
async fn switch(breaker: &Breaker, epoch: Instant) {
    sleep_until(epoch + SWITCHED_OFF).await;
    breaker.disable();
    sleep_until(epoch + SWITCHED_ON).await;
    breaker.reset();
}

fn judge(fault: Fault, seed: u64, seen: &[Seen], moments: &[Moment]) -> Run {
    let figures = [0, 1, 2].map(|copy| Figures::of(&seen[copy]));
    let protected = &seen[1];
    let spans = story::spans(moments, &protected.arrivals);
    let opened = spans
        .first()
        .map_or(HEALS, |span| span.from)
        .clamp(STRIKES, HEALS);
    let hurt = cells(FAULT)
        .filter(|cell| protected.lists_lost(cell.clone()) > 0)
        .count();
    let latest = figures
        .iter()
        .map(|copy| copy.latest)
        .max()
        .unwrap_or_default();
    let bars = verdict::bars(fault, &figures, &spans);
    Run {
        fault,
        seed,
        cores: available_parallelism().map_or(1, usize::from),
        hurt: hurt as u32 * CELL,
        lost_before: protected.lists_lost(STRIKES..opened),
        latest,
        silent: figures.iter().map(|copy| copy.silent).sum(),
        verdict: verdict::verdict(&bars, latest),
        figures,
        spans,
        bars,
    }
}
