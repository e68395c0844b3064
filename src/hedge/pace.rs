//! How long to wait before a hedge: the settings in force, and what the percentile is taken from.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    config::{Config, Delay, Percentile},
    histogram::{BUCKETS, Count, bucket_of, quantile},
    ring::{Ring, SLOTS},
};
use crate::sys::{AtomicU64, Line, Mutex, Now, OnceLock, Ordering, nanos_between};

/// No latency is measured.
const NEVER: u64 = u64::MAX;
/// Somebody takes the percentile just now.
const SOON: u64 = u64::MAX - 1;
/// How often in a window it is taken.
const RENEWALS: u64 = 64;

#[derive(Debug)]
pub(super) struct Pace {
    quick: Line<Quick>,
    /// Times are counted from here.
    origin: Instant,
    /// Made when the first percentile is asked for: 28 kB, and half as much to add it up.
    ring: OnceLock<Ring>,
    plan: Mutex<Plan>,
}

/// What a call reads: written only under the plan's lock, but for `renew_at`. All relaxed: each is
/// whole by itself.
#[derive(Debug)]
struct Quick {
    /// When the percentile is to be taken again; or [`NEVER`], or [`SOON`].
    renew_at: AtomicU64,
    /// The delay in force.
    delay: AtomicU64,
    max_hedges: AtomicU64,
}

#[derive(Debug)]
struct Plan {
    config: Config,
    /// The length of a slot, in nanoseconds, and the number of the running one since the origin.
    slot: u64,
    number: u64,
    counts: Vec<Count>,
}

/// What a percentile was taken from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) delay: Duration,
    pub(super) completed: u64,
    pub(super) cut_short: u64,
}

impl Pace {
    pub(super) fn new(config: Config) -> Self {
        let pace = Self {
            quick: Line(Quick {
                renew_at: AtomicU64::new(NEVER),
                delay: AtomicU64::new(0),
                max_hedges: AtomicU64::new(0),
            }),
            origin: Now::lazy().get(),
            ring: OnceLock::new(),
            plan: Mutex::new(Plan {
                config,
                slot: 0,
                number: 0,
                counts: Vec::new(),
            }),
        };
        pace.reconfigure(config, 0);
        pace
    }

    /// A call arrives. Whether its latency is to be measured; if not, no clock is read.
    #[inline]
    pub(super) fn arrive(&self, now: &Now) -> bool {
        match self.quick.renew_at.load(Ordering::Relaxed) {
            NEVER => false,
            renew_at => {
                let nanos = nanos_between(self.origin, now.get());
                if nanos >= renew_at {
                    self.renew(renew_at, nanos);
                }
                true
            }
        }
    }

    /// An attempt ended, or was cut short, at this age.
    #[inline]
    pub(super) fn record(&self, age: Duration, completed: bool) {
        let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        if let Some(ring) = self.ring.get() {
            ring.record(bucket_of(nanos), completed);
        }
    }

    #[inline]
    pub(super) fn delay(&self) -> Duration {
        Duration::from_nanos(self.quick.delay.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn max_hedges(&self) -> u32 {
        self.quick.max_hedges.load(Ordering::Relaxed) as u32
    }

    pub(super) fn config(&self) -> Config {
        self.plan.lock().config
    }

    /// Takes other settings. Whether what was measured had to be forgotten.
    pub(super) fn reconfigure(&self, config: Config, nanos: u64) -> bool {
        let plan = &mut *self.plan.lock();
        let was = std::mem::replace(&mut plan.config, config);
        self.quick
            .max_hedges
            .store(u64::from(config.max_hedges), Ordering::Relaxed);
        let Delay::Percentile(percentile) = config.delay else {
            self.quick.renew_at.store(NEVER, Ordering::Relaxed);
            self.take(plan, nanos);
            return false;
        };
        let ring = self.ring.get_or_init(|| Ring::new(BUCKETS));
        plan.counts.resize(BUCKETS, Count::default());
        let slot = slot(percentile);
        let other = slot != plan.slot;
        if other {
            plan.slot = slot;
            plan.number = nanos / slot;
            ring.turn(SLOTS as u64);
        }
        self.take(plan, nanos);
        other && matches!(was.delay, Delay::Percentile(_))
    }

    /// Takes the percentile now.
    pub(super) fn look(&self, nanos: u64) -> Seen {
        self.take(&mut self.plan.lock(), nanos)
    }

    /// For a clock of one's own.
    pub(super) fn nanos(&self, now: &Now) -> u64 {
        nanos_between(self.origin, now.get())
    }

    /// The first to find it due takes the percentile; all others go on with the one before.
    #[cold]
    #[inline(never)]
    fn renew(&self, renew_at: u64, nanos: u64) {
        let relaxed = Ordering::Relaxed;
        let due = &self.quick.renew_at;
        // Should the settings change in between, it is taken, or not, by the new ones.
        if due
            .compare_exchange(renew_at, SOON, relaxed, relaxed)
            .is_ok()
        {
            self.take(&mut self.plan.lock(), nanos);
        }
    }

    /// Moves the window on, takes the percentile and puts the delay in force.
    fn take(&self, plan: &mut Plan, nanos: u64) -> Seen {
        let (seen, renew_at) = match (plan.config.delay, self.ring.get()) {
            (Delay::Percentile(percentile), Some(ring)) => {
                let number = nanos / plan.slot;
                ring.turn(number.saturating_sub(plan.number));
                plan.number = plan.number.max(number);
                ring.sum(&mut plan.counts);
                let renew_after = (plan.slot / (RENEWALS / SLOTS as u64)).max(1);
                let renew_at = nanos.saturating_add(renew_after).min(SOON - 1);
                (estimate(&plan.counts, percentile), Some(renew_at))
            }
            (Delay::Percentile(Percentile { until: delay, .. }) | Delay::Fixed(delay), _) => {
                let fixed = Seen {
                    delay,
                    ..Seen::default()
                };
                (fixed, None)
            }
        };
        let delay = u64::try_from(seen.delay.as_nanos()).unwrap_or(u64::MAX);
        self.quick.delay.store(delay, Ordering::Relaxed);
        if let Some(renew_at) = renew_at {
            self.quick.renew_at.store(renew_at, Ordering::Relaxed);
        }
        seen
    }
}

fn estimate(counts: &[Count], percentile: Percentile) -> Seen {
    let completed = counts.iter().map(|count| count.completed).sum();
    let cut_short = counts.iter().map(|count| count.cut_short).sum();
    let enough = completed >= u64::from(percentile.min_samples);
    let taken = quantile(counts, percentile.quantile).filter(|_| enough);
    Seen {
        // Zero is never meant: it would send a hedge with every call.
        delay: taken.map_or(percentile.until, |nanos| Duration::from_nanos(nanos.max(1))),
        completed,
        cut_short,
    }
}

/// Its length in nanoseconds, rounded up.
fn slot(percentile: Percentile) -> u64 {
    let nanos = u64::try_from(percentile.window.as_nanos()).unwrap_or(u64::MAX);
    nanos.div_ceil(SLOTS as u64).max(1)
}
