//! What tower asks of a service, and what a whole pipeline gives back: readiness of every attempt, drops at
//! every await point, panics of everybody's code.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    cell::Cell,
    future::poll_fn,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use buttress::{
    Deadline, Fallback, OnError, Outcome, Reason, Refusal, Resilience,
    backoff::{Backoff, Jitter},
    breaker::{self, Order, State},
    bulkhead,
    pipeline::{Config, Resilient},
    rate_limit, retry,
};
use strict::{Ask, Failed, Strict, Watch, make_ready, panic_of, poll_ready, send};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
    service_fn,
};

const PAUSE: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const HANG: Ask = Ask::answer().after(u32::MAX);

type Replay = Box<dyn Fn(&Ask) -> Option<Ask> + Send + Sync>;
type Pipeline = Resilience<OnError, Replay>;
type Service_ = Resilient<Strict, OnError, Replay>;

/// Every later attempt is this.
fn then(ask: fn() -> Ask) -> Replay {
    Box::new(move |_| Some(ask()))
}

/// All patterns: a call has a minute, an attempt ten seconds; a place, and one may wait for it; three calls in
/// a quarter of an hour, and one may wait; the breaker judges a hundred.
fn all_patterns() -> Config {
    let mut config = Config::default();
    config.deadline = Some(2_000 * SECOND);
    let mut limit = rate_limit::Config::new(3, 900 * SECOND);
    limit.max_wait = 300 * SECOND;
    config.rate_limit = Some(limit);
    let mut breaker = breaker::Config::default();
    breaker.min_calls = 100;
    breaker.window = breaker::Window::Count(100);
    breaker.open_jitter = 0.0;
    breaker.probes = 1;
    breaker.probe_timeout = 2_000 * SECOND;
    config.breaker = Some(breaker);
    let mut places = bulkhead::Config::new(1);
    places.max_queue = 1;
    places.max_wait = 100 * SECOND;
    config.bulkhead = Some(places);
    config.attempt_timeout = Some(10 * SECOND);
    config
}

fn retried() -> Config {
    let mut config = all_patterns();
    let mut retry = retry::Config::default();
    retry.backoff = Backoff::constant(PAUSE).jitter(Jitter::None);
    config.retry = Some(retry);
    config
}

fn hedged() -> Config {
    let mut config = all_patterns();
    config.bulkhead.as_mut().unwrap().max_concurrent = 2;
    config.hedge = Some(PAUSE.into());
    config
}

fn single() -> Config {
    all_patterns()
}

fn around(config: &Config, replay: Replay) -> (Service_, Arc<Watch>) {
    let (strict, watch) = Strict::<BoxError>::new();
    let builder = Resilience::builder().config(config.clone());
    let all: Pipeline = builder.replay(replay).build().unwrap();
    (all.layer(strict), watch)
}

/// All that a call may hold: places, those who wait for one, probes, what is set aside of the budget.
fn held<C, D, F>(all: &Resilience<C, Replay, D, F>) -> [u64; 4]
where
    F: buttress::pipeline::Outermost,
{
    let seen = all.snapshot();
    let places = seen.bulkhead.unwrap();
    let probes = seen.breaker.unwrap().probes;
    [
        places.in_flight,
        places.queued,
        probes.map_or(0, |probes| probes.running.into()),
        seen.budget.reserved,
    ]
}

const NOTHING: [u64; 4] = [0; 4];

