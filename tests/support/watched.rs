//! A policy for each key that remembers who runs and who failed, and tells when it was forgotten.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use buttress::{
    InvalidConfig, Outcome, Reason, Rejected,
    guard::{Admission, Admit, Never, No, Now, Policy, Template, Yes},
};

/// What became of all policies that were made of one.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    pub(crate) made: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Those among them that remembered something.
    pub(crate) lost: AtomicU64,
}

/// Lets in so many at once. Not idle while one runs, nor after a failure until a success.
#[derive(Debug)]
pub(crate) struct Watched {
    most: Mutex<u32>,
    running: AtomicU32,
    blamed: AtomicBool,
    pub(crate) fates: Arc<Fates>,
}

impl Watched {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most: Mutex::new(most),
            running: AtomicU32::new(0),
            blamed: AtomicBool::new(false),
            fates: Arc::default(),
        }
    }

    fn most(&self) -> u32 {
        *self.most.lock().unwrap()
    }

    fn is_idle(&self) -> bool {
        self.running.load(SeqCst) == 0 && !self.blamed.load(SeqCst)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.fates.dropped.fetch_add(1, SeqCst);
        if !self.is_idle() {
            self.fates.lost.fetch_add(1, SeqCst);
        }
    }
}

/// What it shows: how many may run, how many do, and whether one failed last.
pub(crate) type Shown = (u32, u32, bool);

/// More than a hundred at once break a rule.
impl Template for Watched {
    type Config = u32;
    type Snapshot = Shown;

    fn name(&self) -> &'static str {
        "watched"
    }

    fn config(&self) -> u32 {
        self.most()
    }

    fn reconfigure(&self, most: u32) -> Result<(), InvalidConfig> {
        valid(most)?;
        *self.most.lock().unwrap() = most;
        Ok(())
    }

    fn fresh(&self, most: u32) -> Result<Self, InvalidConfig> {
        valid(most)?;
        self.fates.made.fetch_add(1, SeqCst);
        let mut fresh = Self::new(most);
        fresh.fates = Arc::clone(&self.fates);
        Ok(fresh)
    }

    fn snapshot(&self) -> Shown {
        let running = self.running.load(SeqCst);
        (self.most(), running, self.blamed.load(SeqCst))
    }
}

/// An error that only the library can make: a real policy's.
fn valid(most: u32) -> Result<(), InvalidConfig> {
    if most <= 100 {
        return Ok(());
    }
    let faulty = buttress::CircuitBreaker::builder()
        .name("watched")
        .probes(0);
    faulty.build().map(drop)
}

impl Policy for Watched {
    type Ticket = ();
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }

    fn cancel(&self, (): ()) {
        self.running.fetch_sub(1, SeqCst);
    }

    fn settle(&self, (): (), outcome: Outcome, _: &Now) {
        match outcome {
            Outcome::Failure => self.blamed.store(true, SeqCst),
            Outcome::Success => self.blamed.store(false, SeqCst),
            _ => {}
        }
        self.running.fetch_sub(1, SeqCst);
    }

    fn idle(&self, _: &Now) -> bool {
        self.is_idle()
    }
}

impl<R: ?Sized> Admit<R> for Watched {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        let most = self.most();
        let one_more = |running| (running < most).then_some(running + 1);
        match self.running.fetch_update(SeqCst, SeqCst, one_more) {
            Ok(_) => Admission::Granted(()),
            Err(_) => Admission::Refused(Rejected::new("watched", Reason::Full)),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        match *wait {}
    }
}
