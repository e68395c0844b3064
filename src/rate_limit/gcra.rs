//! The one word, and the protocol around it: lock-light, every time handed in.
//!
//! # Implementation details
//!
//! The word holds the theoretical arrival time in nanoseconds since the limit was made, 61 bits (73
//! years), and in the lowest 3 the *generation* of the quota that it was counted by. The quota is two
//! words that are only read, and each carries the same 3 bits.
//!
//! A call reads the three, asks the [`Law`], and if that lets it in puts the new time in place of the
//! one that it read, in one compare-and-swap. A refusal writes nothing. So what the word goes through
//! is a row of calls, each let in by the law after the one before it, with the `now` that it read: the
//! row need not be in the order of the clock, and the sum still holds. For any calls of the row whose
//! instants lie in `[a, b]`: the first leaves the word at `a + its cost x pace` or later, each one
//! moves it by its own cost, the last leaves it at `b + room` or earlier. So their costs are at most
//! `burst + (b - a) / pace`. (A call that waits has its reserved instant for a `now`; if the first
//! one waits, it leaves the word at `a + room` exactly, and the rest are at most `(b - a) / pace`.)
//!
//! A grant is taken back by putting back the time before it, if the word is still exactly what the
//! grant has left. While the grant lives the word is never below that: whoever lowers it takes back
//! a grant that came later. So if it is equal, nobody has built on it, and the row is what it would be
//! had the call never come. If it is not equal, the cost stays spent.
//!
//! A change of quota takes the lock, writes the two words, and converts the time in a compare-and-swap
//! to the next generation. Who has read any of the three before and another after sees generations that
//! do not agree, takes the lock to wait for the change, and reads again; who has read all before loses
//! its compare-and-swap, since the word has another generation now. So has a grant of an earlier
//! generation: it is never put back into a time that counts by another pace. (Three bits tell eight
//! generations apart: a thread would have to sleep, between two of its reads, through eight changes,
//! or a multiple, and find the very time that it had read.)
//!
//! All orderings are relaxed. The words guard no other memory. That old and new are never mixed needs no
//! order between the three, since each says by itself to which generation it belongs; and who holds
//! the lock sees all that was written under it before.
//!
//! The *terms* are a fourth word, with the 3 bits as well: how long a call may wait, and whether the limit
//! is in shadow. Only those read it who would wait or be refused. Where they alone change the generation
//! stays: either is true between any two calls, and grants may still be taken back. Where the quota
//! changes, too, nobody judges by the one and answers by the other.

use super::{
    config::Config,
    law::{LATEST, Law, Verdict},
};
use crate::sys::{AtomicU64, Line, Mutex, Ordering};

const BITS: u32 = 3;
const GENERATION: u64 = (1 << BITS) - 1;

#[derive(Debug)]
pub(super) struct Gcra {
    /// Alone on its line: it is the one that calls write.
    word: Line<AtomicU64>,
    pace: AtomicU64,
    room: AtomicU64,
    terms: AtomicU64,
    /// Held by changes, and by whoever has run into one.
    config: Mutex<Config>,
}

/// What a grant has made of the word: all that it takes to undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    before: u64,
    after: u64,
}

impl Ticket {
    const NOTHING: Self = Self {
        before: 0,
        after: 0,
    };

    /// Of a call that runs only because the limit is in shadow: it has taken nothing.
    pub(super) const OBSERVED: Self = Self {
        before: 1,
        after: 1,
    };
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may start in so many nanoseconds.
    Granted { ticket: Ticket, wait: u64 },
    /// It may not, but in shadow; the same call may, so many nanoseconds later.
    Refused { retry_after: u64, shadow: bool },
    /// It never may, but in shadow.
    TooDear { shadow: bool },
}

/// What holds besides the quota.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// In nanoseconds.
    patience: u64,
    shadow: bool,
}

impl Terms {
    fn word(config: &Config, generation: u64) -> u64 {
        let low = u64::from(config.shadow) << BITS | generation;
        config.patience() << (BITS + 1) | low
    }

    #[inline]
    const fn of(word: u64) -> Self {
        Self {
            patience: word >> (BITS + 1),
            shadow: word >> BITS & 1 != 0,
        }
    }
}

/// The three words of one generation.
#[derive(Debug, Clone, Copy)]
struct Seen {
    word: u64,
    law: Law,
}

impl Gcra {
    /// With all of the burst to spend, at time zero. The settings keep the rules.
    pub(super) fn new(config: Config) -> Self {
        let law = config.law();
        Self {
            word: Line(AtomicU64::new(0)),
            pace: AtomicU64::new(law.pace << BITS),
            room: AtomicU64::new(law.room << BITS),
            terms: AtomicU64::new(Terms::word(&config, 0)),
            config: Mutex::new(config),
        }
    }

    /// Takes the cost of a call, now or for an instant that it has to wait for.
    #[inline]
    pub(super) fn take(&self, cost: u32, now: u64, waits: bool) -> Answer {
        if cost == 0 {
            return Answer::Granted {
                ticket: Ticket::NOTHING,
                wait: 0,
            };
        }
        let now = now.min(LATEST);
        let seen = self.see(self.word.load(Ordering::Relaxed));
        match seen.and_then(|seen| self.try_take(seen, cost, now, waits)) {
            Some(answer) => answer,
            None => self.take_among_others(cost, now, waits),
        }
    }

