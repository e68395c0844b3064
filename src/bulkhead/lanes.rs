//! What threads have for themselves of many places.
//!
//! # Implementation details
//!
//! With many places the one word of the [room](super::room) would be what all cores fight over. So while
//! there are many, and nobody waits, a place that is given back stays in the *lane* of the thread that
//! gave it, and the next call of that thread takes it from there; neither touches the word, for which
//! the places in lanes are taken. A lane changes by compare-and-swap, and never while it is closed.
//!
//! *Who has the room's lock closes the lanes first*, and puts what was in them into the word: so all that
//! the room says holds as it stands under the lock, and while somebody waits. An arrival that finds nothing
//! in its own lane and nothing in the word goes for the lock, and so finds what others have. The lanes open
//! again when somebody gives a place to a word that has half of all places by then: between one closing
//! and the next lie as many calls.
//!
//! Nobody is refused at a glance while lanes are open. That they were closed throughout a glance is told
//! by a number that is read before and after, as with a sequence lock. It is odd before the first lane
//! opens, and whoever sees the word change after that has seen the number, since opening writes to the
//! word in between (release, against the glance's acquire); and it is even only when what was in the lanes
//! is in the word (release again). A lane is taken from by acquire and given to by release, and closed
//! by acquire, for whoever takes from the word afterwards.

use super::config::Config;
use crate::sys::{AtomicU64, Line, Ordering, own_lane};

#[derive(Debug)]
pub(super) struct Lanes {
    /// How many places are in each, or [`CLOSED`].
    stocks: Box<[Line<AtomicU64>]>,
    /// Counts how often they were opened and closed: odd while they are open. Changes under the lock.
    phase: AtomicU64,
    /// They open when so many places are free. Changes under the lock.
    open_at: AtomicU64,
    spread: Spread,
}

/// Into how many lanes places are spread, a power of two or none, and from which limit on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) lanes: usize,
    pub(super) from: u32,
}

impl Spread {
    pub(super) const WIDE: Self = Self { lanes: 4, from: 32 };

    /// For rooms that are kept by the thousand.
    pub(super) const NONE: Self = Self { lanes: 0, from: 0 };

    fn open_at(self, config: &Config) -> u64 {
        match config.max_concurrent {
            limit if self.lanes > 0 && limit >= self.from => (limit / 2).into(),
            _ => NEVER,
        }
    }
}

/// No lane holds so many.
const CLOSED: u64 = u64::MAX;

/// No word has so many free.
const NEVER: u64 = i64::MAX as u64;

impl Lanes {
    /// Open from the start, if they ever are.
    pub(super) fn new(config: &Config, spread: Spread) -> Self {
        let open_at = spread.open_at(config);
        let (phase, stock) = if open_at == NEVER {
            (0, CLOSED)
        } else {
            (1, 0)
        };
        let stocks = (0..spread.lanes).map(|_| Line(AtomicU64::new(stock)));
        Self {
            stocks: stocks.collect(),
            phase: AtomicU64::new(phase),
            open_at: AtomicU64::new(open_at),
            spread,
        }
    }

    /// There is nothing in this thread's.
    #[inline]
    pub(super) fn is_bare(&self) -> bool {
        let own = own_lane(&self.stocks).map_or(0, |own| own.load(Ordering::Relaxed));
        own == 0 || own == CLOSED
    }

    /// Takes a place from this thread's.
    #[inline]
    pub(super) fn take(&self) -> bool {
        let Some(own) = own_lane(&self.stocks) else {
            return false;
        };
        let mut stock = own.load(Ordering::Relaxed);
        while stock != 0 && stock != CLOSED {
            let (taken, failed) = (Ordering::Acquire, Ordering::Relaxed);
            match own.compare_exchange_weak(stock, stock - 1, taken, failed) {
                Ok(_) => return true,
                Err(other) => stock = other,
            }
        }
        false
    }

    /// Gives a place to this thread's.
    #[inline]
    pub(super) fn give(&self) -> bool {
        let Some(own) = own_lane(&self.stocks) else {
            return false;
        };
        let mut stock = own.load(Ordering::Relaxed);
        while stock != CLOSED {
            let (given, failed) = (Ordering::Release, Ordering::Relaxed);
            match own.compare_exchange_weak(stock, stock + 1, given, failed) {
                Ok(_) => return true,
                Err(other) => stock = other,
            }
        }
        false
    }

    /// The phase, if they are closed and the word is the whole truth.
    pub(super) fn closed(&self) -> Option<u64> {
        let phase = self.phase.load(Ordering::Acquire);
        (phase % 2 == 0).then_some(phase)
    }

    /// They have not been opened since. Ask after an acquiring look at the word.
    pub(super) fn still(&self, phase: u64) -> bool {
        self.phase.load(Ordering::Relaxed) == phase
    }

    /// All places are in the word from now on. Under the lock.
    pub(super) fn close(&self, free: &AtomicU64) {
        let phase = self.phase.load(Ordering::Relaxed);
        if phase % 2 == 1 {
            let stocks = self.stocks.iter();
            let stocks = stocks.map(|lane| lane.swap(CLOSED, Ordering::Acquire));
            free.fetch_add(stocks.sum(), Ordering::Release);
            self.phase.store(phase + 1, Ordering::Release);
        }
    }

    /// With so many free places they open.
    #[inline]
    pub(super) fn would_open(&self, free: i64) -> bool {
        free >= self.open_at.load(Ordering::Relaxed) as i64
    }

    /// Under the lock, while they are closed, and only if nobody waits.
    pub(super) fn open(&self, free: &AtomicU64) {
        if self.would_open(free.load(Ordering::Relaxed) as i64) {
            let phase = self.phase.load(Ordering::Relaxed);
            self.phase.store(phase + 1, Ordering::Relaxed);
            free.fetch_add(0, Ordering::Release);
            for lane in &self.stocks {
                lane.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Under the lock.
    pub(super) fn reconfigure(&self, config: &Config) {
        let open_at = self.spread.open_at(config);
        self.open_at.store(open_at, Ordering::Relaxed);
    }
}
