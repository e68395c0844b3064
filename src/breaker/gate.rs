//! The machine behind a door that most calls pass without a lock.
//!
//! # Implementation details
//!
//! Calls see two kinds of atomic words. The *head* says what they need to know to start: the door
//! (closed, open, ask ...) and the lower bits of the generation. A *tally* counts, under the
//! generation, the successes that the machine has not heard of yet. A success that only has to be
//! counted is one compare-and-swap on a tally, on condition that the generation is still the caller's,
//! so that a late success is never counted in another era. Everything else takes the lock. Whoever
//! takes it first hands the pending successes to the machine, so that the machine hears of all calls
//! in the order in which they completed (successes are all alike), and then publishes what has changed.
//!
//! Each word lies on a cache line of its own, apart from the reference count of the guard's `Arc`,
//! which every call writes. The head's line is written only when the state changes or the window moves on,
//! so that all cores keep a copy. Successes of a time window, which have read a clock and must not pay for company as
//! well, are spread over several tallies by thread; those of a count window share one, and those of a
//! breaker that is kept by the thousand do, too.
//!
//! Which orderings, and against what:
//!
//! * The tally of a new generation is stored before its head (release), so who was let in by the new
//!   head (acquire) also finds the new tally. Who was let in by the old head in between ends late: it
//!   started before the change and ended after it.
//! * `until` is meant for one head only. Whoever publishes another head first clears it, then stores
//!   the head, then the new `until` (all release); a refused call loads the head, `until` and the head
//!   again (all acquire). With an old head and a new `until` the second look differs; with a new head
//!   and an old `until` it is cleared. Either way the call asks the machine.
//! * `advance_due` is stored *after* the pending successes were taken from the tally, both under the
//!   lock, and a success loads it *after* the tally. So one that sees the new end of the running piece
//!   of a time window cannot be added to the successes of the piece before: those were taken, and its
//!   compare-and-swap finds another tally, or the same one standing for the new piece.
//! * Between taking the pending successes and storing the tally of another generation, more may
//!   arrive. They completed after the change was decided, so they are late; there is nothing left for
//!   them to undo. (Another kind of window in the same generation starts empty, without them.)
//! * The words hold 28 bits of the generation: a call would have to stay in flight for 268 million
//!   generations to be mistaken for one of the present.
//!
//! `model.rs` puts this before a model checker.

use super::{
    change::Change,
    config::Config,
    orders::{Order, View},
    state::Machine,
    ticket::{Entry, Refusal, Role, Ticket, UNTIMED},
    words::{Door, Head, PENDING, Published, Tally},
};
use crate::{
    classify::Outcome,
    error::Reason,
    sys::{AtomicU64, Line, Mutex, Ordering, own_lane},
};

/// Between the calls and the machine. Times are nanoseconds since the breaker was made; `now` is
/// asked at most where a decision needs it, and `tell` hears of changes after the lock is gone.
#[derive(Debug)]
pub(crate) struct Gate {
    tally: Line<AtomicU64>,
    read_mostly: Line<ReadMostly>,
    pub(crate) counters: Line<Counters>,
    /// More tallies, for a time window.
    lanes: Box<[Line<AtomicU64>]>,
    machine: Mutex<Machine>,
}

/// How many lanes there are, where there are any: 256 bytes.
const LANES: usize = 4;

/// What calls only read.
#[derive(Debug)]
struct ReadMostly {
    head: AtomicU64,
    advance_due: AtomicU64,
    slow_after: AtomicU64,
    until: AtomicU64,
}

/// What is counted without asking the machine.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) rejected: AtomicU64,
    pub(crate) would_have_rejected: AtomicU64,
    /// Results that came too late to count.
    pub(crate) late: AtomicU64,
}

impl Gate {
    /// `compact`: without the lanes, for breakers that are kept by the thousand.
    pub(crate) fn new(machine: Machine, compact: bool) -> Self {
        let published = machine.published();
        let tally = || Line(AtomicU64::new(Tally::empty(&published).0));
        let lanes = if compact { 0 } else { LANES };
        Self {
            tally: tally(),
            read_mostly: Line(ReadMostly {
                head: AtomicU64::new(Head::of(&published).0),
                advance_due: AtomicU64::new(published.advance_due),
                slow_after: AtomicU64::new(published.slow_after),
                until: AtomicU64::new(published.until),
            }),
            counters: Line(Counters {
                rejected: AtomicU64::new(0),
                would_have_rejected: AtomicU64::new(0),
                late: AtomicU64::new(0),
            }),
            lanes: (0..lanes).map(|_| tally()).collect(),
            machine: Mutex::new(machine),
        }
    }

