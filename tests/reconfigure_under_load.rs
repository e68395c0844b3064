//! A thousand reconfigurations of one pipeline, one in five of them invalid, while two threads call through
//! it: nothing is lost, nothing is gained, nothing is torn.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    cell::RefCell,
    convert::Infallible,
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use buttress::{
    Deadline, InvalidConfig, Reason, Refusal, Rejected, Resilience,
    backoff::Backoff,
    breaker::{self, Window},
    bulkhead,
    deadline::ReadWrite,
    hedge,
    pipeline::{Config, Outermost},
    rate_limit, retry,
    telemetry::{EventKind, Expiry},
};
use futures::future::join_all;
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

const CHANGES: u64 = 1_000;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Ends the calls, also if something goes wrong.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs it on a thread of its own, with a runtime of its own.
fn alone<F: Future>(body: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    runtime.block_on(body)
}

/// Applies the settings of 1,000 numbers, of which every fifth breaks a rule, as fast as calls come.
fn change_all(
    progress: &AtomicU64,
    mut change: impl FnMut(u64, bool) -> Result<(), InvalidConfig>,
) -> u64 {
    let mut refused = 0;
    for n in 0..CHANGES {
        let seen = progress.load(SeqCst);
        let patience = Instant::now() + 30 * SECOND;
        while progress.load(SeqCst) < seen + 4 {
            assert!(Instant::now() < patience, "the calls have stopped");
            thread::yield_now();
        }
        let valid = n % 5 != 4;
        let result = change(n, valid);
        assert_eq!(result.is_ok(), valid, "{n}: {result:?}");
        refused += u64::from(result.is_err());
    }
    refused
}

/// One rule broken, by turns one of a pattern's and one across patterns, and the field that is to be named.
fn broken(mut config: Config, n: u64) -> (Config, &'static str) {
    let field = match n / 5 % 5 {
        0 => {
            config.breaker.as_mut().unwrap().failure_ratio = 2.0;
            "breaker.failure_ratio"
        }
        1 => {
            config.deadline = Some(Duration::ZERO);
            "deadline"
        }
        2 => {
            config.deadline = Some(Duration::from_micros(1));
            "deadline"
        }
        3 => {
            config.bulkhead = Some(bulkhead::Config::new(0));
            "bulkhead.max_concurrent"
        }
        _ => {
            config.rate_limit = Some(rate_limit::Config::new(0, SECOND));
            "rate_limit.calls"
        }
    };
    (config, field)
}

/// A token comes back in an hour or two.
fn slow_rate(n: u64, burst: u32) -> rate_limit::Config {
    let mut config = rate_limit::Config::new(1, HOUR * (1 + (n % 2) as u32));
    config.burst = burst;
    config
}

/// So many kinds of settings.
const KINDS: u64 = 12;

const LARGEST_BURST: u32 = 70_000;

