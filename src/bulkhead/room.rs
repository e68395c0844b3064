//! The places and the queue for them: reads no clock, emits nothing, and lock-light.
//!
//! # Implementation details
//!
//! One word says how many places are *free*: the limit, less the calls that run, less the calls that
//! wait. So it is below zero while somebody waits (and while more run than may, after the limit was
//! lowered), and a single subtraction tells an arrival whether there is a place that nobody is owed:
//! what it takes away from is above zero. Giving back is a single addition, and if what it adds to is
//! not below zero, nobody waits and that is all. Both are one locked instruction, and never repeated,
//! as a compare-and-swap would be by a second thread.
//!
//! All else happens under the lock, where the queue is, in order of arrival. There one rule holds the
//! two together: *no more may wait than the word is below zero*. Whoever gives to a word below zero takes
//! the lock afterwards and lets the first ones in until the rule holds again. To be
//! let in is to be gone from the queue; the waiter finds out when it looks.
//!
//! An arrival that took away from nothing is one that the word already counts and the queue does not. It
//! takes the lock, too, and stands last in line for a moment: if the rule lets even it in, a place came
//! free in between and is its own; else it joins the queue, or, if there is no room, takes back what it
//! subtracted. Until it has the lock the word
//! is one lower than the calls account for; so others may queue for a place that is this one's to take
//! or to pass on, and if it passes it on, it does so to them. No place is lost between two who both make
//! way for the other.
//!
//! A wait given up makes the queue shorter by one and the word higher by one, and the rule holds as it did.
//! If its owner had just been let in, it has a place to give like any other.
//!
//! A limit raised is so many places given; one lowered subtracts. Who gives back then adds to a number below
//! zero, finds under the lock that nobody may come in for it, and that is all: calls that run end in peace.
//!
//! In *shadow* nobody waits. An arrival that would stand in line takes back what it subtracted, and runs
//! beside the places; it has none to give. Those who wait when shadow begins are let in, as under a limit
//! that has been lowered since: the word stays below zero until as many have given.
//!
//! With many places, threads have some of them for themselves, in [lanes](super::lanes), which are closed
//! whenever somebody has the lock, or waits: then the word has them all.
//!
//! Orderings: to take is to acquire and to give is to release, so that what a call did happens before
//! what the next one in its place does (with one place that is mutual exclusion). The word only ever
//! changes by read-modify-write, so whoever acquires, acquires from all who gave before. One who is let
//! in under the lock looks at the word with acquire on the waiter's behalf, and the lock hands that on
//! to the waiter. The glance at the door lets nobody in. It refuses only what was full at a moment
//! between the arrival and the answer: places and queue are read at different times, but while a queue
//! is full, or becomes so, no place is free; and the lanes were closed throughout. What a full room does
//! with an arrival stands on its *door*: how many may queue, or that the room is in shadow. Limit and door
//! are two words, and one's old value is not to meet the other's new one. So the door counts its changes,
//! says that it is changing before the limit does (release, against the glance's acquire of the word) and
//! what holds from then on only when all has changed (release, against the acquire of the door); and a
//! glance is believed only if the door was the same before and after it.

use std::{
    collections::BTreeMap,
    mem,
    ops::DerefMut,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
    time::Duration,
};

use super::{
    config::Config,
    lanes::{Lanes, Spread},
};
use crate::sys::{AtomicU64, Mutex, Ordering};

#[derive(Debug)]
#[repr(C)]
pub(super) struct Room {
    /// Limit - running - waiting, in two's complement. First of all, since every call writes to it
    /// and to the count of references before the policy: on one cache line, they move between cores
    /// together.
    free: AtomicU64,
    queue: Mutex<Queue>,
    door: Door,
    lanes: Lanes,
}

/// What an arrival reads when no place is free. Changes only under the lock.
#[derive(Debug)]
struct Door {
    queued: AtomicU64,
    /// Below, how many may queue, or [`SHADOW`], or [`CHANGING`]; above, how often that has changed.
    sign: AtomicU64,
}

/// Nobody queues, and nobody is refused.
const SHADOW: u32 = u32::MAX;

/// More than ever queue: ask under the lock.
const CHANGING: u32 = u32::MAX - 1;

impl Door {
    fn new(config: &Config) -> Self {
        Self {
            queued: AtomicU64::new(0),
            sign: AtomicU64::new(Self::says(config).into()),
        }
    }

    fn says(config: &Config) -> u32 {
        if config.shadow {
            SHADOW
        } else {
            config.max_queue
        }
    }

    /// Under the lock.
    fn change(&self, to: u32, changes: u64) {
        let before = self.sign.load(Ordering::Relaxed) >> 32;
        let sign = (before + changes) << 32 | u64::from(to);
        self.sign.store(sign, Ordering::Release);
    }
}

