//! Events: who hears them, in what order, and what a listener may do. What each event tells of a
//! breaker stands with the breaker's own tests.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use buttress::{
    CircuitBreaker,
    breaker::{Builder, State},
    telemetry::{Event, EventKind, Subscription},
};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

/// Opens at the first failure, for a second; one probe.
fn touchy(name: &str) -> Builder {
    CircuitBreaker::builder()
        .name(name)
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND)
        .open_jitter(0.0)
        .probes(1)
}

fn open(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
}

/// Remembers what it hears.
#[derive(Debug, Clone, Default)]
struct Ear(Arc<Mutex<Vec<Event>>>);

impl Ear {
    fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let ear = self.clone();
        move |event| ear.0.lock().unwrap().push(event.clone())
    }

    fn heard(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// The kinds of event, without what they tell.
    fn kinds(&self) -> Vec<&'static str> {
        self.heard().iter().map(kind).collect()
    }
}

fn kind(event: &Event) -> &'static str {
    match event.kind {
        EventKind::Opened { .. } => "opened",
        EventKind::HalfOpened { .. } => "half-opened",
        EventKind::ProbesTimedOut { .. } => "probes timed out",
        EventKind::Closed { .. } => "closed",
        EventKind::ForcedOpen { .. } => "forced open",
        EventKind::ForcedClosed => "forced closed",
        EventKind::Disabled => "disabled",
        EventKind::Reset => "reset",
        EventKind::Reconfigured { .. } => "reconfigured",
        _ => "unheard of",
    }
}

#[tokio::test(start_paused = true)]
async fn events_carry_policy_time_generation_and_a_sequence_number() {
    let ear = Ear::default();
    let breaker = touchy("shop").on_event(ear.listener()).build().unwrap();
    let mut expected = Vec::new();
    let mut heard = |what| {
        expected.push((what, Instant::now(), breaker.snapshot().generation));
    };
    open(&breaker);
    heard("opened");
    advance(SECOND).await;
    let probe = breaker.try_acquire().unwrap();
    heard("half-opened");
    advance(SECOND).await;
    probe.success();
    heard("closed");
    breaker.force_open();
    heard("forced open");
    breaker.force_closed();
    heard("forced closed");
    breaker.disable();
    heard("disabled");
    breaker.reset();
    heard("reset");
    breaker.reconfigure(breaker.config()).unwrap();
    heard("reconfigured");

    let events = ear.heard();
    let told: Vec<_> = events
        .iter()
        .map(|it| (kind(it), it.at, it.generation))
        .collect();
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event.policy == "shop"));
    assert!(events.iter().map(|event| event.seq).eq(1..=8));
    let generations: Vec<_> = events.iter().map(|event| event.generation).collect();
    assert!(generations[..7].is_sorted_by(|a, b| a < b));
    assert_eq!(
        generations[6], generations[7],
        "other settings are no other era"
    );
}

