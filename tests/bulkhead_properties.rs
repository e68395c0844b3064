//! A bulkhead against a naive reference, step by step over thousands of random histories; ten
//! thousand waiters; and many threads at once.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use buttress::{
    Bulkhead, Reason,
    bulkhead::Config,
    guard::{Acquire, Permit, Yes},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use support::Dice;
use tokio::time::{Instant, advance};
use tokio_test::{
    assert_pending, assert_ready,
    task::{Spawn, spawn},
};

const MS: Duration = Duration::from_millis(1);

type Call = Spawn<Acquire<Bulkhead<Yes>>>;

fn config(limit: u32, max_queue: u32, wait_ms: u32) -> Config {
    let mut config = Config::new(limit);
    config.max_queue = max_queue;
    config.max_wait = if max_queue == 0 {
        Duration::ZERO
    } else {
        wait_ms * MS
    };
    config
}

fn bulkhead(config: Config) -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(1).max_queue(0);
    builder.config(config).build().unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Arrive,
    /// One of those that run.
    End(Index),
    /// One of those that wait or have just been let in.
    Poll(Index),
    Drop(Index),
    Advance(u32),
    Change(Config),
}

fn settings() -> impl Strategy<Value = Config> {
    // From 32 on threads have some places for themselves.
    let limit = prop_oneof![3 => 1..5_u32, 1 => 30..36_u32];
    (limit, 0..4_u32, 1..50_u32).prop_map(|(limit, queue, wait)| config(limit, queue, wait))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Arrive),
        4 => any::<Index>().prop_map(Step::End),
        4 => any::<Index>().prop_map(Step::Poll),
        2 => any::<Index>().prop_map(Step::Drop),
        2 => (1..30_u32).prop_map(Step::Advance),
        1 => settings().prop_map(Step::Change),
    ]
}

/// A call that has not been told yet.
struct Waiter {
    id: u64,
    call: Call,
    since: Instant,
    until: Instant,
    polled: bool,
}

/// What a bulkhead is, by the book: numbers and a queue of names.
struct Naive {
    config: Config,
    running: Vec<Permit<Bulkhead<Yes>>>,
    queue: VecDeque<u64>,
    /// Let in after a wait, and not told yet.
    let_in: Vec<u64>,
    waits: u64,
    waited: Duration,
    rejected: u64,
    timed_out: u64,
}

impl Naive {
    fn in_flight(&self) -> usize {
        self.running.len() + self.let_in.len()
    }

    fn has_place(&self) -> bool {
        self.in_flight() < self.config.max_concurrent as usize
    }

    fn compare(&self, bulkhead: &Bulkhead<Yes>) {
        let seen = bulkhead.snapshot();
        assert_eq!(seen.limit, self.config.max_concurrent);
        assert_eq!(seen.in_flight, self.in_flight() as u64);
        assert_eq!(seen.queued, self.queue.len() as u64);
        assert_eq!((seen.waits, seen.waited), (self.waits, self.waited));
        assert_eq!(
            (seen.rejected, seen.timed_out, seen.expired),
            (self.rejected, self.timed_out, 0)
        );
    }

    fn settle(&mut self) {
        while self.has_place() {
            let Some(first) = self.queue.pop_front() else {
                break;
            };
            self.let_in.push(first);
        }
    }
}