#[derive(Debug)]
struct Queue {
    config: Config,
    /// By arrival. Nothing for one that has not been polled yet.
    waiting: BTreeMap<u64, Option<Waker>>,
    /// Whoever waits next has this turn.
    turns: u64,
    /// More cannot be running.
    most: u64,
    waits: u64,
    waited: Duration,
}

/// The answer to an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Granted,
    Full,
    Wait(Turn),
    /// There is no place, and in shadow the call runs without one.
    Beside,
}

/// What an arrival can tell without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glance {
    /// There may be a place, or room in the queue.
    Unsure,
    /// For certain there is neither.
    Full,
    /// For certain there is no place, and the room is in shadow.
    Beside,
}

/// A turn in the queue, and how long it may be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) number: u64,
    pub(super) max_wait: Duration,
}

/// A room at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) limit: u32,
    pub(super) in_flight: u64,
    pub(super) queued: u64,
    pub(super) waits: u64,
    pub(super) waited: Duration,
}

impl Room {
    pub(super) fn new(config: Config, spread: Spread) -> Self {
        Self {
            free: AtomicU64::new(config.max_concurrent.into()),
            queue: Mutex::new(Queue {
                config,
                waiting: BTreeMap::new(),
                turns: 0,
                most: config.max_concurrent.into(),
                waits: 0,
                waited: Duration::ZERO,
            }),
            door: Door::new(&config),
            lanes: Lanes::new(&config, spread),
        }
    }

    /// Is there a place, or room in the queue?
    #[inline]
    pub(super) fn glance(&self) -> Glance {
        if self.lanes.is_bare() && self.free.load(Ordering::Relaxed) as i64 <= 0 {
            self.glance_closely()
        } else {
            Glance::Unsure
        }
    }

    #[inline(never)]
    pub(super) fn glance_closely(&self) -> Glance {
        let mut closed = self.lanes.closed();
        if closed.is_none() {
            // Other threads may have some.
            drop(self.lock());
            closed = self.lanes.closed();
        }
        let Some(phase) = closed else {
            return Glance::Unsure;
        };
        let sign = self.door.sign.load(Ordering::Acquire);
        let free = self.free.load(Ordering::Acquire) as i64;
        let queued = self.door.queued.load(Ordering::Relaxed);
        let says = sign as u32;
        let is_full = free <= 0
            && (says == SHADOW || queued >= says.into())
            && self.door.sign.load(Ordering::Relaxed) == sign
            && self.lanes.still(phase);
        match is_full {
            true if says == SHADOW => Glance::Beside,
            true => Glance::Full,
            false => Glance::Unsure,
        }
    }

    /// A call arrives. A granted one has a place to [give](Self::give) back.
    #[inline]
    pub(super) fn enter(&self) -> Entry {
        if self.lanes.take() {
            return Entry::Granted;
        }
        match self.glance() {
            Glance::Unsure => {}
            Glance::Full => return Entry::Full,
            Glance::Beside => return Entry::Beside,
        }
        if self.free.fetch_sub(1, Ordering::Acquire) as i64 > 0 {
            return Entry::Granted;
        }
        self.line_up()
    }