#[tokio::test(start_paused = true)]
async fn the_instance_made_ready_is_the_one_called() {
    for config in [Config::default(), single(), retried(), hedged()] {
        let (mut service, watch) = around(&config, then(Ask::answer));
        let first = service.get_ref().number();
        for round in 1..=3 {
            assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), first);
            assert_eq!((watch.calls(), watch.ready_polls()), (round, round));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_owns_no_readiness() {
    for config in [Config::default(), single(), retried(), hedged()] {
        let (mut service, _) = around(&config, then(Ask::answer));
        make_ready(&mut service);
        let mut clone = service.clone();
        let words = panic_of(|| drop(clone.call(Ask::answer())));
        assert!(words.contains("polled ready"), "{words}");
        assert!(service.call(Ask::answer()).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn later_attempts_go_to_an_instance_of_their_own_that_is_made_ready_first() {
    let (mut service, watch) = around(&retried(), then(Ask::answer));
    let first = service.get_ref().number();
    let spare = send(&mut service, Ask::fail()).await.unwrap();
    assert_ne!(spare, first);
    assert_eq!((watch.calls(), watch.ready_polls()), (2, 2));

    let (mut service, watch) = around(&hedged(), then(Ask::answer));
    let first = service.get_ref().number();
    let mut call = spawn(send(&mut service, HANG));
    assert_pending!(call.poll());
    advance(PAUSE).await;
    assert_ne!(assert_ready_ok!(call.poll()), first);
    assert_eq!((watch.calls(), watch.ready_polls()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_waits_until_its_service_is_ready_and_holds_no_place_meanwhile() {
    let (mut service, watch) = around(&retried(), then(Ask::answer));
    let all = service.resilience().clone();
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    watch.hold_back();
    advance(PAUSE).await;
    assert_pending!(call.poll());
    assert_eq!((watch.calls(), held(&all)), (1, [0, 0, 0, 1]));
    watch.let_go();
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
    assert_eq!((watch.calls(), held(&all)), (2, NOTHING));
}

/// A service that breaks between two attempts ends the call with its error.
#[tokio::test(start_paused = true)]
async fn a_service_that_breaks_before_a_later_attempt() {
    let (mut service, watch) = around(&retried(), then(Ask::answer));
    let all = service.resilience().clone();
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    watch.break_down();
    advance(PAUSE).await;
    assert!(assert_ready_err!(call.poll()).is::<Failed>());
    assert_eq!(held(&all), NOTHING);
}

/// Whatever they say, it is the answer of `call`.
#[tokio::test(start_paused = true)]
async fn poll_ready_never_errs_because_of_a_policy() {
    for config in [single(), retried(), hedged()] {
        let (mut service, watch) = around(&config, then(Ask::answer));
        let all = service.resilience().clone();
        watch.hold_back();
        // Open: ready, though the service is not.
        all.order(Order::ForceOpen(None));
        for _ in 0..2 {
            let error = send(&mut service, Ask::answer()).await.unwrap_err();
            assert_eq!(error.rejected().unwrap().reason(), Reason::ForcedOpen);
        }
        assert_eq!((watch.calls(), watch.ready_polls()), (0, 0));
        all.order(Order::Reset);
        assert_pending!(poll_ready(&mut service));
        watch.let_go();
        // Full, and the queue as well.
        let mut clones: Vec<_> = (0..3).map(|_| service.clone()).collect();
        let calls = clones.iter_mut().map(|clone| spawn(send(clone, HANG)));
        let mut calls: Vec<_> = calls.collect();
        for call in &mut calls {
            let _ = call.poll();
        }
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        assert_eq!(error.rejected().unwrap().reason(), Reason::Full);
        drop(calls);
        assert_eq!(held(&all), NOTHING);
        // Only the service's own error comes from `poll_ready`.
        watch.break_down();
        assert!(assert_ready_err!(poll_ready(&mut service)).is::<Failed>());
    }
}

/// Readiness given without the service is refused in `call`, though the reason may be gone.
#[tokio::test(start_paused = true)]
async fn readiness_without_the_service_is_refused() {
    for config in [single(), retried(), hedged()] {
        let (mut service, watch) = around(&config, then(Ask::answer));
        let all = service.resilience().clone();
        all.order(Order::ForceOpen(None));
        make_ready(&mut service);
        all.order(Order::Reset);
        let error = service.call(Ask::answer()).await.unwrap_err();
        assert_eq!(error.rejected().unwrap().reason(), Reason::ForcedOpen);
        assert_eq!(watch.calls(), 0);
        // Also when the breaker has been switched off meanwhile.
        all.order(Order::ForceOpen(None));
        make_ready(&mut service);
        all.reconfigure(Config::default()).unwrap();
        assert!(service.call(Ask::answer()).await.is_err());
        assert!(send(&mut service, Ask::answer()).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_readied_service_holds_nothing() {
    for config in [single(), retried(), hedged()] {
        let (mut idle, watch) = around(&config, then(Ask::answer));
        let all = idle.resilience().clone();
        make_ready(&mut idle);
        assert_eq!(held(&all), NOTHING);
        assert_eq!(all.snapshot().rate_limit.unwrap().available, 3);
        drop(idle);
        assert_eq!((watch.calls(), held(&all)), (0, NOTHING));
    }
}

/// Makes the breaker half-open, so that a call is its only probe.
async fn ripen(all: &Pipeline) {
    all.order(Order::ForceOpen(Some(SECOND)));
    advance(SECOND).await;
}

/// Unpolled; while the first runs; in a pause; while the next is made ready; while that one runs; answered.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_a_retried_call_gives_everything_back() {
    for probe in [false, true] {
        for stage in 0..=5 {
            let (mut service, watch) = around(&retried(), then(|| Ask::answer().after(1)));
            let weak = Arc::downgrade(&watch);
            let all = service.resilience().clone();
            if probe {
                // The failure of a probe re-opens, and then nothing follows.
                if stage > 1 {
                    continue;
                }
                ripen(&all).await;
            }
            let mut call = spawn(send(&mut service, Ask::fail().after(1)));
            let first = [1, 0, u64::from(probe), 0];
            match stage {
                0 => assert_eq!(held(&all), first),
                1 => {
                    assert_pending!(call.poll());
                    assert_eq!(held(&all), first);
                }
                _ => {
                    assert_pending!(call.poll());
                    assert_pending!(call.poll());
                    assert_eq!(held(&all), [0, 0, 0, 1]);
                    if stage == 3 {
                        watch.hold_back();
                    }
                    if stage > 2 {
                        advance(PAUSE).await;
                        assert_pending!(call.poll());
                    }
                    if stage > 3 {
                        assert_eq!(held(&all), [1, 0, 0, 0]);
                    }
                    if stage == 5 {
                        assert_ready_ok!(call.poll());
                    }
                }
            }
            drop(call);
            assert_eq!(held(&all), NOTHING, "stage {stage}");
            assert_eq!(watch.dropped(), watch.calls(), "stage {stage}");
            watch.let_go();
            assert!(send(&mut service, Ask::answer()).await.is_ok());
            drop((service, watch));
            assert!(weak.upgrade().is_none(), "stage {stage}: a service is left");
        }
    }
}

/// Unpolled; with one attempt; while the hedge's service is not ready; with both.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_a_hedged_call_gives_everything_back() {
    for stage in 0..=3 {
        let (mut service, watch) = around(&hedged(), then(|| HANG));
        let weak = Arc::downgrade(&watch);
        let all = service.resilience().clone();
        let mut call = spawn(send(&mut service, HANG));
        if stage > 0 {
            assert_pending!(call.poll());
        }
        if stage == 2 {
            watch.hold_back();
        }
        if stage > 1 {
            advance(PAUSE).await;
            assert_pending!(call.poll());
        }
        let running = if stage == 3 { 2 } else { 1 };
        assert_eq!(held(&all), [running, 0, 0, 0], "stage {stage}");
        drop(call);
        assert_eq!(held(&all), NOTHING, "stage {stage}");
        assert_eq!(u64::from(watch.calls()), running);
        assert_eq!(watch.dropped(), watch.calls());
        watch.let_go();
        assert!(send(&mut service, Ask::answer()).await.is_ok());
        drop((service, watch));
        assert!(weak.upgrade().is_none(), "stage {stage}: a service is left");
    }
}

/// Waits for a turn give the turn back, waits for a place the token that was kept as well.
#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_a_call_gives_its_turn_back() {
    for config in [single(), retried()] {
        for polled in [false, true] {
            let (mut service, watch) = around(&config, then(Ask::answer));
            let all = service.resilience().clone();
            let mut other = service.clone();
            let available = || all.snapshot().rate_limit.unwrap().available;
            let mut runs = spawn(send(&mut service, HANG));
            assert_pending!(runs.poll());
            assert_eq!(available(), 2);
            let mut waits = spawn(send(&mut other, Ask::answer()));
            if polled {
                assert_pending!(waits.poll());
            }
            assert_eq!((held(&all), available()), ([1, 1, 0, 0], 1));
            drop(waits);
            assert_eq!((held(&all), available()), ([1, 0, 0, 0], 2));
            drop(runs);
            assert_eq!((held(&all), watch.calls()), (NOTHING, 1));
            // Now for a turn: the rate is used up.
            for _ in 0..2 {
                assert!(send(&mut other, Ask::answer()).await.is_ok());
            }
            assert_eq!(available(), 0);
            let next_at = || all.snapshot().rate_limit.unwrap().next_at;
            let before = next_at();
            let mut waits = spawn(send(&mut other, Ask::answer()));
            if polled {
                assert_pending!(waits.poll());
            }
            assert!(next_at() > before);
            drop(waits);
            assert_eq!((held(&all), next_at()), (NOTHING, before));
        }
    }
}

/// A place that came to a call that is dropped before it notices goes to the next.
#[tokio::test(start_paused = true)]
async fn a_place_given_to_one_who_leaves_is_free_again() {
    let (mut service, _) = around(&single(), then(Ask::answer));
    let all = service.resilience().clone();
    let mut other = service.clone();
    let mut runs = spawn(send(&mut service, HANG));
    assert_pending!(runs.poll());
    let mut waits = spawn(send(&mut other, Ask::answer()));
    assert_pending!(waits.poll());
    drop(runs);
    assert!(waits.is_woken());
    assert_eq!(held(&all), [1, 0, 0, 0]);
    drop(waits);
    assert_eq!(held(&all), NOTHING);
}

/// The wait is over, and the service that was made ready long before is the one that is called.
#[tokio::test(start_paused = true)]
async fn who_waited_calls_the_instance_that_was_made_ready() {
    for config in [single(), retried()] {
        let (mut service, watch) = around(&config, then(Ask::answer));
        let mut other = service.clone();
        let number = other.get_ref().number();
        let mut runs = spawn(send(&mut service, HANG));
        assert_pending!(runs.poll());
        let mut waits = spawn(send(&mut other, Ask::answer()));
        assert_pending!(waits.poll());
        drop(runs);
        assert_eq!(assert_ready_ok!(waits.poll()), number);
        assert_eq!(watch.calls(), 2);
        // And the caller's own instance is another one, that has to be made ready.
        drop(waits);
        assert_ne!(send(&mut other, Ask::answer()).await.unwrap(), number);
    }
}

/// In `call`, or when polled: a failure for the breaker, and all is given back.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_service_is_a_failure_and_leaves_nothing_behind() {
    for config in [single(), retried(), hedged()] {
        for in_call in [false, true] {
            let (mut service, watch) = around(&config, then(Ask::answer));
            let all = service.resilience().clone();
            make_ready(&mut service);
            let words = panic_of(|| {
                if in_call {
                    drop(service.call(Ask::panic_in_call()));
                } else {
                    let _ = spawn(service.call(Ask::panic_in_poll())).poll();
                }
            });
            assert!(words.contains("the mock panics"), "{words}");
            let breaker = all.snapshot().breaker.unwrap();
            assert_eq!((breaker.calls, breaker.failed), (1, 1));
            assert_eq!((held(&all), watch.calls()), (NOTHING, 1));
            assert!(send(&mut service, Ask::answer()).await.is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_is_a_panic_in_a_later_attempt() {
    for (config, first) in [(retried(), Ask::fail as fn() -> Ask), (hedged(), || HANG)] {
        for next in [Ask::panic_in_call as fn() -> Ask, Ask::panic_in_poll] {
            let (mut service, watch) = around(&config, then(next));
            let all = service.resilience().clone();
            let mut call = spawn(send(&mut service, first()));
            assert_pending!(call.poll());
            advance(PAUSE).await;
            let words = panic_of(|| drop(call.poll()));
            assert!(words.contains("the mock panics"), "{words}");
            drop(call);
            let seen = all.snapshot();
            assert!(seen.breaker.unwrap().failed >= 1);
            assert_eq!((held(&all), watch.calls()), (NOTHING, 2));
            assert_eq!(seen.budget.drawn, 1, "it was sent");
            assert!(send(&mut service, Ask::answer()).await.is_ok());
        }
    }
}

/// A replay that panics as the call arrives, and one that panics when it is to make a request again.
#[tokio::test(start_paused = true)]
async fn a_replay_that_panics_leaves_nothing_behind() {
    for (config, first) in [(retried(), Ask::fail as fn() -> Ask), (hedged(), || HANG)] {
        for at in 0..2 {
            // A third attempt could follow, so that the request is made, and not handed over.
            let mut config = config.clone();
            if let Some(hedge) = &mut config.hedge {
                hedge.max_hedges = 2;
            }
            let asked = Mutex::new(0);
            let replay: Replay = Box::new(move |_| {
                let asked = std::mem::replace(&mut *asked.lock().unwrap(), 1);
                assert_ne!(asked, at, "the replay panics");
                Some(Ask::answer())
            });
            let (mut service, watch) = around(&config, replay);
            let all = service.resilience().clone();
            make_ready(&mut service);
            if at == 0 {
                let words = panic_of(|| drop(service.call(first())));
                assert!(words.contains("the replay panics"), "{words}");
                assert_eq!(watch.calls(), 0);
            } else {
                let mut call = spawn(service.call(first()));
                assert_pending!(call.poll());
                advance(PAUSE).await;
                let words = panic_of(|| drop(call.poll()));
                assert!(words.contains("the replay panics"), "{words}");
                drop(call);
                assert_eq!(watch.calls(), 1);
            }
            let seen = all.snapshot();
            assert_eq!((held(&all), seen.budget.drawn), (NOTHING, 0));
        }
    }
}

/// A call whose classifier panics counts as abandoned.
#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_leaves_nothing_behind() {
    for config in [single(), retried(), hedged()] {
        let panics = Arc::new(AtomicBool::new(true));
        let armed = Arc::clone(&panics);
        let judge = move |_: Result<&u32, &BoxError>| {
            assert!(!armed.load(SeqCst), "the judge panics");
            Outcome::Success
        };
        let (strict, watch) = Strict::<BoxError>::new();
        let all = Resilience::builder()
            .config(config)
            .classify(judge)
            .replay(then(Ask::answer))
            .build()
            .unwrap();
        let mut service = all.layer(strict);
        let mut call = spawn(send(&mut service, Ask::answer()));
        let words = panic_of(|| drop(call.poll()));
        assert!(words.contains("the judge panics"), "{words}");
        drop(call);
        assert_eq!(held(&all), NOTHING);
        assert_eq!(all.snapshot().breaker.unwrap().calls, 0);
        assert_eq!((watch.calls(), watch.dropped()), (1, 1));
        panics.store(false, SeqCst);
        assert!(send(&mut service, Ask::answer()).await.is_ok());
    }
}

/// The call that caused the event has done nothing wrong.
#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_changes_nothing() {
    let (strict, watch) = Strict::<BoxError>::new();
    let told = Arc::new(Mutex::new(0));
    let told_to = Arc::clone(&told);
    let all = Resilience::builder()
        .config(retried())
        .replay(then(Ask::fail))
        .on_event(move |_| {
            *told_to.lock().unwrap() += 1;
            panic!("the listener panics");
        })
        .build()
        .unwrap();
    let mut service = all.layer(strict);
    let error = send(&mut service, Ask::fail()).await.unwrap_err();
    assert!(error.is::<Failed>());
    assert_eq!((watch.calls(), held(&all)), (3, NOTHING));
    // Two retries, and that they have stopped.
    assert_eq!(*told.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_panics_leaves_nothing_behind() {
    let (strict, _) = Strict::<BoxError>::new();
    let backup = Fallback::async_function(|_: Result<u32, BoxError>| async {
        tokio::task::yield_now().await;
        panic!("the backup panics")
    });
    let all = Resilience::builder()
        .config(single())
        .replay(then(Ask::answer))
        .fallback(backup)
        .build()
        .unwrap();
    let mut service = all.layer(strict);
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    assert_eq!(all.snapshot().fallback.unwrap().running, 1);
    let words = panic_of(|| drop(call.poll()));
    assert!(words.contains("the backup panics"), "{words}");
    drop(call);
    assert_eq!(held(&all), NOTHING);
    assert_eq!(all.snapshot().fallback.unwrap().running, 0);
    assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), 0);
}

/// Reading and writing deadlines is the user's code as well.
#[tokio::test(start_paused = true)]
async fn a_deadline_strategy_that_panics_leaves_nothing_behind() {
    for config in [single(), retried(), hedged()] {
        let (strict, watch) = Strict::<BoxError>::new();
        let panics = |_: &Ask| -> Option<Deadline> { panic!("the strategy panics") };
        let all = Resilience::builder()
            .config(config)
            .replay(then(Ask::answer))
            .deadline_in(panics)
            .build()
            .unwrap();
        let mut service = all.layer(strict);
        make_ready(&mut service);
        let words = panic_of(|| drop(service.call(Ask::answer())));
        assert!(words.contains("the strategy panics"), "{words}");
        assert_eq!((held(&all), watch.calls()), (NOTHING, 0));
        assert_eq!(all.snapshot().rate_limit.unwrap().available, 3);
    }
}

/// A service whose clone panics: as it arrives, and when it has to wait.
#[tokio::test(start_paused = true)]
async fn a_service_that_panics_when_it_is_cloned_leaves_nothing_behind() {
    struct Fragile(Strict, Arc<AtomicBool>);

    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(!self.1.load(SeqCst), "the clone panics");
            Self(self.0.clone(), Arc::clone(&self.1))
        }
    }

    impl Service<Ask> for Fragile {
        type Response = u32;
        type Error = BoxError;
        type Future = <Strict as Service<Ask>>::Future;

        fn poll_ready(
            &mut self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, ask: Ask) -> Self::Future {
            self.0.call(ask)
        }
    }

    for config in [single(), retried(), hedged()] {
        let panics = Arc::new(AtomicBool::new(false));
        let (strict, watch) = Strict::<BoxError>::new();
        let builder = Resilience::builder().config(config.clone());
        let all = builder.replay(then(|| HANG)).build().unwrap();
        let mut service = all.layer(Fragile(strict, Arc::clone(&panics)));
        let places = config.bulkhead.unwrap().max_concurrent;
        let mut calls: Vec<_> = (0..places)
            .map(|_| spawn(send(&mut service, HANG)))
            .collect();
        for call in &mut calls {
            assert_pending!(call.poll());
        }
        // The next one has to wait, and takes its service along.
        make_ready(&mut service);
        panics.store(true, SeqCst);
        let words = panic_of(|| drop(service.call(Ask::answer())));
        assert!(words.contains("the clone panics"), "{words}");
        assert_eq!(held(&all), [places.into(), 0, 0, 0]);
        drop(calls);
        assert_eq!(held(&all), NOTHING);
        assert_eq!(watch.calls(), places);
        panics.store(false, SeqCst);
        make_ready(&mut service);
        assert!(service.call(Ask::answer()).await.is_ok());
        // What it took was given back: the two places of those that ran are paid for.
        let left = all.snapshot().rate_limit.unwrap().available;
        assert_eq!(left, 3_u32.saturating_sub(places + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn polled_after_its_answer_it_says_so() {
    for config in [Config::default(), single(), retried(), hedged()] {
        let (mut service, _) = around(&config, then(Ask::answer));
        let mut call = spawn(send(&mut service, Ask::answer()));
        assert_ready_ok!(call.poll());
        let words = panic_of(|| drop(call.poll()));
        assert!(words.contains("polled after it answered"), "{words}");
    }
}

/// What the first attempt holds is gone before the next is sent: a connection pool of one does.
#[tokio::test(start_paused = true)]
async fn an_attempt_is_gone_before_the_next_is_sent_and_the_last_before_its_answer_is_told() {
    let (mut service, watch) = around(&retried(), then(|| Ask::answer().after(1)));
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    assert_eq!((watch.calls(), watch.dropped()), (1, 1));
    advance(PAUSE).await;
    assert_pending!(call.poll());
    assert_eq!((watch.calls(), watch.dropped()), (2, 1));
    assert_ready_ok!(call.poll());
    assert_eq!(watch.dropped(), 2);
}

/// Over tower's own limit, which panics when it is called without readiness, and holds its place for a
/// readied service.
#[tokio::test(start_paused = true)]
async fn over_a_limit_of_tower_s_that_holds_a_place_for_readiness() {
    let mut config = retried();
    config.rate_limit = None;
    let builder = Resilience::builder().config(config);
    let all: Resilience = builder.build().unwrap();
    let tries = Cell::new(0);
    let fails_first = |()| {
        tries.set(tries.get() + 1);
        let fails = tries.get() % 2 == 1;
        async move {
            match fails {
                true => Err::<u32, BoxError>("down".into()),
                false => Ok(7),
            }
        }
    };
    let service: ConcurrencyLimit<_> = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service(service_fn(fails_first));
    let mut service = all.layer(service);
    for _ in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(()).await.unwrap(), 7);
    }
}

/// A call outlives its service and every handle.
#[tokio::test(start_paused = true)]
async fn a_call_outlives_service_and_handles() {
    for config in [single(), retried(), hedged()] {
        let told = Arc::new(Mutex::new(0));
        let told_to = Arc::clone(&told);
        let weak: Weak<_> = Arc::downgrade(&told);
        let (strict, _) = Strict::<BoxError>::new();
        let all = Resilience::builder()
            .config(config)
            .replay(then(|| HANG))
            .on_event(move |_| *told_to.lock().unwrap() += 1)
            .build()
            .unwrap();
        let mut service = all.layer(strict);
        let mut call = spawn(send(&mut service, HANG));
        let begun = Instant::now();
        drop((service, all));
        // The mock wakes its task all the time, and so the clock does not run by itself.
        let error = loop {
            match call.poll() {
                Poll::Pending => advance(PAUSE).await,
                Poll::Ready(answer) => break answer.unwrap_err(),
            }
        };
        drop(call);
        assert_eq!(error.rejected().unwrap().reason(), Reason::TimedOut);
        assert!(begun.elapsed() >= 10 * SECOND);
        assert!(*told.lock().unwrap() >= 1, "its time out is told");
        drop(told);
        assert!(weak.upgrade().is_none(), "the listener is left");
    }
}

#[tokio::test(start_paused = true)]
async fn from_many_threads_by_all_ways_in_nothing_is_lost() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 300;
    let mut config = Config::standard();
    config.rate_limit = Some(rate_limit::Config::per_second(1_000_000_000));
    config.breaker.as_mut().unwrap().window = breaker::Window::Count(100_000);
    config.breaker.as_mut().unwrap().failure_ratio = 1.0;
    let all = Resilience::builder()
        .config(config)
        .replay(then(Ask::answer))
        .build()
        .unwrap();
    let service = all.layer(Strict::<BoxError>::new().0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (all, mut service) = (all.clone(), service.clone());
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    assert_ready_ok!(spawn(send(&mut service, Ask::answer())).poll());
                    let called = all.call(|_| async { Ok::<_, Failed>(()) });
                    assert!(spawn(called).poll().is_ready());
                    drop(send(&mut service, Ask::answer()));
                    drop(all.call_flat(|_| async { Ok::<_, BoxError>(()) }));
                }
            });
        }
    });
    let seen = all.snapshot();
    assert_eq!(held(&all), NOTHING);
    let breaker = seen.breaker.unwrap();
    assert_eq!(
        (breaker.state, breaker.calls),
        (State::Closed, 2 * THREADS * ROUNDS)
    );
    assert_eq!(breaker.rejected, 0);
}

/// A future that is made, polled and dropped without a runtime holds nothing either.
#[test]
fn without_a_runtime_what_is_answered_at_once_is_answered() {
    let all = Resilience::standard();
    let mut service = all.layer(service_fn(async |()| Ok::<_, BoxError>(7)));
    let mut ready = spawn(poll_fn(|cx| Service::<()>::poll_ready(&mut service, cx)));
    assert_ready_ok!(ready.poll());
    drop(ready);
    assert_eq!(assert_ready_ok!(spawn(service.call(())).poll()), 7);
    assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 0);
}
