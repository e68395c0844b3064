//! Throw-away policies: one of each kind that the guard has to carry.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use buttress::{
    Outcome, Reason, Rejected,
    guard::{Admission, Admit, Never, No, Now, Policy, Yes},
};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// What policies were asked, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, who: &str, what: &str) {
        self.0.lock().unwrap().push(format!("{who} {what}"));
    }

    /// All since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// All since the last time, but the questions that have no effect.
    pub(crate) fn take_effects(&self) -> Vec<String> {
        let mut all = self.take();
        all.retain(|entry| !entry.ends_with(" check"));
        all
    }

    /// How many hold it.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// Never waits, writes down all it is asked, and refuses on request. Not `Clone`, nor is its ticket.
#[derive(Debug)]
pub(crate) struct Spy {
    name: &'static str,
    pub(crate) log: Log,
    /// Refuses from now on, and `check` knows it.
    pub(crate) shut: AtomicBool,
    /// Refuses from now on, and only `admit` knows it.
    pub(crate) sullen: AtomicBool,
}

/// A ticket that must come back.
#[derive(Debug)]
pub(crate) struct Held(());

impl Spy {
    pub(crate) fn new(name: &'static str, log: &Log) -> Self {
        Self {
            name,
            log: log.clone(),
            shut: AtomicBool::new(false),
            sullen: AtomicBool::new(false),
        }
    }

    fn no(&self) -> Rejected {
        Rejected::new(self.name, Reason::Full)
    }
}

impl Policy for Spy {
    type Ticket = Held;
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, _: &Now) -> Option<Rejected> {
        self.log.say(self.name, "check");
        self.shut.load(SeqCst).then(|| self.no())
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        self.log.say(self.name, "refuse");
        assert_eq!(rejected, self.no(), "its own refusal comes back to it");
        rejected
    }

    fn cancel(&self, _: Held) {
        self.log.say(self.name, "cancel");
    }

    fn settle(&self, _: Held, outcome: Outcome, _: &Now) {
        self.log.say(self.name, outcome.as_str());
    }

    fn idle(&self, _: &Now) -> bool {
        !self.shut.load(SeqCst)
    }
}

impl<R: ?Sized> Admit<R> for Spy {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        self.log.say(self.name, "admit");
        if self.shut.load(SeqCst) || self.sullen.load(SeqCst) {
            return Admission::Refused(self.no());
        }
        Admission::Granted(Held(()))
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<Held, Rejected>> {
        match *wait {}
    }
}

/// The same, and its ticket may be kept while a later policy makes the call wait.
#[derive(Debug)]
pub(crate) struct Keeping(pub(crate) Spy);

impl Policy for Keeping {
    type Ticket = Held;
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    const KEEPS: bool = true;

    fn check(&self, now: &Now) -> Option<Rejected> {
        self.0.check(now)
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        self.0.refuse(rejected, now)
    }

    fn cancel(&self, ticket: Held) {
        self.0.cancel(ticket);
    }

    fn settle(&self, ticket: Held, outcome: Outcome, now: &Now) {
        self.0.settle(ticket, outcome, now);
    }

    fn idle(&self, now: &Now) -> bool {
        self.0.idle(now)
    }
}

impl<R: ?Sized> Admit<R> for Keeping {
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        match self.0.admit(now, request) {
            Admission::Granted(ticket) => Admission::Granted(ticket),
            Admission::Refused(no) => Admission::Refused(no),
            Admission::Wait(never) => match never {},
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<Held, Rejected>> {
        match *wait {}
    }
}

/// A bulkhead in small: places, and a queue for them in the order of arrival.
#[derive(Debug)]
pub(crate) struct Queue {
    room: usize,
    state: Mutex<Places>,
}

#[derive(Debug)]
struct Places {
    free: usize,
    arrivals: u64,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    granted: bool,
    waker: Option<Waker>,
}

impl Queue {
    /// With this many places, and room in the queue for so many.
    pub(crate) fn new(places: usize, room: usize) -> Self {
        let state = Mutex::new(Places {
            free: places,
            arrivals: 0,
            waiting: VecDeque::new(),
        });
        Self { room, state }
    }

    /// Free places, and calls in the queue.
    pub(crate) fn free_and_waiting(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.free, state.waiting.len())
    }

    /// How many ever arrived at the queue.
    pub(crate) fn arrivals(&self) -> u64 {
        self.state.lock().unwrap().arrivals
    }
}