/// Settings that tell from each of their traces which they are: the deadline in seconds, the timeout of an
/// attempt in milliseconds, who sends further attempts.
fn kind(n: u64) -> Config {
    let n = n % KINDS;
    let mut config = Config::default();
    config.deadline = Some(SECOND * 1_000 * (n as u32 + 1));
    config.attempt_timeout = Some(ms(5 + n));
    config.budget.reserve = 1_000_000;
    match n % 3 {
        0 => {}
        1 => {
            let mut retry = retry::Config::default();
            retry.max_attempts = 2;
            retry.backoff = Backoff::none();
            config.retry = Some(retry);
        }
        _ => config.hedge = Some(hedge::Config::new(ms(1 + n % 2))),
    }
    let mut breaker = breaker::Config::default();
    breaker.window = Window::Time(HOUR);
    breaker.min_calls = 1_000_000 + n as u32;
    breaker.failure_ratio = 0.5 + 0.01 * n as f64;
    config.breaker = Some(breaker);
    // Never full: a token that is taken is then always used.
    config.bulkhead = Some(bulkhead::Config::new(8 + 4 * n as u32));
    config.rate_limit = Some(slow_rate(n, LARGEST_BURST - 100 * n as u32));
    config
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wish {
    Quick,
    Fail,
    Hang,
}

struct Request {
    wish: Wish,
    /// The deadlines that were written: when the call must be over, and the timeout of an attempt's own then.
    call: Option<Deadline>,
    attempt: Option<Deadline>,
}

impl Request {
    fn new(wish: Wish) -> Self {
        let (call, attempt) = (None, None);
        Self {
            wish,
            call,
            attempt,
        }
    }
}

impl Clone for Request {
    /// Who sends more than one attempt keeps the request.
    fn clone(&self) -> Self {
        TRACES.with_borrow_mut(|traces| traces.kept = true);
        Self { ..*self }
    }
}

/// What a call of this thread has led to.
#[derive(Debug, Default)]
struct Traces {
    attempts: u64,
    kept: bool,
    call: Option<Deadline>,
    /// What was written for the first attempt, and when it was seen.
    first: Option<(Deadline, Instant)>,
    /// What an attempt was ended by.
    limit: Option<Duration>,
}

thread_local! {
    static TRACES: RefCell<Traces> = RefCell::default();
}

/// All that a call has led to is of the same settings. A time that was read between two others is known to
/// lie between them, however long a thread sleeps.
fn check(wish: Wish, arrival: Instant) {
    let traces = TRACES.take();
    let (first, seen) = traces.first.expect("an attempt was made");
    let bounds = |deadline: Deadline| {
        let at = deadline.instant();
        at - seen..=at - arrival
    };
    let call = bounds(traces.call.expect("it was written into the request"));
    let of = |n: &u64| call.contains(&kind(*n).deadline.unwrap());
    let n = (0..KINDS).find(of).expect("a deadline of somebody's");
    let timeout = kind(n).attempt_timeout.unwrap();
    assert!(bounds(first).contains(&timeout), "{n}: {traces:?}");
    assert_eq!(traces.kept, n % 3 > 0, "{n}: {traces:?}");
    let attempts = match (wish, n % 3) {
        (Wish::Quick, _) | (_, 0) | (Wish::Fail, 2) => 1..=1,
        (_, 1) => 2..=2,
        // A thread that sleeps may find that both times are over.
        _ => 1..=2,
    };
    assert!(attempts.contains(&traces.attempts), "{n}: {traces:?}");
    let limit = (wish == Wish::Hang).then_some(timeout);
    assert_eq!(traces.limit, limit, "{n}");
}

#[test]
fn nothing_is_lost_gained_or_torn() {
    let carried = ReadWrite::new(
        |request: &Request| request.call,
        |request: &mut Request, deadline| {
            request.call.get_or_insert(deadline);
            request.attempt = Some(deadline);
        },
    );
    let cleared = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&cleared);
    let pipeline = Resilience::builder()
        .name("shop")
        .config(kind(0))
        .deadline_in(carried)
        .on_event(move |event| match event.kind {
            EventKind::TimedOut { kind, limit, .. } => {
                assert_eq!(kind, Expiry::Limit);
                let before = TRACES.with_borrow_mut(|traces| traces.limit.replace(limit));
                assert!(before.is_none_or(|it| it == limit), "{before:?}, {limit:?}");
            }
            EventKind::Reconfigured { window_cleared, .. } if window_cleared => {
                told.fetch_add(1, SeqCst);
            }
            EventKind::Opened { .. } | EventKind::Rejected { .. } => panic!("{event:?}"),
            _ => {}
        })
        .build()
        .unwrap();
    let (calls, started, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (over, changes) = (AtomicBool::new(false), AtomicU64::new(0));

    let service = service_fn(|request: Request| {
        started.fetch_add(1, SeqCst);
        TRACES.with_borrow_mut(|traces| {
            traces.attempts += 1;
            let before = traces.call.replace(request.call.unwrap());
            assert!(before.is_none() || before == request.call, "of one call");
            let now = Instant::now();
            traces.first.get_or_insert((request.attempt.unwrap(), now));
        });
        async move {
            match request.wish {
                Wish::Quick => Ok::<_, BoxError>(()),
                Wish::Fail => Err("it was asked to".into()),
                Wish::Hang => pending().await,
            }
        }
    });
    let load = |seed: u64| {
        alone(async {
            let mut service = ServiceBuilder::new()
                .layer(pipeline.clone())
                .service(service);
            let mut n = seed;
            while !over.load(SeqCst) {
                // There are only so many tokens.
                if calls.load(SeqCst) > 50 * (changes.load(SeqCst) + 1) {
                    thread::sleep(ms(1));
                }
                n += 1;
                let wish = match n % 64 {
                    0 => Wish::Hang,
                    5 | 25 | 45 => Wish::Fail,
                    _ => Wish::Quick,
                };
                let service = service.ready().await.unwrap();
                let arrival = Instant::now();
                let result = service.call(Request::new(wish)).await;
                assert_eq!(result.is_ok(), wish == Wish::Quick, "{result:?}");
                if wish != Wish::Quick {
                    let attempts = TRACES.with_borrow(|traces| traces.attempts);
                    failed.fetch_add(attempts, SeqCst);
                }
                check(wish, arrival);
                let config = pipeline.config();
                let applied = config.deadline.unwrap().as_secs() / 1_000 - 1;
                assert_eq!(config, kind(applied), "torn");
                calls.fetch_add(1, SeqCst);
            }
        });
    };
    thread::scope(|scope| {
        let ends = Over(&over);
        let threads = [scope.spawn(|| load(0)), scope.spawn(|| load(32))];
        let refused = change_all(&calls, |n, valid| {
            changes.fetch_add(1, SeqCst);
            assert!(
                !threads.iter().any(|it| it.is_finished()),
                "a call went wrong"
            );
            if valid {
                pipeline.reconfigure(kind(n))?;
                assert_eq!(pipeline.config(), kind(n));
                return Ok(());
            }
            let before = pipeline.config();
            let (config, field) = broken(kind(n), n);
            let refused = pipeline.reconfigure(config).unwrap_err();
            assert!(
                refused.violations().iter().any(|it| it.field == field),
                "{refused}"
            );
            assert_eq!(pipeline.config(), before);
            Err(refused)
        });
        assert_eq!(refused, CHANGES / 5);
        drop(ends);
    });

    // Every attempt is in the window, which no change has emptied.
    let (started, failed) = (started.load(SeqCst), failed.load(SeqCst));
    assert_eq!(cleared.load(SeqCst), 0);
    let breaker = pipeline.snapshot().breaker.unwrap();
    assert_eq!((breaker.calls, breaker.failed), (started, failed));
    // Every attempt took one token, and none has come back in so short a time.
    pipeline.reconfigure(kind(0)).unwrap();
    let left = pipeline.snapshot().rate_limit.unwrap().available;
    assert_eq!(u64::from(left), u64::from(LARGEST_BURST) - started);
    // These have no deadline that could be written.
    let hanging = async || {
        let service = ServiceBuilder::new()
            .layer(pipeline.clone())
            .service_fn(|_: Request| pending::<Result<(), BoxError>>());
        service.oneshot(Request::new(Wish::Hang)).await
    };
    all_places_are_there(&pipeline, hanging, |error| error.rejected().cloned());
}

/// All the places of a bulkhead can be taken, and one more cannot.
fn all_places_are_there<C, Y, D, F, Fut, T, E>(
    pipeline: &Resilience<C, Y, D, F>,
    call: impl Fn() -> Fut,
    rejected: impl Fn(&E) -> Option<Rejected>,
) where
    D: Clone,
    F: Outermost,
    Fut: Future<Output = Result<T, E>>,
{
    const LIMIT: u32 = 32;
    let places = || {
        let places = pipeline.snapshot().bulkhead.unwrap();
        (places.in_flight, places.queued)
    };
    let mut config = Config::default();
    // Some services ask for one.
    config.deadline = Some(HOUR);
    config.bulkhead = Some(bulkhead::Config::new(LIMIT));
    pipeline.reconfigure(config).unwrap();
    assert_eq!(places(), (0, 0));
    alone(async {
        let calls: Vec<_> = (0..LIMIT)
            .map(|_| tokio_test::task::spawn(call()))
            .collect();
        let mut calls = calls;
        for call in &mut calls {
            assert!(call.poll().is_pending());
        }
        assert_eq!(places(), (LIMIT.into(), 0));
        let Err(one_more) = call().await else {
            panic!("there was a place too many");
        };
        assert_eq!(rejected(&one_more).unwrap().reason(), Reason::Full);
    });
    assert_eq!(places(), (0, 0));
}

/// Calls that end at once, on both sides of a change.
#[test]
fn a_window_is_emptied_by_another_kind_or_span_and_by_nothing_else() {
    let windows = [
        Window::Time(HOUR),
        Window::Time(HOUR),
        Window::Time(HOUR * 2),
        Window::Count(500_000),
        // Resized, it keeps the latest.
        Window::Count(400_000),
    ];
    let config = |n: u64| {
        let mut breaker = breaker::Config::default();
        breaker.window = windows[n as usize % windows.len()];
        breaker.min_calls = 100_000 + (n % 7) as u32;
        let mut config = Config::default();
        config.breaker = Some(breaker);
        config
    };
    let cleared = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&cleared);
    let pipeline = Resilience::builder()
        .config(config(0))
        .on_event(move |event| {
            if let EventKind::Reconfigured { window_cleared, .. } = event.kind {
                told.fetch_add(window_cleared.into(), SeqCst);
            }
        })
        .build()
        .unwrap();
    let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    let load = || {
        alone(async {
            while !over.load(SeqCst) {
                begun.fetch_add(1, SeqCst);
                let answer = pipeline.call(|_| ready(Ok::<_, Infallible>(())));
                answer.await.unwrap();
                ended.fetch_add(1, SeqCst);
            }
        });
    };
    let in_window = || pipeline.snapshot().breaker.unwrap().calls;
    thread::scope(|scope| {
        let ends = Over(&over);
        scope.spawn(load);
        scope.spawn(load);
        let mut empties = 0;
        let kind = |window: Window| match window {
            Window::Count(_) => None,
            Window::Time(span) => Some(span),
        };
        change_all(&ended, |n, valid| {
            let before = pipeline.config();
            let (had, done, told) = (in_window(), ended.load(SeqCst), cleared.load(SeqCst));
            if !valid {
                let (config, _) = broken(config(n), 0);
                let refused = pipeline.reconfigure(config);
                assert!(in_window() >= had);
                return refused;
            }
            pipeline.reconfigure(config(n))?;
            let has = in_window();
            let window = |config: &Config| kind(config.breaker.as_ref().unwrap().window);
            if window(&before) == window(&config(n)) {
                assert!(has >= had, "{n}: {had} calls, then {has}");
                assert_eq!(cleared.load(SeqCst), told);
            } else {
                empties += 1;
                let since = begun.load(SeqCst) - done;
                assert!(has <= since, "{n}: {has} calls in it, {since} since");
                assert_eq!(cleared.load(SeqCst), told + 1);
            }
            Ok(())
        });
        drop(ends);
        assert!(empties > CHANGES / 4, "{empties}");
    });
}

