//! Other settings for a pipeline while calls run through it: what a call keeps, what a policy keeps, and who
//! hears of it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::{pending, ready},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use buttress::{
    Error, Fallback, Reason, Resilience,
    backoff::{Backoff, Jitter},
    breaker::{self, Order, State, Window},
    bulkhead,
    hedge::Percentile,
    pipeline::Config,
    rate_limit,
    replay::Attempt,
    retry,
    telemetry::EventKind,
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, task::spawn};

const SECOND: Duration = Duration::from_secs(1);

type Ended = Result<u32, Error<&'static str>>;

fn built(config: &Config) -> Resilience {
    let builder = Resilience::builder().config(config.clone()).seed(1);
    builder.build().unwrap()
}

fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// A call that never answers, but is cut short.
async fn hang(all: &Resilience) -> Ended {
    all.call(|_| pending()).await
}

fn reason(ended: &Ended) -> Option<Reason> {
    let refused = ended.as_ref().err()?.rejected()?;
    Some(refused.reason())
}

/// At once, or not at all.
fn now(all: &Resilience, answer: Result<u32, &'static str>) -> Ended {
    match spawn(all.call(|_| ready(answer))).poll() {
        std::task::Poll::Ready(ended) => ended,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// A call that fails at once, and is dropped should it wait for another attempt.
fn fail(all: &Resilience) {
    let _ = spawn(all.call(|_| ready(Err::<u32, _>("down")))).poll();
}

/// Three attempts, a second apart.
fn retry() -> retry::Config {
    let mut retry = retry::Config::default();
    retry.backoff = Backoff::constant(SECOND).jitter(Jitter::None);
    retry
}

fn breaker() -> breaker::Config {
    let mut breaker = breaker::Config::default();
    breaker.min_calls = 10;
    breaker.open_for = SECOND;
    breaker.open_jitter = 0.0;
    breaker
}

/// Everything that can be there, with a retry.
fn everything() -> Config {
    with(|config| {
        config.deadline = Some(100 * SECOND);
        config.retry = Some(retry());
        config.rate_limit = Some(rate_limit::Config::per_second(100));
        config.breaker = Some(breaker());
        config.bulkhead = Some(10.into());
        config.attempt_timeout = Some(5 * SECOND);
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_deadline_and_the_timeout_of_its_attempts() {
    for (before, after, expected, why) in [
        (
            with(|config| config.deadline = Some(2 * SECOND)),
            with(|config| config.deadline = Some(SECOND)),
            2,
            Reason::DeadlineExceeded,
        ),
        (
            with(|config| config.attempt_timeout = Some(2 * SECOND)),
            with(|config| config.attempt_timeout = Some(9 * SECOND)),
            2,
            Reason::TimedOut,
        ),
        (
            with(|config| config.attempt_timeout = Some(2 * SECOND)),
            Config::default(),
            2,
            Reason::TimedOut,
        ),
        (
            with(|config| {
                config.retry = Some(retry());
                config.attempt_timeout = Some(2 * SECOND);
            }),
            with(|config| config.attempt_timeout = Some(SECOND)),
            // Three attempts, and two pauses of a second.
            8,
            Reason::TimedOut,
        ),
        (
            with(|config| {
                config.hedge = Some(SECOND.into());
                config.attempt_timeout = Some(2 * SECOND);
            }),
            with(|config| {
                config.retry = Some(retry());
                config.deadline = Some(SECOND);
            }),
            // The hedge's time begins a second later.
            3,
            Reason::TimedOut,
        ),
    ] {
        for polled in [false, true] {
            let all = built(&before);
            let begun = Instant::now();
            let mut call = spawn(all.call(|_| pending::<Result<u32, &str>>()));
            if polled {
                assert_pending!(call.poll());
            }
            all.reconfigure(after.clone()).unwrap();
            let ended = call.await;
            assert_eq!(reason(&ended), Some(why));
            assert_eq!(begun.elapsed(), expected * SECOND);
        }
    }
    // And one without any keeps none.
    let all = built(&Config::default());
    let mut call = spawn(hang(&all));
    assert_pending!(call.poll());
    all.reconfigure(Config::standard()).unwrap();
    advance(1_000 * SECOND).await;
    assert_pending!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn the_next_call_goes_by_the_new_settings() {
    let all = built(&Config::default());
    for seconds in [3, 1, 2] {
        let config = with(|config| config.deadline = Some(seconds * SECOND));
        all.reconfigure(config.clone()).unwrap();
        assert_eq!(all.config(), config);
        let begun = Instant::now();
        let ended = hang(&all).await;
        assert_eq!(reason(&ended), Some(Reason::DeadlineExceeded));
        assert_eq!(begun.elapsed(), seconds * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_further_attempts_is_decided_as_the_call_arrives() {
    let third = |attempt: Attempt| async move {
        match attempt.number() {
            3 => Ok(3),
            _ => Err("down"),
        }
    };
    let retried = with(|config| config.retry = Some(retry()));
    let all = built(&retried);
    let mut call = spawn(all.call(third));
    assert_pending!(call.poll());
    all.reconfigure(Config::default()).unwrap();
    assert_eq!(call.await, Ok(3));
    // Not of the next one.
    assert_eq!(all.call(third).await, Err(Error::Inner("down")));
    assert!(all.snapshot().retry.is_none());
    all.reconfigure(retried).unwrap();
    assert_eq!(all.call(third).await, Ok(3));
    assert_eq!(all.snapshot().retry.unwrap().retries, 4);
}

#[tokio::test(start_paused = true)]
async fn patterns_vanish_and_appear_while_calls_run_and_no_place_is_lost() {
    let mut bare = Config::default();
    bare.budget = everything().budget;
    let mut hedged = everything();
    hedged.retry = None;
    hedged.hedge = Some(SECOND.into());
    let configs = [everything(), bare, hedged, Config::standard()];
    let all = built(&configs[0]);
    let mut calls = Vec::new();
    for round in 0..40 {
        let config = &configs[round % configs.len()];
        all.reconfigure(config.clone()).unwrap();
        let mut call = Box::pin(all.call(|_| pending::<Result<(), &str>>()));
        let polled = std::future::poll_fn(|cx| {
            let _ = call.as_mut().poll(cx);
            std::task::Poll::Ready(())
        });
        polled.await;
        calls.push(call);
        if round % 3 == 2 {
            drop(calls.swap_remove(round % calls.len()));
        }
        advance(SECOND / 10).await;
    }
    drop(calls);
    for config in &configs {
        all.reconfigure(config.clone()).unwrap();
        let seen = all.snapshot();
        if let Some(places) = seen.bulkhead {
            assert_eq!((places.in_flight, places.queued), (0, 0));
        }
        assert_eq!(seen.budget.reserved, 0);
        assert_eq!(now(&all, Ok(7)), Ok(7));
    }
    assert_eq!(all.snapshot().breaker.unwrap().state, State::Closed);
}

/// A queue: one place, and so many may wait a minute.
fn queue(calls: u32) -> bulkhead::Config {
    let mut places = bulkhead::Config::new(1);
    places.max_queue = calls;
    places.max_wait = 60 * SECOND;
    places
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_place_get_theirs_though_the_bulkhead_is_gone() {
    let all = built(&with(|config| config.bulkhead = Some(queue(5))));
    let slow = |_| async {
        sleep(SECOND).await;
        Ok::<_, &str>(1)
    };
    let mut calls: Vec<_> = (0..4).map(|_| spawn(all.call(slow))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    let queued = || all.snapshot().bulkhead.unwrap().queued;
    assert_eq!(queued(), 3);
    all.reconfigure(Config::default()).unwrap();
    // New calls pass them by.
    assert_eq!(now(&all, Ok(7)), Ok(7));
    let begun = Instant::now();
    drop(calls.remove(2));
    for call in calls {
        assert_eq!(call.await, Ok(1));
    }
    assert_eq!(begun.elapsed(), 3 * SECOND);
    all.reconfigure(with(|config| config.bulkhead = Some(1.into())))
        .unwrap();
    let seen = all.snapshot().bulkhead.unwrap();
    assert_eq!((seen.in_flight, seen.queued, seen.waits), (0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_place_taken_before_the_bulkhead_was_off_and_on_counts() {
    let config = with(|config| config.bulkhead = Some(1.into()));
    let all = built(&config);
    let mut call = spawn(hang(&all));
    assert_pending!(call.poll());
    all.reconfigure(Config::default()).unwrap();
    let mut unseen = spawn(hang(&all));
    assert_pending!(unseen.poll());
    all.reconfigure(config).unwrap();
    assert_eq!(reason(&now(&all, Ok(7))), Some(Reason::Full));
    // One that began while there was none has taken none, and gives none back.
    drop(unseen);
    assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 1);
    drop(call);
    assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 0);
    assert_eq!(now(&all, Ok(7)), Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_lowered_bulkhead_keeps_those_who_run() {
    let places = |places: u32| with(|config| config.bulkhead = Some(places.into()));
    let all = built(&places(3));
    let mut calls: Vec<_> = (0..3).map(|_| spawn(hang(&all))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    all.reconfigure(places(1)).unwrap();
    assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 3);
    calls.truncate(1);
    assert_eq!(reason(&now(&all, Ok(7))), Some(Reason::Full));
    calls.clear();
    assert_eq!(now(&all, Ok(7)), Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_keeps_what_was_spent() {
    let limit = |calls| {
        let limit = rate_limit::Config::new(calls, 1_000 * SECOND);
        with(|config| config.rate_limit = Some(limit))
    };
    let all = built(&limit(10));
    let available = || all.snapshot().rate_limit.unwrap().available;
    for _ in 0..6 {
        now(&all, Ok(7)).unwrap();
    }
    assert_eq!(available(), 4);
    let mut other = limit(10);
    other.bulkhead = Some(5.into());
    all.reconfigure(other).unwrap();
    assert_eq!(available(), 4);
    all.reconfigure(limit(20)).unwrap();
    assert_eq!(available(), 14);
    // Also while it is away.
    all.reconfigure(Config::default()).unwrap();
    now(&all, Ok(7)).unwrap();
    all.reconfigure(limit(20)).unwrap();
    assert_eq!(available(), 14);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_keeps_its_window_unless_its_kind_or_span_is_another_one() {
    let all = built(&everything());
    for n in 0..6 {
        if n < 2 {
            fail(&all);
        } else {
            now(&all, Ok(7)).unwrap();
        }
    }
    let seen = || {
        let seen = all.snapshot().breaker.unwrap();
        (seen.calls, seen.failed, seen.generation)
    };
    assert_eq!(seen(), (6, 2, 0));
    let mut config = everything();
    config.bulkhead = None;
    config.deadline = None;
    all.reconfigure(config.clone()).unwrap();
    assert_eq!(seen(), (6, 2, 0));
    config.breaker.as_mut().unwrap().min_calls = 7;
    config.breaker.as_mut().unwrap().failure_ratio = 0.4;
    all.reconfigure(config.clone()).unwrap();
    assert_eq!(seen(), (6, 2, 0));
    // The new threshold holds from the next call on.
    fail(&all);
    assert_eq!(all.snapshot().breaker.unwrap().state, State::Open);
    all.order(Order::Reset);
    now(&all, Ok(7)).unwrap();
    assert_eq!(seen().0, 1);
    config.breaker.as_mut().unwrap().window = Window::Time(20 * SECOND);
    all.reconfigure(config).unwrap();
    assert_eq!(seen().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_keeps_its_state_and_its_probes() {
    let all = built(&everything());
    for _ in 0..10 {
        fail(&all);
    }
    assert_eq!(all.snapshot().breaker.unwrap().state, State::Open);
    let mut config = everything();
    config.breaker.as_mut().unwrap().min_calls = 20;
    all.reconfigure(config.clone()).unwrap();
    assert_eq!(reason(&now(&all, Ok(7))), Some(Reason::Open));
    advance(SECOND).await;
    let mut probes: Vec<_> = (0..4).map(|_| spawn(hang(&all))).collect();
    for probe in &mut probes {
        assert_pending!(probe.poll());
    }
    let generation = all.snapshot().breaker.unwrap().generation;
    config.breaker.as_mut().unwrap().min_calls = 10;
    config.attempt_timeout = Some(4 * SECOND);
    all.reconfigure(config).unwrap();
    let seen = all.snapshot().breaker.unwrap();
    assert_eq!((seen.state, seen.generation), (State::HalfOpen, generation));
    assert_eq!(seen.probes.unwrap().running, 4);
    drop(probes);
    for _ in 0..5 {
        now(&all, Ok(7)).unwrap();
    }
    assert_eq!(all.snapshot().breaker.unwrap().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_appears_begins_closed_and_empty() {
    let all = built(&everything());
    for _ in 0..10 {
        fail(&all);
    }
    let mut without = everything();
    without.breaker = None;
    all.reconfigure(without).unwrap();
    now(&all, Ok(7)).unwrap();
    all.reconfigure(everything()).unwrap();
    let seen = all.snapshot().breaker.unwrap();
    assert_eq!((seen.state, seen.calls, seen.failed), (State::Closed, 0, 0));
    now(&all, Ok(7)).unwrap();
    assert_eq!(all.snapshot().breaker.unwrap().calls, 1);
}

/// An order is not a setting: it stays.
#[tokio::test(start_paused = true)]
async fn an_order_outlasts_other_settings() {
    let all = built(&everything());
    all.order(Order::ForceOpen(None));
    all.reconfigure(Config::standard()).unwrap();
    assert_eq!(reason(&now(&all, Ok(7))), Some(Reason::ForcedOpen));
}

type Told = Arc<Mutex<Vec<EventKind>>>;

fn told_of(config: &Config) -> (Resilience, Told) {
    let told = Told::default();
    let told_to = Arc::clone(&told);
    let builder = Resilience::builder().config(config.clone());
    let all = builder
        .on_event(move |event| told_to.lock().unwrap().push(event.kind.clone()))
        .build()
        .unwrap();
    (all, told)
}

/// What is the same is not touched: nobody hears that it has changed.
#[tokio::test(start_paused = true)]
async fn only_what_has_changed_is_told() {
    let (all, told) = told_of(&everything());
    let reconfigured = |told: &Told| {
        let told = std::mem::take(&mut *told.lock().unwrap());
        let of = told
            .iter()
            .filter(|it| matches!(it, EventKind::Reconfigured { .. }));
        assert_eq!(of.count(), told.len(), "{told:?}");
        told.len()
    };
    all.reconfigure(everything()).unwrap();
    assert_eq!(reconfigured(&told), 0);
    type Change = fn(&mut Config);
    let changes: [(Change, usize); 9] = [
        (|config| config.deadline = Some(99 * SECOND), 0),
        (|config| config.attempt_timeout = Some(4 * SECOND), 1),
        (|config| config.budget.ratio = 0.1, 1),
        (|config| config.retry.as_mut().unwrap().max_attempts = 2, 1),
        (|config| config.rate_limit.as_mut().unwrap().burst = 7, 1),
        (|config| config.breaker.as_mut().unwrap().probes = 2, 1),
        (|config| config.bulkhead = Some(20.into()), 1),
        // Plays no part without one.
        (|config| config.fallback.max_concurrent = 1, 0),
        (|config| config.rate_limit = None, 0),
    ];
    let mut config = everything();
    for (n, (change, times)) in changes.into_iter().enumerate() {
        change(&mut config);
        all.reconfigure(config.clone()).unwrap();
        assert_eq!(reconfigured(&told), times, "change {n}");
        assert_eq!(all.config(), config);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_its_settings() {
    let backup = Fallback::async_function(|_: Result<u32, Error<&str>>| pending());
    let builder = Resilience::builder().fallback(backup.max_concurrent(1));
    let all = builder.build().unwrap();
    let call = || spawn(all.call(|_| ready(Err::<u32, _>("down"))));
    let (mut first, mut second) = (call(), call());
    assert_pending!(first.poll());
    assert!(second.poll().is_ready());
    let mut config = all.config();
    config.fallback.max_concurrent = 2;
    all.reconfigure(config).unwrap();
    let mut third = call();
    assert_pending!(third.poll());
    assert_eq!(all.snapshot().fallback.unwrap().running, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_changes_nothing_and_is_told_to_nobody() {
    let (all, told) = told_of(&everything());
    let mut call = spawn(hang(&all));
    assert_pending!(call.poll());
    let before = all.snapshot();
    let mut config = Config::latency_sensitive();
    config.retry = Some(retry());
    config.breaker.as_mut().unwrap().probes = 0;
    let no = all.reconfigure(config).unwrap_err();
    assert_eq!(no.violations()[0].field, "breaker.probes");
    assert_eq!((all.config(), all.snapshot()), (everything(), before));
    assert!(told.lock().unwrap().is_empty());
}

/// It is told while nobody holds a lock: whoever listens may change the settings at once, and its change is
/// the last.
#[tokio::test(start_paused = true)]
async fn a_listener_may_change_the_settings() {
    let all = Arc::new(OnceLock::<Resilience>::new());
    let (of, again) = (Arc::clone(&all), AtomicBool::new(false));
    let mut wanted = Config::standard();
    wanted.bulkhead = Some(99.into());
    let set = wanted.clone();
    let built = Resilience::builder()
        .config(everything())
        .on_event(move |event| {
            let first = !again.swap(true, SeqCst);
            if let (EventKind::Reconfigured { .. }, true, Some(all)) =
                (&event.kind, first, of.get())
            {
                all.reconfigure(set.clone()).unwrap();
                assert_eq!(all.snapshot().policy, "resilience");
            }
        })
        .build()
        .unwrap();
    all.set(built.clone()).unwrap();
    built.reconfigure(Config::latency_sensitive()).unwrap();
    assert_eq!(built.config(), wanted);
    let seen = built.snapshot();
    assert_eq!(seen.bulkhead.unwrap().limit, 99);
    assert!(seen.retry.is_some() && seen.hedge.is_none());
    assert_eq!(seen.timeout.limit, 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_does_not_keep_the_settings_from_being_taken() {
    let built = Resilience::builder()
        .config(everything())
        .on_event(|_| panic!("the listener panics"))
        .build()
        .unwrap();
    for config in [
        Config::latency_sensitive(),
        everything(),
        Config::standard(),
    ] {
        built.reconfigure(config.clone()).unwrap();
        assert_eq!(built.config(), config);
        let limit = built.snapshot().bulkhead.unwrap().limit;
        assert_eq!(limit, config.bulkhead.unwrap().max_concurrent);
    }
}

/// Two threads change the settings, two call: in the end one of the settings is there, whole.
#[test]
fn of_several_threads_the_last_one_s_settings_stay_whole() {
    let first = everything();
    let mut second = Config::latency_sensitive();
    second.rate_limit = Some(rate_limit::Config::per_second(1_000_000));
    let all = built(&first);
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for config in [&first, &second] {
            let (all, done) = (&all, &done);
            scope.spawn(move || {
                for _ in 0..500 {
                    all.reconfigure(config.clone()).unwrap();
                    let now = all.config();
                    assert!(now == *config || now.retry.is_some() != config.retry.is_some());
                }
                done.fetch_add(1, SeqCst);
            });
        }
        for _ in 0..2 {
            let (all, done) = (&all, &done);
            scope.spawn(move || {
                while done.load(SeqCst) < 2 {
                    let mut call = spawn(all.call(|_| ready(Ok::<_, &str>(7))));
                    match call.poll() {
                        std::task::Poll::Ready(ended) => {
                            // The rate is used up before long.
                            assert!(matches!(ended, Ok(7) | Err(Error::Rejected(_))));
                        }
                        std::task::Poll::Pending => panic!("it waits"),
                    }
                    let seen = all.snapshot();
                    assert!(seen.retry.is_some() != seen.hedge.is_some());
                }
            });
        }
    });
    let config = all.config();
    assert!(config == first || config == second);
    let seen = all.snapshot();
    assert_eq!(seen.bulkhead.as_ref().unwrap().in_flight, 0);
    let limit = config.bulkhead.unwrap().max_concurrent;
    assert_eq!(seen.bulkhead.unwrap().limit, limit);
    assert_eq!(seen.rate_limit.unwrap().config, config.rate_limit.unwrap());
    assert_eq!(seen.timeout.limit, config.attempt_timeout.unwrap());
}

/// The percentile of a hedge is kept where its window is.
#[tokio::test(start_paused = true)]
async fn a_hedge_keeps_what_it_has_measured() {
    let hedge = |quantile| Percentile::new(quantile, SECOND).min_samples(5);
    let mut config = with(|config| config.hedge = Some(hedge(0.5).into()));
    let all = built(&config);
    let slow = |_| async {
        sleep(SECOND / 10).await;
        Ok::<_, &str>(1)
    };
    for _ in 0..10 {
        all.call(slow).await.unwrap();
    }
    let seen = || all.snapshot().hedge.unwrap();
    assert_eq!(seen().samples, 10);
    config.hedge = Some(hedge(0.9).into());
    all.reconfigure(config.clone()).unwrap();
    assert_eq!(seen().samples, 10);
    // And while it is away.
    all.reconfigure(Config::default()).unwrap();
    all.reconfigure(config).unwrap();
    assert_eq!(seen().samples, 10);
    assert!(seen().delay < SECOND / 5);
}