impl Places {
    fn is_full(&self, room: usize) -> bool {
        self.free == 0 && self.waiting.len() >= room
    }

    /// A place has come free: it is the first waiter's, if there is one.
    fn give_back(&mut self) {
        match self.waiting.iter_mut().find(|waiter| !waiter.granted) {
            Some(first) => {
                first.granted = true;
                first.waker.take().into_iter().for_each(Waker::wake);
            }
            None => self.free += 1,
        }
    }
}

const QUEUE_FULL: Rejected = Rejected::new("queue", Reason::Full);

impl Policy for Queue {
    type Ticket = Held;
    /// The number in the queue.
    type Wait = u64;
    type Queues = Yes;
    type Settles = Yes;
    type Judges = No;

    fn check(&self, _: &Now) -> Option<Rejected> {
        let full = self.state.lock().unwrap().is_full(self.room);
        full.then_some(QUEUE_FULL)
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }

    fn leave(&self, number: Pin<&mut u64>) {
        let mut state = self.state.lock().unwrap();
        let at = state
            .waiting
            .iter()
            .position(|waiter| waiter.number == *number)
            .expect("nobody leaves twice");
        let left = state.waiting.remove(at).unwrap();
        if left.granted {
            state.give_back();
        }
    }

    fn cancel(&self, _: Held) {
        self.state.lock().unwrap().give_back();
    }

    fn settle(&self, _: Held, _: Outcome, _: &Now) {
        self.state.lock().unwrap().give_back();
    }

    fn idle(&self, _: &Now) -> bool {
        false
    }
}

impl<R: ?Sized> Admit<R> for Queue {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        let mut state = self.state.lock().unwrap();
        if state.is_full(self.room) {
            return Admission::Refused(QUEUE_FULL);
        }
        // Free means that nobody waits: who arrives first is served first.
        if let Some(free) = state.free.checked_sub(1) {
            state.free = free;
            return Admission::Granted(Held(()));
        }
        state.arrivals += 1;
        let number = state.arrivals;
        state.waiting.push_back(Waiter {
            number,
            granted: false,
            waker: None,
        });
        Admission::Wait(number)
    }

    fn poll_wait(
        &self,
        number: Pin<&mut u64>,
        _: &R,
        _: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Held, Rejected>> {
        let mut state = self.state.lock().unwrap();
        let at = state
            .waiting
            .iter()
            .position(|waiter| waiter.number == *number)
            .expect("it waits");
        if !state.waiting[at].granted {
            state.waiting[at].waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.waiting.remove(at);
        Poll::Ready(Ok(Held(())))
    }
}

/// A rate limiter in small: a turn every so often, in the order of arrival, by reservation. Its wait
/// is a sleep in place, without a box.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    pub(crate) log: Log,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(every: Duration, log: &Log) -> Self {
        Self {
            every,
            log: log.clone(),
            next: Mutex::new(None),
        }
    }

    /// A turn that was not used; it is free again while it is the last.
    fn take_back(&self, turn: Instant) {
        let mut next = self.next.lock().unwrap();
        if *next == Some(turn + self.every) {
            *next = Some(turn);
        }
    }
}

/// Waits for its turn.
#[pin_project]
pub(crate) struct Turn {
    #[pin]
    sleep: Sleep,
}

impl Policy for Pace {
    type Ticket = Instant;
    type Wait = Turn;
    type Queues = Yes;
    type Settles = No;
    type Judges = No;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }

    fn leave(&self, wait: Pin<&mut Turn>) {
        self.log.say("pace", "leave");
        self.take_back(wait.sleep.deadline());
    }

    fn cancel(&self, turn: Instant) {
        self.log.say("pace", "cancel");
        self.take_back(turn);
    }

    fn settle(&self, _: Instant, _: Outcome, _: &Now) {}

    fn idle(&self, _: &Now) -> bool {
        false
    }
}

impl<R: ?Sized> Admit<R> for Pace {
    fn admit(&self, now: &Now, _: &R) -> Admission<Self> {
        let now = now.get();
        let mut next = self.next.lock().unwrap();
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.every);
        if turn <= now {
            Admission::Granted(turn)
        } else {
            let sleep = sleep_until(turn);
            Admission::Wait(Turn { sleep })
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Turn>,
        _: &R,
        _: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Instant, Rejected>> {
        let mut wait = wait.project();
        ready!(wait.sleep.as_mut().poll(cx));
        Poll::Ready(Ok(wait.sleep.deadline()))
    }
}