/// Eight calls at once, again and again, of which every fourth is given up on its way.
async fn crowd<F: AsyncFn(u64) -> bool>(over: &AtomicBool, seed: u64, call: F) {
    let mut n = seed;
    while !over.load(SeqCst) {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let calls = (0..8).map(|k| {
            let call = &call;
            async move {
                let run = call(n.rotate_left(7 * k));
                if n.rotate_right(11 * k) % 4 == 0 {
                    let patience = Duration::from_micros(n.rotate_right(k) % 300);
                    let _ = timeout(patience, run).await;
                } else {
                    run.await;
                }
            }
        });
        join_all(calls).await;
    }
}

/// Places are fought over and queued for, and the last tokens go; patterns come and go if `vanishing`.
fn fight(vanishing: bool) {
    const TOKENS: u32 = 3_000;
    let config = move |n: u64| {
        let mut config = Config::default();
        let mut places = bulkhead::Config::new(1 + (n % 4) as u32);
        if n % 3 > 0 {
            (places.max_queue, places.max_wait) = ((n % 3) as u32, ms(1 + n % 3));
        }
        config.bulkhead = Some(places);
        config.rate_limit = Some(slow_rate(n, TOKENS - 50 * (n % 8) as u32));
        let mut breaker = breaker::Config::default();
        breaker.min_calls = 1_000_000;
        config.breaker = Some(breaker);
        if vanishing {
            match n % 6 {
                1 => config.bulkhead = None,
                2 => config.rate_limit = None,
                3 => config.breaker = None,
                4 => (config.bulkhead, config.rate_limit) = (None, None),
                _ => {}
            }
        }
        config
    };
    let pipeline = Resilience::builder().config(config(0)).build().unwrap();
    let (admitted, running, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (asked, dry) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    struct Running<'a>(&'a AtomicU64);
    impl Drop for Running<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let attempt = async |steps: u64| {
        admitted.fetch_add(1, SeqCst);
        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
        let _running = Running(&running);
        for _ in 0..steps % 5 {
            yield_now().await;
        }
        Ok::<_, Infallible>(())
    };
    let call = async |steps: u64| {
        let result = pipeline.call(|_| attempt(steps)).await;
        asked.fetch_add(1, SeqCst);
        match &result {
            Ok(()) => {}
            Err(error) => match error.rejected().unwrap().reason() {
                Reason::RateLimited => {
                    dry.fetch_add(1, SeqCst);
                }
                reason => assert_eq!(reason, Reason::Full),
            },
        }
        result.is_ok()
    };
    thread::scope(|scope| {
        let ends = Over(&over);
        scope.spawn(|| alone(crowd(&over, 1, &call)));
        scope.spawn(|| alone(crowd(&over, 2, &call)));
        change_all(&asked, |n, valid| {
            let before = pipeline.config();
            if valid {
                pipeline.reconfigure(config(n))?;
                assert_eq!(pipeline.config(), config(n));
                return Ok(());
            }
            let mut config = config(n);
            config.bulkhead = Some(bulkhead::Config::new(0));
            let refused = pipeline.reconfigure(config);
            assert_eq!(pipeline.config(), before);
            refused
        });
        drop(ends);
    });

    assert_eq!(running.load(SeqCst), 0);
    let admitted = admitted.load(SeqCst);
    if !vanishing {
        let most = most.load(SeqCst);
        assert!(most <= 4, "{most} at once");
        assert!(admitted <= TOKENS.into(), "{admitted} of {TOKENS} tokens");
        assert!(dry.load(SeqCst) > 0, "the tokens did not run out");
        // What is left of the largest burst can be had, and no more.
        pipeline.reconfigure(config(8)).unwrap();
        let left = pipeline.snapshot().rate_limit.unwrap().available;
        assert!(admitted + u64::from(left) <= TOKENS.into());
        let one = || alone(pipeline.call(|_| ready(Ok::<_, Infallible>(()))));
        assert!((0..left).all(|_| one().is_ok()));
        assert!(one().is_err());
    }
    let hanging = || pipeline.call(|_| pending::<Result<(), Infallible>>());
    all_places_are_there(&pipeline, hanging, |error| error.rejected().cloned());
}

#[test]
fn places_and_tokens_that_are_fought_over_are_neither_lost_nor_gained() {
    fight(false);
}

#[test]
fn patterns_that_come_and_go_take_back_what_they_gave() {
    fight(true);
}