    /// Others were faster, or the quota changes.
    #[cold]
    #[inline(never)]
    fn take_among_others(&self, cost: u32, now: u64, waits: bool) -> Answer {
        let mut no_change = None;
        loop {
            match self.see_all(self.word.load(Ordering::Relaxed)) {
                Some(seen) => {
                    if let Some(answer) = self.try_take(seen, cost, now, waits) {
                        return answer;
                    }
                }
                None => no_change = no_change.or_else(|| Some(self.config.lock())),
            }
        }
    }

    /// One attempt; nothing if the word is no longer what was seen, or the terms are others.
    #[inline]
    fn try_take(&self, seen: Seen, cost: u32, now: u64, waits: bool) -> Option<Answer> {
        let before = seen.word;
        let terms = if waits {
            Some(self.terms(before)?)
        } else {
            None
        };
        let patience = terms.map_or(0, |terms| terms.patience);
        match seen.law.ask(before >> BITS, cost, now, patience) {
            Verdict::Conforms { wait, tat } => {
                // In shadow the instant is reserved, and nobody waits for it.
                let wait = match terms {
                    Some(terms) if terms.shadow => 0,
                    _ => wait,
                };
                let after = (tat << BITS) | (before & GENERATION);
                let ticket = Ticket { before, after };
                let granted = Answer::Granted { ticket, wait };
                self.swap(before, after).then_some(granted)
            }
            Verdict::Exceeds { retry_after } => {
                let Terms { shadow, .. } = terms.or_else(|| self.terms(before))?;
                Some(Answer::Refused {
                    retry_after,
                    shadow,
                })
            }
            Verdict::TooDear => {
                let Terms { shadow, .. } = terms.or_else(|| self.terms(before))?;
                Some(Answer::TooDear { shadow })
            }
        }
    }

    /// The call never started. Whether what it took is there for others again.
    pub(super) fn cancel(&self, Ticket { before, after }: Ticket) -> bool {
        before != after && self.swap(after, before)
    }

    /// What would become of a call, without an effect.
    pub(super) fn foresee(&self, cost: u32, now: u64, waits: bool) -> Verdict {
        let Seen { word, law } = self.look();
        let patience = if waits { self.config().patience() } else { 0 };
        law.ask(word >> BITS, cost, now.min(LATEST), patience)
    }

    /// How many calls would be let in at once.
    pub(super) fn available(&self, now: u64) -> u64 {
        let Seen { word, law } = self.look();
        law.available(word >> BITS, now.min(LATEST))
    }

    /// All that was taken is paid off.
    pub(super) fn is_paid_off(&self, now: u64) -> bool {
        self.word.load(Ordering::Relaxed) >> BITS <= now.min(LATEST)
    }

    pub(super) fn config(&self) -> Config {
        self.config.lock().clone()
    }

    /// Takes other settings that keep the rules. What was taken stays taken, in calls.
    pub(super) fn reconfigure(&self, config: Config, now: u64) {
        let now = now.min(LATEST);
        let mut current = self.config.lock();
        let (old, new) = (current.law(), config.law());
        let mut before = self.word.load(Ordering::Relaxed);
        let changes = u64::from(new != old);
        let generation = (before + changes) & GENERATION;
        let terms = Terms::word(&config, generation);
        *current = config;
        self.terms.store(terms, Ordering::Relaxed);
        if changes == 0 {
            return;
        }
        let tagged = |value: u64| (value << BITS) | generation;
        self.pace.store(tagged(new.pace), Ordering::Relaxed);
        self.room.store(tagged(new.room), Ordering::Relaxed);
        while !self.swap(before, tagged(new.take_over(old, before >> BITS, now))) {
            before = self.word.load(Ordering::Relaxed);
        }
    }

    /// The three words, if they are of one generation.
    #[inline]
    fn see(&self, word: u64) -> Option<Seen> {
        let pace = self.pace.load(Ordering::Relaxed);
        let room = self.room.load(Ordering::Relaxed);
        let law = Law {
            pace: pace >> BITS,
            room: room >> BITS,
        };
        let agree = ((word ^ pace) | (word ^ room)) & GENERATION == 0;
        agree.then_some(Seen { word, law })
    }

    /// The same, if the terms are of that generation, too.
    #[inline]
    fn see_all(&self, word: u64) -> Option<Seen> {
        let seen = self.see(word)?;
        self.terms(word).map(|_| seen)
    }

    /// The terms, if they are of the same generation as this word.
    #[inline]
    fn terms(&self, word: u64) -> Option<Terms> {
        let terms = self.terms.load(Ordering::Relaxed);
        ((word ^ terms) & GENERATION == 0).then_some(Terms::of(terms))
    }

    /// The three for whoever may wait for a change to be over.
    fn look(&self) -> Seen {
        let read = || self.see(self.word.load(Ordering::Relaxed));
        read().unwrap_or_else(|| {
            let _no_change = self.config.lock();
            read().expect("they agree while nobody changes them")
        })
    }

    #[inline]
    fn swap(&self, before: u64, after: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        let swapped = self.word.compare_exchange(before, after, relaxed, relaxed);
        swapped.is_ok()
    }
}