    /// Would a call be refused for certain? No lock, but where a half-open breaker's probes hang.
    #[inline]
    pub(crate) fn check(&self, now: impl Fn() -> u64) -> Option<Refusal> {
        let head = self.head();
        if head.is_closed() {
            return None;
        }
        self.check_shut(head, now)
    }

    #[inline(never)]
    fn check_shut(&self, head: Head, now: impl Fn() -> u64) -> Option<Refusal> {
        if head.is_observed() {
            return None;
        }
        self.shut(head, &now).or_else(|| match head.door() {
            // Past its time a full door lets a call in only if the hung probes are no proof.
            Door::Full => self.machine.lock().check(now()),
            _ => None,
        })
    }

    /// A call is refused on the strength of `check`. Notices what there is to notice, and says how
    /// long the refusal still holds.
    pub(crate) fn refuse(
        &self,
        reason: Reason,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) -> Refusal {
        let head = self.head();
        let still = self.shut(head, &now).or_else(|| match head.door() {
            Door::Open | Door::Full => self.locked(tell, |machine| {
                let now = machine.catch_up(now());
                machine.check(now)
            }),
            _ => None,
        });
        still.unwrap_or(Refusal {
            reason,
            retry_after: (reason == Reason::Open).then_some(0),
        })
    }

    /// Lets a call pass that need not ask.
    #[inline]
    pub(crate) fn pass(&self, now: impl Fn() -> u64) -> Option<Ticket> {
        let head = self.head();
        if !head.is_closed() {
            return None;
        }
        let started = if head.is_timed() { now() } else { UNTIMED };
        Some(Ticket::new(Role::REGULAR, head.generation(), started))
    }

    /// May a call start?
    pub(crate) fn admit(&self, now: impl Fn() -> u64, tell: impl FnOnce(Vec<Change>)) -> Entry {
        let head = self.head();
        match self.shut(head, &now) {
            Some(refusal) if head.is_observed() => {
                let ticket = Ticket::new(Role::UNJUDGED, head.generation(), UNTIMED);
                Entry::Observed(ticket, refusal)
            }
            Some(refusal) => Entry::Refused(refusal),
            None => self.locked(tell, |machine| machine.admit(now())),
        }
    }

    /// A call that was granted never started.
    pub(crate) fn cancel(
        &self,
        ticket: Ticket,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) {
        // A regular call holds something only while the share of calls is counted out.
        if ticket.role() != Role::REGULAR || self.head().door() == Door::Ask {
            self.locked(tell, |machine| machine.cancel(ticket, now()));
        }
    }

    /// A call was answered that goes on.
    pub(crate) fn answered(
        &self,
        ticket: Ticket,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) {
        // It matters for a probe alone.
        if !matches!(ticket.role(), Role::REGULAR | Role::UNJUDGED) {
            self.locked(tell, |machine| machine.answered(ticket, now()));
        }
    }

    /// Counts a call that ended and of which the machine need not hear at once; false if it must.
    #[inline]
    pub(crate) fn count(&self, ticket: Ticket, outcome: Outcome, now: impl Fn() -> u64) -> bool {
        outcome == Outcome::Success && !self.is_slow(ticket, &now) && self.succeed(ticket, now)
    }

    /// Counts a success that is neither slow nor a probe's; false if the machine has to hear of it.
    #[inline]
    fn succeed(&self, ticket: Ticket, now: impl Fn() -> u64) -> bool {
        let tally = Tally(self.tally.load(Ordering::Acquire));
        if tally.is_clocked() {
            return self.succeed_in_time(ticket, now);
        }
        Tally::count(&self.tally, tally, ticket.key(), || true)
    }

    #[inline]
    fn succeed_in_time(&self, ticket: Ticket, now: impl Fn() -> u64) -> bool {
        let lane = own_lane(&self.lanes).unwrap_or(&self.tally);
        let tally = Tally(lane.load(Ordering::Acquire));
        Tally::count(lane, tally, ticket.key() | Tally::CLOCKED, || {
            now() < self.read_mostly.advance_due.load(Ordering::Acquire)
        })
    }

