//! What a guard costs a call: one `Arc` for all its policies, or none where nothing is to be heard at
//! the end; one clock reading on each side, or none where nobody asks.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::{
    future::{Future, ready},
    mem::size_of_val,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    CircuitBreaker, Outcome, Rejected,
    breaker::State,
    guard::{Admission, Admit, Guard, Judge, Never, No, Now, Policy, Yes},
};
use policies::{Log, Queue, Spy};
use strict::{Ask, Strict, make_ready, send};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

/// Nothing to hear at the end, and a note when it is gone.
struct Doors {
    _note: Arc<()>,
}

impl Policy for Doors {
    type Ticket = ();
    type Wait = Never;
    type Queues = No;
    type Settles = No;
    type Judges = No;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }

    fn cancel(&self, (): ()) {}

    fn settle(&self, (): (), _: Outcome, _: &Now) {}

    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Doors {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        Admission::Granted(())
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

/// A service whose future is exactly this big.
fn sized<const N: usize>() -> impl Service<(), Error = BoxError, Future = Bytes<N>, Response = ()> {
    service_fn(|()| Bytes { _room: [0; N] })
}

struct Bytes<const N: usize> {
    _room: [u8; N],
}

impl<const N: usize> Future for Bytes<N> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

/// What a refusal takes, and a word to tell the states apart.
const REFUSAL: usize = size_of::<Rejected>();
const WORD: usize = size_of::<usize>();

fn size_over<const N: usize, P: Admit<(), Queues = No>>(policy: P) -> usize
where
    P::Judges: Judge<Guard<P>, (), BoxError>,
{
    size_of_val(&Guard::new(policy).layer(sized::<N>()).call(()))
}

#[test]
fn over_a_policy_with_nothing_to_hear_a_future_holds_nothing() {
    let doors = || Doors {
        _note: Arc::default(),
    };
    assert!(size_over::<0, _>(doors()) <= REFUSAL + WORD);
    assert!(size_over::<8, _>(doors()) <= REFUSAL + WORD);
    assert!(size_over::<100, _>(doors()) <= 100 + WORD);
    assert!(size_over::<1000, _>((doors(), (doors(), doors()))) <= 1000 + WORD);
}

#[tokio::test(start_paused = true)]
async fn over_a_policy_with_nothing_to_hear_no_arc_is_cloned_for_a_call() {
    let note = Arc::new(());
    let doors = || Doors {
        _note: Arc::clone(&note),
    };
    let guard = Guard::new((doors(), doors()));
    let mut service = guard.layer(service_fn(|()| async {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(())
    }));
    let mut call = spawn(service.call(()));
    assert_pending!(call.poll());
    assert_eq!(Arc::strong_count(&note), 3);
    drop((service, guard));
    // The policies are gone though the call still runs: it holds no way to them.
    assert_eq!(Arc::strong_count(&note), 1);
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn a_call_holds_one_arc_for_all_its_policies() {
    let log = Log::default();
    let spies = || {
        let [a, b, c] = ["a", "b", "c"].map(|name| Spy::new(name, &log));
        (a, (b, c))
    };
    // Three tickets of no size: what is left is the one pointer.
    assert!(size_over::<1000, _>(spies()) <= 1000 + WORD + WORD);
    let breakers = [(); 3].map(|()| CircuitBreaker::builder().build().unwrap());
    let [a, b, c] = breakers;
    assert!(size_over::<1000, _>((a, (b, c))) <= 1000 + WORD + 3 * 16 + WORD);

    let before = log.holders();
    let guard = Guard::new(spies());
    let mut service = guard.layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    let call = service.call(());
    assert_eq!(log.holders(), before + 3, "policies are not cloned");
    drop((service, guard));
    assert_eq!(log.holders(), before + 3, "the call keeps them all");
    call.await.unwrap();
    assert_eq!(log.holders(), before);
}

/// Reads the clock where it is told to, later than anybody could have read it before.
struct Reader {
    in_check: bool,
    readings: Arc<Mutex<Vec<Reading>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Reading {
    at: Instant,
    /// Nobody had read the clock on this side of the call.
    first: bool,
}

impl Reader {
    fn read(&self, now: &Now) {
        let asked = Instant::now();
        let later = loop {
            let now = Instant::now();
            if now > asked {
                break now;
            }
        };
        let at = now.get();
        let first = at >= later;
        self.readings.lock().unwrap().push(Reading { at, first });
    }

    fn readings(&self) -> Vec<Reading> {
        std::mem::take(&mut self.readings.lock().unwrap())
    }

    fn new(in_check: bool) -> Self {
        let readings = Arc::default();
        Self { in_check, readings }
    }
}

impl Policy for Reader {
    type Ticket = ();
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, now: &Now) -> Option<Rejected> {
        if self.in_check {
            self.read(now);
        }
        None
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }

    fn cancel(&self, (): ()) {}

    fn settle(&self, (): (), _: Outcome, now: &Now) {
        self.read(now);
    }

    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Reader {
    fn admit(&self, now: &Now, _: &R) -> Admission<Self> {
        self.read(now);
        Admission::Granted(())
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

/// The clock of these tests runs: paused, any two readings would be equal.
#[tokio::test]
async fn all_policies_of_a_guard_share_one_clock_reading_on_each_side() {
    let readers = (Reader::new(true), (Reader::new(true), Reader::new(true)));
    let guard = Guard::new(readers);
    let (a, (b, c)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let mut sides = Vec::new();
    let mut side = || {
        let all: Vec<_> = [a, b, c].iter().flat_map(|it| it.readings()).collect();
        assert!(all.len() >= 3);
        assert!(all.iter().all(|reading| reading.at == all[0].at));
        assert_eq!(all.iter().filter(|reading| reading.first).count(), 1);
        sides.push(all[0].at);
    };
    make_ready(&mut service);
    side();
    let call = service.call(Ask::answer());
    side();
    call.await.unwrap();
    side();
    assert!(sides.is_sorted_by(|a, b| a < b), "each side has its own");
}

#[tokio::test]
async fn a_breaker_reads_the_clock_only_where_a_decision_needs_it() {
    for timed in [false, true] {
        let mut builder = CircuitBreaker::builder().count_window(100);
        if timed {
            builder = builder.slow_call_duration(Duration::from_secs(60));
        }
        let breaker = builder.build().unwrap();
        let guard = Guard::new((breaker.clone(), Reader::new(false)));
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        make_ready(&mut service);
        service.call(Ask::answer()).await.unwrap();
        assert_eq!(breaker.snapshot().state, State::Closed);
        // Was the reader the first to ask, when the call started and when it ended?
        let first = guard.policy().1.readings();
        assert_eq!(first.len(), 2);
        assert!(first.iter().all(|reading| reading.first != timed));
    }
}

#[tokio::test]
async fn all_policies_of_a_guard_share_one_clock_reading_when_a_wait_has_ended() {
    let queue = Queue::new(1, 10);
    let guard = Guard::new((Reader::new(false), (Reader::new(false), queue)));
    let (a, (b, _)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = spawn(send(&mut service, Ask::answer()));
    let mut waiting = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(waiting.poll());
    drop(running);
    // What was read up to here belongs to other sides.
    drop((a.readings(), b.readings()));
    assert_pending!(waiting.poll());
    let all = [a.readings(), b.readings()].concat();
    assert_eq!(all.len(), 2, "both are asked again");
    assert_eq!(all[0].at, all[1].at);
}