#[tokio::test(start_paused = true)]
async fn a_builders_listener_stays_and_a_subscription_ends_when_it_is_dropped() {
    let (for_life, for_a_while) = (Ear::default(), Ear::default());
    let breaker = touchy("b").on_event(for_life.listener()).build().unwrap();
    breaker.force_closed();
    let subscription = breaker.subscribe(for_a_while.listener());
    breaker.disable();
    let handle = breaker.clone();
    handle.reset();
    drop(subscription);
    breaker.force_open();
    assert_eq!(
        for_life.kinds(),
        ["forced closed", "disabled", "reset", "forced open"]
    );
    assert_eq!(for_a_while.kinds(), ["disabled", "reset"]);
    // What a listener owns is gone with its subscription.
    assert_eq!(Arc::strong_count(&for_a_while.0), 1);
    assert_eq!(Arc::strong_count(&for_life.0), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fork_is_heard_by_the_builders_listeners_alone() {
    let (for_life, for_a_while) = (Ear::default(), Ear::default());
    let breaker = touchy("b").on_event(for_life.listener()).build().unwrap();
    let _subscription = breaker.subscribe(for_a_while.listener());
    let fork = breaker.fork("fork");
    fork.force_open();
    breaker.force_open();
    let heard: Vec<_> = for_life
        .heard()
        .iter()
        .map(|it| (it.policy, it.seq))
        .collect();
    assert_eq!(heard, [("fork", 1), ("b", 1)]);
    assert_eq!(for_a_while.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_may_outlive_its_breaker() {
    let ear = Ear::default();
    let breaker = touchy("b").build().unwrap();
    let subscription = breaker.subscribe(ear.listener());
    drop(breaker);
    drop(subscription);
    assert_eq!(Arc::strong_count(&ear.0), 1);
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_call_the_breaker_back() {
    let ear = Ear::default();
    let more = Ear::default();
    let breaker = touchy("b").build().unwrap();
    let subscriptions = Arc::new(Mutex::new(Vec::<Subscription>::new()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let meddler = {
        let (breaker, more) = (breaker.clone(), more.clone());
        let (subscriptions, seen) = (Arc::clone(&subscriptions), Arc::clone(&seen));
        move |event: &Event| {
            seen.lock().unwrap().push(breaker.snapshot().state);
            if kind(event) == "opened" {
                let subscription = breaker.subscribe(more.listener());
                subscriptions.lock().unwrap().push(subscription);
                breaker.reset();
                breaker.try_acquire().unwrap().success();
                breaker.reconfigure(breaker.config()).unwrap();
                drop(breaker.fork("b"));
            }
        }
    };
    let _first = breaker.subscribe(meddler);
    let _second = breaker.subscribe(ear.listener());
    open(&breaker);
    // Told of the opening when it is so, and of what it did itself while it was still at it.
    assert_eq!(
        *seen.lock().unwrap(),
        [State::Open, State::Closed, State::Closed]
    );
    let mut events = ear.heard();
    events.sort_by_key(|event| event.seq);
    let kinds: Vec<_> = events.iter().map(kind).collect();
    assert_eq!(kinds, ["opened", "reset", "reconfigured"]);
    assert_eq!(more.kinds(), ["reset", "reconfigured"]);
    assert_eq!(breaker.snapshot().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_end_its_own_subscription() {
    let heard = Arc::new(AtomicU32::new(0));
    let breaker = touchy("b").build().unwrap();
    let own = Arc::new(OnceLock::<Mutex<Option<Subscription>>>::new());
    let subscription = breaker.subscribe({
        let (own, heard) = (Arc::clone(&own), Arc::clone(&heard));
        move |_| {
            heard.fetch_add(1, SeqCst);
            let own = own.get().unwrap().lock().unwrap().take();
            drop(own);
        }
    });
    own.set(Mutex::new(Some(subscription))).unwrap();
    breaker.force_open();
    breaker.reset();
    assert_eq!(heard.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_listener_harms_no_call_and_later_listeners_hear() {
    let ear = Ear::default();
    let breaker = touchy("b")
        .on_event(|_| panic!("a listener panics"))
        .on_event(ear.listener())
        .build()
        .unwrap();
    open(&breaker);
    advance(SECOND).await;
    let answer = breaker.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(answer.unwrap(), 7);
    assert_eq!(ear.kinds(), ["opened", "half-opened", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_while_a_call_does_harms_neither() {
    let ear = Ear::default();
    let breaker = touchy("b")
        .on_event(|_| panic!("a listener panics"))
        .on_event(ear.listener())
        .build()
        .unwrap();
    let panics = || -> std::future::Ready<Result<(), ()>> { panic!("the call panics") };
    let payload = catch_unwind(AssertUnwindSafe(|| drop(breaker.call(panics)))).unwrap_err();
    assert_eq!(*payload.downcast::<&str>().unwrap(), "the call panics");
    assert_eq!(ear.kinds(), ["opened"]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_runs_outside_every_lock() {
    let breaker = touchy("b").build().unwrap();
    let (done, all_done) = mpsc::channel();
    let listener = {
        let breaker = breaker.clone();
        move |_: &Event| {
            // Another thread gets everything it asks for while the listener waits for it. Were a lock
            // held, it would not: the same thread might be let in again, so it is no proof.
            let (breaker, done) = (breaker.clone(), done.clone());
            let (answer, answered) = mpsc::channel();
            thread::spawn(move || {
                let mut asked = vec![breaker.snapshot().state];
                drop(breaker.try_acquire());
                drop(breaker.subscribe(|_| ()));
                drop(breaker.fork("b"));
                asked.push(breaker.snapshot().state);
                answer.send(asked).unwrap();
            });
            done.send(answered.recv_timeout(10 * SECOND)).unwrap();
        }
    };
    let _subscription = breaker.subscribe(listener);
    open(&breaker);
    assert_eq!(all_done.recv().unwrap(), Ok(vec![State::Open; 2]));
    advance(SECOND).await;
    let probe = breaker.try_acquire().unwrap();
    assert_eq!(all_done.recv().unwrap(), Ok(vec![State::HalfOpen; 2]));
    probe.success();
    assert_eq!(all_done.recv().unwrap(), Ok(vec![State::Closed; 2]));
    breaker.force_open();
    assert_eq!(all_done.recv().unwrap(), Ok(vec![State::ForcedOpen; 2]));
}

#[tokio::test(start_paused = true)]
async fn whatever_the_threads_do_sequence_numbers_have_no_gaps_and_no_doubles() {
    let ear = Ear::default();
    let breaker = touchy("b").on_event(ear.listener()).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    breaker.reset();
                    if let Ok(permit) = breaker.try_acquire() {
                        permit.failure();
                    }
                }
            });
        }
    });
    let mut events = ear.heard();
    events.sort_by_key(|event| event.seq);
    assert!(events.len() >= 400);
    assert!(
        events
            .iter()
            .map(|event| event.seq)
            .eq(1..=events.len() as u64)
    );
    assert!(events.is_sorted_by_key(|event| event.generation));
}
