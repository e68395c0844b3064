//! The machine behind a door that most calls pass without a lock.
//!
//! # Implementation details
//!
//! One atomic word says what calls need to know: the door (closed, open, ask ...), the lower bits of
//! the generation, and how many calls have succeeded that the machine has not heard of yet. A
//! success that only has to be counted is one compare-and-swap on that word: it adds one to the
//! count, on condition that the generation is still the caller's, so a late success can never be
//! counted in another era. Everything else takes the lock. Whoever takes it first hands the pending
//! successes to the machine, so that the machine hears of all calls in the order in which they
//! completed, and then publishes what has changed.
//!
//! Which orderings, and against what:
//!
//! * `until` is meant for one word only. Whoever publishes another word first clears it, then stores
//!   the word, then the new `until` (all release); a refused call loads the word, `until` and the word
//!   again (all acquire). With an old word and a new `until` the second look differs; with a new word
//!   and an old `until` it is cleared. Either way the call asks the machine.
//! * `advance_due` is stored *after* the pending successes were taken from the word, both under the
//!   lock, and a success loads it *after* the word. So one that sees the new end of the running piece
//!   of a time window cannot be added to the successes of the piece before: those were taken, and its
//!   compare-and-swap finds another word, or the same one standing for the new piece.
//! * Between taking the pending successes and publishing another generation, more may arrive. They
//!   completed after the change was decided, so they are late; there is nothing left for them to undo.
//! * The word holds 28 bits of the generation: a call would have to stay in flight for 268 million
//!   generations to be mistaken for one of the present.
//!
//! `model.rs` puts this before a model checker.

use super::{
    config::Config,
    orders::{Order, View},
    state::{Change, Machine},
    ticket::{Entry, GENERATION_BITS, Refusal, Role, Ticket, UNTIMED},
};
use crate::{
    classify::Outcome,
    error::Reason,
    sys::{AtomicU64, Mutex, Ordering},
};

/// Between the calls and the machine. Times are nanoseconds since the breaker was made; `now` is
/// asked at most where a decision needs it, and `tell` hears of changes after the lock is gone.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Gate {
    word: AtomicU64,
    advance_due: AtomicU64,
    slow_after: AtomicU64,
    until: AtomicU64,
    late: AtomicU64,
    machine: Mutex<Machine>,
}

impl Gate {
    pub(crate) fn new(machine: Machine) -> Self {
        let published = machine.published();
        Self {
            word: AtomicU64::new(Word::of(&published).0),
            advance_due: AtomicU64::new(published.advance_due),
            slow_after: AtomicU64::new(published.slow_after),
            until: AtomicU64::new(published.until),
            late: AtomicU64::new(0),
            machine: Mutex::new(machine),
        }
    }

    /// Would a call be refused for certain? No lock, but where a half-open breaker's probes hang.
    pub(crate) fn check(&self, now: impl Fn() -> u64) -> Option<Refusal> {
        let word = self.word();
        if word.is_open_to_all() || word.is_observed() {
            return None;
        }
        match word.door() {
            Door::Closed | Door::Ask => None,
            Door::Forced => Some(Refusal::of(Reason::ForcedOpen)),
            Door::Open | Door::Full => self.shut(word, now()).or_else(|| {
                // Past its time an open door may let a call in; a full one only if a probe hangs.
                (word.door() == Door::Full)
                    .then(|| self.machine.lock().check(now()))
                    .flatten()
            }),
        }
    }

    /// A call is refused on the strength of `check`. Notices what there is to notice, and says how
    /// long the refusal still holds.
    pub(crate) fn refuse(
        &self,
        reason: Reason,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) -> Refusal {
        let word = self.word();
        let still = match word.door() {
            Door::Forced => Some(Refusal::of(Reason::ForcedOpen)),
            Door::Open | Door::Full => self.shut(word, now()).or_else(|| {
                self.locked(tell, |machine| {
                    let now = machine.catch_up(now());
                    machine.check(now)
                })
            }),
            Door::Closed | Door::Ask => None,
        };
        still.unwrap_or(Refusal {
            reason,
            retry_after: Some(0),
        })
    }

    /// May a call start?
    pub(crate) fn admit(&self, now: impl Fn() -> u64, tell: impl FnOnce(Vec<Change>)) -> Entry {
        let word = self.word();
        if word.door() == Door::Closed {
            let timed = self.slow_after.load(Ordering::Relaxed) != u64::MAX;
            return Entry::Granted(Ticket {
                generation: word.generation(),
                role: Role::REGULAR,
                started: if timed { now() } else { UNTIMED },
            });
        }
        let refusal = match word.door() {
            Door::Forced => Some(Refusal::of(Reason::ForcedOpen)),
            Door::Open | Door::Full => self.shut(word, now()),
            Door::Closed | Door::Ask => None,
        };
        match refusal {
            Some(_) if word.is_observed() => Entry::Observed(Ticket {
                generation: word.generation(),
                role: Role::UNJUDGED,
                started: UNTIMED,
            }),
            Some(refusal) => Entry::Refused(refusal),
            None => self.locked(tell, |machine| machine.admit(now())),
        }
    }

    /// A call never started.
    pub(crate) fn cancel(
        &self,
        ticket: Ticket,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) {
        let holds_nothing = match ticket.role {
            Role::UNJUDGED => true,
            Role::REGULAR => self.word().door() != Door::Ask,
            _ => false,
        };
        if !holds_nothing {
            self.locked(tell, |machine| machine.cancel(ticket, now()));
        }
    }