    /// The lock, and with it all places in the one word.
    fn lock(&self) -> impl DerefMut<Target = Queue> + '_ {
        let queue = self.queue.lock();
        self.lanes.close(&self.free);
        queue
    }

    /// What is free has been taken away from already.
    #[cold]
    #[inline(never)]
    fn line_up(&self) -> Entry {
        let mut called = Called::default();
        let queue = &mut *self.lock();
        while queue.len() + 1 > self.owed() {
            match queue.waiting.pop_first() {
                Some((_, waker)) => called.add(waker),
                None => {
                    self.count(queue);
                    return Entry::Granted;
                }
            }
        }
        let entry = if !queue.config.shadow && queue.len() < queue.config.max_queue.into() {
            let number = queue.turns;
            queue.turns += 1;
            queue.waiting.insert(number, None);
            Entry::Wait(Turn {
                number,
                max_wait: queue.config.max_wait,
            })
        } else {
            self.free.fetch_add(1, Ordering::Relaxed);
            if queue.config.shadow {
                Entry::Beside
            } else {
                Entry::Full
            }
        };
        self.count(queue);
        entry
    }

    /// A call has ended.
    #[inline]
    pub(super) fn give(&self) {
        if self.lanes.give() {
            return;
        }
        let before = self.free.fetch_add(1, Ordering::Release) as i64;
        if before < 0 {
            self.hand_over();
        } else if self.lanes.would_open(before) {
            self.open_lanes();
        }
    }

    #[cold]
    #[inline(never)]
    fn open_lanes(&self) {
        let queue = self.lock();
        if queue.waiting.is_empty() {
            self.lanes.open(&self.free);
        }
    }

    /// Somebody waits, or more run than may.
    #[cold]
    #[inline(never)]
    fn hand_over(&self) {
        let mut called = Called::default();
        let queue = &mut *self.lock();
        self.let_in(queue, &mut called);
        self.count(queue);
    }

    /// Whether this turn has come: then its owner has a place. If not, the waker hears of it.
    pub(super) fn has_come(&self, turn: u64, waker: &Waker) -> bool {
        match self.queue.lock().waiting.get(&turn) {
            None => return true,
            Some(Some(known)) if known.will_wake(waker) => return false,
            Some(_) => {}
        }
        // Cloning and dropping it is the user's code.
        let waker = waker.clone();
        let mut queue = self.queue.lock();
        let Some(known) = queue.waiting.get_mut(&turn) else {
            return true;
        };
        let before = known.replace(waker);
        drop(queue);
        drop(before);
        false
    }

    /// Takes this turn out of the queue. Not if it has come: then its owner has a place.
    pub(super) fn give_up(&self, turn: u64) -> bool {
        let mut queue = self.lock();
        let Some(waker) = queue.waiting.remove(&turn) else {
            return false;
        };
        self.free.fetch_add(1, Ordering::Relaxed);
        self.count(&queue);
        drop(queue);
        drop(waker);
        true
    }

    /// The owner of this turn has left: whatever became of it goes to the next one.
    pub(super) fn leave(&self, turn: u64) {
        if !self.give_up(turn) {
            self.give();
        }
    }

    /// The owner of a turn was let in, after so much time.
    pub(super) fn has_waited(&self, wait: Duration) {
        let queue = &mut *self.queue.lock();
        queue.waits += 1;
        queue.waited = queue.waited.saturating_add(wait);
    }

    /// Takes other settings. Those who wait stay, also if fewer may from now on; in shadow they are let in.
    pub(super) fn reconfigure(&self, config: Config) {
        let mut called = Called::default();
        let queue = &mut *self.lock();
        let [old, new] = [queue.config, config].map(|config| u64::from(config.max_concurrent));
        queue.config = config;
        self.lanes.reconfigure(&config);
        self.door.change(CHANGING, 1);
        // Lower or higher: it wraps. What it was in this very moment says how many may be too many now.
        let free = self
            .free
            .fetch_add(new.wrapping_sub(old), Ordering::Release);
        let running = old.wrapping_sub(free).wrapping_sub(queue.len());
        queue.most = queue.most.min(running).max(new);
        self.let_in(queue, &mut called);
        if config.shadow {
            queue.most += queue.len();
            let all = mem::take(&mut queue.waiting);
            all.into_values().for_each(|waker| called.add(waker));
        }
        self.count(queue);
        self.door.change(Door::says(&config), 0);
    }

    pub(super) fn config(&self) -> Config {
        self.queue.lock().config
    }

    pub(super) fn queued(&self) -> u64 {
        self.door.queued.load(Ordering::Relaxed)
    }

    pub(super) fn look(&self) -> Look {
        let queue = &mut *self.lock();
        let limit = queue.config.max_concurrent;
        let running = self.running(queue);
        if running <= limit.into() {
            queue.most = limit.into();
        }
        Look {
            limit,
            // An arrival that is being turned away this very moment is no call that runs.
            in_flight: running.min(queue.most),
            queued: queue.len(),
            waits: queue.waits,
            waited: queue.waited,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let queue = &*self.lock();
        self.running(queue) == 0 && queue.waiting.is_empty()
    }

    /// What the word says of running calls: those, and arrivals that have not yet had the lock.
    fn running(&self, queue: &Queue) -> u64 {
        let limit = u64::from(queue.config.max_concurrent);
        // Acquire: who finds it empty may do as if the calls had never been.
        let free = self.free.load(Ordering::Acquire);
        limit.wrapping_sub(free).wrapping_sub(queue.len())
    }

    /// How many may wait.
    fn owed(&self) -> u64 {
        let free = self.free.load(Ordering::Acquire) as i64;
        free.min(0).unsigned_abs()
    }

    /// The rule.
    fn let_in(&self, queue: &mut Queue, called: &mut Called) {
        while queue.len() > self.owed() {
            let first = queue.waiting.pop_first();
            let (_, waker) = first.expect("it is longer than nothing");
            called.add(waker);
        }
    }

    fn count(&self, queue: &Queue) {
        self.door.queued.store(queue.len(), Ordering::Relaxed);
    }
}

impl Queue {
    fn len(&self) -> u64 {
        self.waiting.len() as u64
    }
}

/// Those whose turn has come. They are told when it is dropped, so make it before the lock is taken.
#[derive(Debug, Default)]
struct Called {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Called {
    fn add(&mut self, waker: Option<Waker>) {
        match self.first {
            None => self.first = waker,
            Some(_) => self.others.extend(waker),
        }
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let others = mem::take(&mut self.others);
        for waker in self.first.take().into_iter().chain(others) {
            // The call that gave its place has done nothing wrong, and others are to be told, too. The
            // panic hook has its say.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}