    /// A call ended that could not simply be [counted](Self::count).
    pub(crate) fn settle(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) {
        let says_nothing = match outcome {
            Outcome::Success | Outcome::Failure => false,
            Outcome::Ignored => true,
            Outcome::Abandoned => !self.is_slow(ticket, &now),
        };
        let tally = Tally(self.tally.load(Ordering::Acquire));
        let on_time = tally.generation() == ticket.generation();
        let changes_nothing = match ticket.role() {
            // Whoever ends while probes run looks whether they hang.
            _ if matches!(self.head().door(), Door::Full | Door::Ask) => false,
            Role::UNJUDGED => return,
            Role::REGULAR => says_nothing || !on_time,
            _ => false,
        };
        let counted = if changes_nothing {
            on_time
        } else {
            self.locked(tell, |machine| machine.settle(ticket, outcome, now))
        };
        if !counted {
            self.counters.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn is_slow(&self, ticket: Ticket, now: impl Fn() -> u64) -> bool {
        ticket.started != UNTIMED
            && now().saturating_sub(ticket.started)
                > self.read_mostly.slow_after.load(Ordering::Relaxed)
    }

    /// Carries out an order.
    pub(crate) fn order(&self, order: Order, now: u64, tell: impl FnOnce(Vec<Change>)) {
        self.locked(tell, |machine| machine.order(order, now));
    }

    /// Takes other settings, already checked.
    pub(crate) fn reconfigure(&self, config: Config, now: u64, tell: impl FnOnce(Vec<Change>)) {
        self.locked(tell, |machine| machine.reconfigure(config, now));
    }

    pub(crate) fn view(&self, now: u64, tell: impl FnOnce(Vec<Change>)) -> View {
        self.locked(tell, |machine| machine.view(now))
    }

    pub(crate) fn idle(&self, now: u64, tell: impl FnOnce(Vec<Change>)) -> bool {
        self.locked(tell, |machine| machine.idle(now))
    }

    /// Runs something with the machine, under the lock: not a change.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.machine.lock())
    }

    /// Whether the door is shut and will be past `now`; if so, why and for how long.
    fn shut(&self, head: Head, now: impl Fn() -> u64) -> Option<Refusal> {
        match head.door() {
            Door::Closed | Door::Ask => return None,
            Door::Forced => return Some(Refusal::of(Reason::ForcedOpen)),
            Door::Open | Door::Full => {}
        }
        let now = now();
        let until = self.read_mostly.until.load(Ordering::Acquire);
        let unchanged = self.head() == head;
        (unchanged && now < until).then(|| match head.door() {
            Door::Full => Refusal::of(Reason::HalfOpen),
            _ => Refusal::open_until(until, now),
        })
    }

    #[inline]
    fn head(&self) -> Head {
        Head(self.read_mostly.head.load(Ordering::Acquire))
    }

    fn tallies(&self) -> impl Iterator<Item = &AtomicU64> {
        std::iter::once(&*self.tally).chain(self.lanes.iter().map(|lane| &**lane))
    }

    fn locked<T>(&self, tell: impl FnOnce(Vec<Change>), ask: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        for tally in self.tallies() {
            if Tally(tally.load(Ordering::Acquire)).pending() > 0 {
                let taken = Tally(tally.fetch_and(!PENDING, Ordering::AcqRel));
                machine.succeed(taken.pending());
            }
        }
        let answer = ask(&mut machine);
        self.publish(&machine.published());
        let changes = machine.take_changes();
        drop(machine);
        if !changes.is_empty() {
            tell(changes);
        }
        answer
    }

    /// Under the lock, so nobody else writes; what is the same is left alone, for the sake of all the
    /// cores that keep a copy.
    fn publish(&self, published: &Published) {
        let empty = Tally::empty(published);
        for tally in self.tallies() {
            let present = Tally(tally.load(Ordering::Acquire));
            if present.era() != empty.era() {
                let old = Tally(tally.swap(empty.0, Ordering::AcqRel));
                if old.generation() != published.generation {
                    let late = &self.counters.late;
                    late.fetch_add(old.pending(), Ordering::Relaxed);
                }
            }
        }
        let set = |place: &AtomicU64, value: u64| {
            if place.load(Ordering::Relaxed) != value {
                place.store(value, Ordering::Release);
            }
        };
        let public = &self.read_mostly;
        set(&public.slow_after, published.slow_after);
        let head = Head::of(published);
        if self.head() != head {
            set(&public.until, 0);
            set(&public.head, head.0);
        }
        set(&public.until, published.until);
        set(&public.advance_due, published.advance_due);
    }
}