/// A look brings all places together, so half of the histories are looked at only in the end.
async fn live(first: Config, steps: Vec<Step>, watched: bool) {
    let bulkhead = bulkhead(first);
    let mut naive = Naive {
        config: first,
        running: Vec::new(),
        queue: VecDeque::new(),
        let_in: Vec::new(),
        waits: 0,
        waited: Duration::ZERO,
        rejected: 0,
        timed_out: 0,
    };
    let mut waiting = Vec::<Waiter>::new();
    let mut ids = 0..;
    let last = steps.len() - 1;
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Arrive => {
                let mut call = spawn(bulkhead.acquire());
                let max_queue = naive.config.max_queue as usize;
                if naive.has_place() {
                    assert!(naive.queue.is_empty());
                    naive.running.push(assert_ready!(call.poll()).unwrap());
                } else if naive.queue.len() < max_queue {
                    let id = ids.next().unwrap();
                    naive.queue.push_back(id);
                    waiting.push(Waiter {
                        id,
                        call,
                        since: Instant::now(),
                        until: Instant::now() + naive.config.max_wait,
                        polled: false,
                    });
                } else {
                    naive.rejected += 1;
                    let no = assert_ready!(call.poll()).unwrap_err();
                    assert_eq!(no.reason(), Reason::Full);
                }
            }
            Step::End(_) if naive.running.is_empty() => {}
            Step::End(which) => {
                let which = which.index(naive.running.len());
                drop(naive.running.swap_remove(which));
            }
            Step::Poll(_) | Step::Drop(_) if waiting.is_empty() => {}
            Step::Poll(which) => {
                let which = which.index(waiting.len());
                let waiter = &mut waiting[which];
                let (id, now) = (waiter.id, Instant::now());
                if naive.let_in.contains(&id) {
                    naive.waits += 1;
                    naive.waited += now - waiter.since;
                    naive.let_in.retain(|other| *other != id);
                    naive
                        .running
                        .push(assert_ready!(waiter.call.poll()).unwrap());
                    waiting.remove(which);
                } else if now >= waiter.until {
                    naive.rejected += 1;
                    naive.timed_out += 1;
                    naive.queue.retain(|other| *other != id);
                    let no = assert_ready!(waiter.call.poll()).unwrap_err();
                    assert_eq!(no.reason(), Reason::Full);
                    waiting.remove(which);
                } else {
                    waiter.polled = true;
                    assert_pending!(waiter.call.poll());
                }
            }
            Step::Drop(which) => {
                let Waiter { id, call, .. } = waiting.remove(which.index(waiting.len()));
                drop(call);
                naive.queue.retain(|other| *other != id);
                naive.let_in.retain(|other| *other != id);
            }
            Step::Advance(ms) => advance(ms * MS).await,
            Step::Change(config) => {
                bulkhead.reconfigure(config).unwrap();
                naive.config = config;
            }
        }
        naive.settle();
        if watched || n == last {
            naive.compare(&bulkhead);
        }
        for waiter in waiting.iter().filter(|waiter| waiter.polled) {
            let over = Instant::now() >= waiter.until;
            let wanted = over || naive.let_in.contains(&waiter.id);
            assert_eq!(
                waiter.call.is_woken(),
                wanted,
                "who waits for what has come"
            );
        }
    }
    // When all have gone there are as many places as there should be.
    naive.running.clear();
    drop(waiting);
    let limit = bulkhead.config().max_concurrent;
    let places = (0..limit).map(|_| assert_ready!(spawn(bulkhead.acquire()).poll()));
    let places: Vec<_> = places.map(Result::unwrap).collect();
    let mut more = spawn(bulkhead.acquire())
        .poll()
        .map(|answer| answer.is_ok());
    assert_ne!(more, std::task::Poll::Ready(true));
    drop(places);
    more = spawn(bulkhead.acquire())
        .poll()
        .map(|answer| answer.is_ok());
    assert_eq!(more, std::task::Poll::Ready(true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn it_does_what_the_reference_does(
        first in settings(),
        steps in vec(step(), 1..200),
        watched in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(live(first, steps, watched));
    }
}

const MANY: usize = 10_000;

fn crowd() -> (Bulkhead<Yes>, Permit<Bulkhead<Yes>>, Vec<Option<Call>>) {
    let bulkhead = bulkhead(config(1, MANY as u32, 3_600_000));
    let place = assert_ready!(spawn(bulkhead.acquire()).poll()).unwrap();
    let mut calls: Vec<_> = (0..MANY).map(|_| Some(spawn(bulkhead.acquire()))).collect();
    assert!(assert_ready!(spawn(bulkhead.acquire()).poll()).is_err());
    // The order in which they are polled is none of arrival.
    let mut dice = Dice(7);
    for n in (1..MANY).rev() {
        let other = dice.between(0, n as u64) as usize;
        for n in [n, other] {
            assert_pending!(calls[n].as_mut().unwrap().poll());
        }
    }
    (bulkhead, place, calls)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_waiters_are_let_in_in_order_of_arrival() {
    let (bulkhead, mut place, mut calls) = crowd();
    for n in 0..MANY {
        drop(place);
        let (first, later) = calls[n..].split_first_mut().unwrap();
        let first = first.as_mut().unwrap();
        assert!(first.is_woken());
        // One is let in at a time.
        let next = later.first().and_then(Option::as_ref);
        assert!(next.is_none_or(|next| !next.is_woken()));
        place = assert_ready!(first.poll()).unwrap();
    }
    assert_eq!(bulkhead.snapshot().waits, MANY as u64);
    drop(place);
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn with_random_cancellations_the_others_keep_their_order_and_nobody_is_lost() {
    for seed in 0..3 {
        let mut dice = Dice(seed);
        let (bulkhead, place, mut calls) = crowd();
        let mut place = Some(place);
        let (mut told, mut dropped) = (0_u64, 0_u64);
        let mut last = None;
        while calls.iter().any(Option::is_some) {
            // Some of them leave, from anywhere in the queue, the one with the place in hand included.
            for _ in 0..dice.between(0, 3) {
                let n = dice.between(0, MANY as u64 - 1) as usize;
                dropped += u64::from(calls[n].take().is_some());
            }
            place = None;
            let first = calls.iter().position(Option::is_some);
            let Some(first) = first else { break };
            assert!(last < Some(first));
            last = Some(first);
            if dice.once_in(4) {
                // With the place in hand.
                calls[first] = None;
                dropped += 1;
                continue;
            }
            let mut call = calls[first].take().unwrap();
            assert!(call.is_woken());
            place = Some(assert_ready!(call.poll()).unwrap());
            told += 1;
            assert_eq!(bulkhead.snapshot().in_flight, 1);
        }
        drop(place);
        assert_eq!(told + dropped, MANY as u64);
        let seen = bulkhead.snapshot();
        assert_eq!((seen.in_flight, seen.queued, seen.waits), (0, 0, told));
        assert!(told > 1_000 && dropped > 1_000);
    }
}

/// Many tasks on real threads, some of which lose patience, while the limit goes up and down.
#[test]
fn on_many_threads_no_more_run_than_may_and_none_is_lost() {
    const TASKS: u64 = 48;
    const ROUNDS: u64 = 300;
    const QUEUE: u32 = TASKS as u32;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    // With few places and with many, of which threads have some for themselves.
    for (most, changes) in [(3, false), (3, true), (36, false), (36, true)] {
        let settings = move |limit| config(limit, QUEUE, 3_600_000);
        let bulkhead = bulkhead(settings(most));
        let running: &'static AtomicU64 = Box::leak(Box::default());
        let told: &'static AtomicU64 = Box::leak(Box::default());
        let work = async {
            let mut tasks = Vec::new();
            for task in 0..TASKS {
                let bulkhead = bulkhead.clone();
                tasks.push(tokio::spawn(async move {
                    let mut dice = Dice(task);
                    for _ in 0..ROUNDS {
                        let call = bulkhead.acquire();
                        if dice.once_in(8) {
                            drop(call);
                            continue;
                        }
                        let place = tokio::select! {
                            biased;
                            place = call => place,
                            () = yields(dice.between(0, 20)) => continue,
                        };
                        let Ok(place) = place else { continue };
                        assert!(running.fetch_add(1, SeqCst) < most.into());
                        told.fetch_add(1, SeqCst);
                        yields(dice.between(0, 2)).await;
                        running.fetch_sub(1, SeqCst);
                        drop(place);
                        assert!(bulkhead.snapshot().in_flight <= most.into());
                    }
                }));
            }
            if changes {
                let mut dice = Dice(99);
                for _ in 0..ROUNDS {
                    let limit = dice.between(1, most.into()) as u32;
                    bulkhead.reconfigure(settings(limit)).unwrap();
                    tokio::task::yield_now().await;
                }
                bulkhead.reconfigure(settings(most)).unwrap();
            }
            for task in tasks {
                task.await.unwrap();
            }
        };
        // If a wakeup was lost, it would be for ever.
        let work = async { tokio::time::timeout(Duration::from_secs(120), work).await };
        assert!(runtime.block_on(work).is_ok(), "somebody waits for ever");
        assert!(told.load(SeqCst) > TASKS * ROUNDS / 20);
        let seen = bulkhead.snapshot();
        assert_eq!((seen.limit, seen.in_flight, seen.queued), (most, 0, 0));
        let places: Vec<_> = (0..most).map(|_| bulkhead.acquire()).collect();
        assert_eq!(seen_of(&bulkhead), (most.into(), 0));
        let more = bulkhead.acquire();
        assert_eq!(seen_of(&bulkhead), (most.into(), 1));
        drop(more);
        drop(places);
    }
}

/// In flight, queued.
fn seen_of(bulkhead: &Bulkhead<Yes>) -> (u64, u64) {
    let seen = bulkhead.snapshot();
    (seen.in_flight, seen.queued)
}

async fn yields(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}