    /// A call ended.
    pub(crate) fn settle(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: impl Fn() -> u64,
        tell: impl FnOnce(Vec<Change>),
    ) {
        if ticket.role == Role::UNJUDGED {
            return;
        }
        let counted = if ticket.role == Role::REGULAR && !self.is_slow(ticket, &now) {
            match outcome {
                Outcome::Success => self.succeed(ticket, &now),
                Outcome::Failure => None,
                Outcome::Ignored | Outcome::Abandoned => {
                    Some(self.word().generation() == ticket.generation)
                }
            }
        } else {
            None
        };
        let counted = counted
            .unwrap_or_else(|| self.locked(tell, |machine| machine.settle(ticket, outcome, now())));
        if !counted {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_slow(&self, ticket: Ticket, now: impl Fn() -> u64) -> bool {
        // An untimed ticket is as late as can be, and no call takes longer than that.
        ticket.started != UNTIMED
            && now().saturating_sub(ticket.started) > self.slow_after.load(Ordering::Relaxed)
    }

    /// Counts a success that is neither slow nor a probe's: true if it counted, false if it was late,
    /// nothing if the machine has to hear of it at once.
    fn succeed(&self, ticket: Ticket, now: impl Fn() -> u64) -> Option<bool> {
        let mut word = self.word();
        loop {
            if word.generation() != ticket.generation {
                return Some(false);
            }
            let due = self.advance_due.load(Ordering::Acquire);
            if (due != u64::MAX && now() >= due) || word.pending() == PENDING {
                return None;
            }
            match self.word.compare_exchange_weak(
                word.0,
                word.0 + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(true),
                Err(other) => word = Word(other),
            }
        }
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

    /// How many results came too late to count.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Whether the door is shut and will be past `now`; if so, why and for how long.
    fn shut(&self, word: Word, now: u64) -> Option<Refusal> {
        let until = self.until.load(Ordering::Acquire);
        let unchanged = self.word().head() == word.head();
        (unchanged && now < until).then(|| match word.door() {
            Door::Full => Refusal::of(Reason::HalfOpen),
            _ => Refusal::open_until(until, now),
        })
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    fn locked<T>(&self, tell: impl FnOnce(Vec<Change>), ask: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        if self.word().pending() > 0 {
            let word = Word(self.word.fetch_and(!PENDING, Ordering::AcqRel));
            machine.succeed(word.pending());
        }
        let answer = ask(&mut machine);
        self.publish(&mut machine);
        let changes = machine.take_changes();
        drop(machine);
        if !changes.is_empty() {
            tell(changes);
        }
        answer
    }

    fn publish(&self, machine: &mut Machine) {
        let published = machine.published();
        let word = Word::of(&published);
        self.slow_after
            .store(published.slow_after, Ordering::Relaxed);
        if self.word().head() != word.head() {
            self.until.store(0, Ordering::Release);
            let old = Word(self.word.swap(word.0, Ordering::AcqRel));
            if old.generation() == word.generation() {
                machine.succeed(old.pending());
            } else {
                self.late.fetch_add(old.pending(), Ordering::Relaxed);
            }
        }
        self.until.store(published.until, Ordering::Release);
        self.advance_due
            .store(published.advance_due, Ordering::Release);
    }
}

/// What calls see without asking the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) door: Door,
    /// The breaker is disabled: refusals are only counted.
    pub(crate) observed: bool,
    /// The lower bits of the generation.
    pub(crate) generation: u32,
    /// Until when a door that is open or full refuses for certain; else 0.
    pub(crate) until: u64,
    /// From when on the window has to move before anything is recorded.
    pub(crate) advance_due: u64,
    /// The age from which on a call is slow.
    pub(crate) slow_after: u64,
}

/// A door for calls. As with the breaker itself, open means that nobody gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// All may pass.
    Closed,
    /// Nobody may, before `until`.
    Open,
    /// Half-open, and all probes taken; none of them can hang before `until`.
    Full,
    /// Nobody may, before another order.
    Forced,
    /// It depends: ask the machine.
    Ask,
}

/// From the lowest bit: 32 of pending successes, 28 of the generation, 1 observed, 3 of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word(u64);

const PENDING: u64 = u32::MAX as u64;
const OBSERVED: u64 = 1 << 60;
const DOOR_SHIFT: u32 = 61;

impl Word {
    fn of(published: &Published) -> Self {
        let door = (published.door as u64) << DOOR_SHIFT;
        let observed = if published.observed { OBSERVED } else { 0 };
        Self(door | observed | u64::from(published.generation) << 32)
    }

    const fn pending(self) -> u64 {
        self.0 & PENDING
    }

    const fn head(self) -> u64 {
        self.0 & !PENDING
    }

    const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & ((1 << GENERATION_BITS) - 1)
    }

    const fn is_observed(self) -> bool {
        self.0 & OBSERVED != 0
    }

    /// Closed and enforced: the usual case, told from all others by one comparison.
    const fn is_open_to_all(self) -> bool {
        self.0 < OBSERVED
    }

    const fn door(self) -> Door {
        match self.0 >> DOOR_SHIFT {
            0 => Door::Closed,
            1 => Door::Open,
            2 => Door::Full,
            3 => Door::Forced,
            _ => Door::Ask,
        }
    }
}
