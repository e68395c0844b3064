//! A whole pipeline: each pattern works in it as it does alone, in the order that the documentation says. The
//! ways in are a layer, `call` and `call_flat`. What carries deadlines stands in `pipeline_deadline.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use buttress::{
    Adapt, Advice, Classify, Error, Except, Fallback, OnError, Outcome, Reason, Refusal, Rejected,
    Resilience,
    backoff::Backoff,
    breaker::{self, Order, State},
    bulkhead, fallback,
    pipeline::{Builder, Config, Resilient},
    rate_limit,
    replay::{Attempt, Cloned, Numbered},
    retry,
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What an attempt does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Do {
    Answer,
    Fail,
    Hang,
    /// Answers after this long.
    After(Duration),
}

/// How a call ended: with the number of the attempt that answered.
type Ended = Result<u32, Failure>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Down,
    Refused(Reason),
}

#[derive(Debug)]
struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for Down {}

/// An error of one's own.
#[derive(Debug)]
enum Mine {
    Refused(Rejected),
    Down,
}

impl From<Rejected> for Mine {
    fn from(no: Rejected) -> Self {
        Self::Refused(no)
    }
}

impl Refusal for Mine {
    fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Refused(no) => Some(no),
            Self::Down => None,
        }
    }
}

async fn run(what: Do) -> Result<(), Down> {
    match what {
        Do::Answer => Ok(()),
        Do::Fail => Err(Down),
        Do::Hang => pending().await,
        Do::After(long) => {
            sleep(long).await;
            Ok(())
        }
    }
}

/// The ways in, with each kind of error.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    LayerOverBoxes,
    LayerOverMine,
    LayerOverAdapt,
    Call,
    CallFlat,
}

const WAYS: [Way; 5] = [
    Way::LayerOverBoxes,
    Way::LayerOverMine,
    Way::LayerOverAdapt,
    Way::Call,
    Way::CallFlat,
];

fn shown<E: Refusal>(error: &E) -> Failure {
    let no = error.rejected();
    no.map_or(Failure::Down, |no| Failure::Refused(no.reason()))
}

/// One call, whose attempts do this, the last of it again and again.
async fn send(all: &Resilience, way: Way, script: &[Do]) -> Ended {
    let script: Arc<[Do]> = script.into();
    let made = Arc::new(AtomicU32::new(0));
    let next = move || {
        let number = made.fetch_add(1, SeqCst) + 1;
        (number, script[(number as usize - 1).min(script.len() - 1)])
    };
    match way {
        Way::LayerOverBoxes => {
            let attempt = move |()| {
                let (number, what) = next();
                async move { Ok::<_, BoxError>(run(what).await.map(|()| number)?) }
            };
            let service = all.layer(service_fn(attempt));
            service.oneshot(()).await.map_err(|error| shown(&error))
        }
        Way::LayerOverMine => {
            let attempt = move |()| {
                let (number, what) = next();
                async move { run(what).await.map(|()| number).map_err(|_| Mine::Down) }
            };
            let service = all.layer(service_fn(attempt));
            service.oneshot(()).await.map_err(|error| shown(&error))
        }
        Way::LayerOverAdapt => {
            let attempt = move |()| {
                let (number, what) = next();
                async move { run(what).await.map(|()| number) }
            };
            let service = all.layer(Adapt.layer(service_fn(attempt)));
            service.oneshot(()).await.map_err(|error| shown(&error))
        }
        Way::Call => {
            let attempt = move |attempt: Attempt| {
                let (number, what) = next();
                // A refused one is counted, and not made.
                assert!(attempt.number() >= number);
                async move { run(what).await.map(|()| number) }
            };
            all.call(attempt).await.map_err(|error| shown(&error))
        }
        Way::CallFlat => {
            let attempt = move |attempt: Attempt| {
                let (number, what) = next();
                // A refused one is counted, and not made.
                assert!(attempt.number() >= number);
                async move { run(what).await.map(|()| number).map_err(|_| Mine::Down) }
            };
            all.call_flat(attempt).await.map_err(|error| shown(&error))
        }
    }
}

const fn refused(reason: Reason) -> Ended {
    Err(Failure::Refused(reason))
}

const DOWN: Ended = Err(Failure::Down);

fn built(change: impl FnOnce(&mut Config)) -> Resilience {
    let mut config = Config::default();
    change(&mut config);
    let builder = Resilience::builder().name("all").seed(1);
    builder.config(config).build().unwrap()
}

/// Three attempts, at once.
fn thrice() -> Option<retry::Config> {
    let mut retry = retry::Config::default();
    retry.backoff = Backoff::none();
    Some(retry)
}

/// Judges this many calls, and opens for exactly a second.
fn judging(calls: u32) -> Option<breaker::Config> {
    let mut breaker = breaker::Config::default();
    breaker.min_calls = calls;
    breaker.open_for = SECOND;
    breaker.open_jitter = 0.0;
    breaker.probes = 1;
    Some(breaker)
}

#[tokio::test(start_paused = true)]
async fn with_nothing_in_it_a_call_passes_as_it_is() {
    for way in WAYS {
        let all = built(|_| ());
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        assert_eq!(send(&all, way, &[Do::Fail, Do::Answer]).await, DOWN);
        let begun = Instant::now();
        let day = Do::After(86_400 * SECOND);
        assert_eq!(send(&all, way, &[day]).await, Ok(1));
        assert!(begun.elapsed() >= 86_400 * SECOND);
        let seen = all.snapshot();
        assert_eq!(seen.policy, "all");
        assert!(seen.retry.is_none() && seen.hedge.is_none() && seen.rate_limit.is_none());
        assert!(seen.breaker.is_none() && seen.bulkhead.is_none() && seen.fallback.is_none());
        assert_eq!((seen.budget.drawn, seen.timeout.ran_into_limit), (0, 0));
    }
}

#[test]
fn what_waits_for_nothing_needs_no_runtime() {
    let all = Resilience::standard();
    let mut call = spawn(all.call(|_| ready(Ok::<_, Down>(7))));
    assert!(call.poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_retry_alone() {
    for way in WAYS {
        let all = built(|config| config.retry = thrice());
        let script = [Do::Fail, Do::Fail, Do::Answer];
        assert_eq!(send(&all, way, &script).await, Ok(3));
        assert_eq!(send(&all, way, &[Do::Fail]).await, DOWN);
        let seen = all.snapshot().retry.unwrap();
        let counts = (seen.retries, seen.recovered, seen.out_of_attempts);
        assert_eq!(counts, (4, 1, 1));
        assert_eq!(all.snapshot().budget.drawn, 4);
        assert_eq!(seen.budget.unwrap().drawn, 4, "it is the pipeline's budget");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_bounds_the_retries() {
    for way in WAYS {
        let all = built(|config| {
            config.retry = thrice();
            config.budget.reserve = 1;
            config.budget.min_per_sec = 0.0;
        });
        assert_eq!(send(&all, way, &[Do::Fail]).await, DOWN);
        assert_eq!(send(&all, way, &[Do::Fail, Do::Answer]).await, DOWN);
        let seen = all.snapshot();
        assert_eq!((seen.budget.drawn, seen.budget.refused), (1, 2));
        assert_eq!(seen.retry.unwrap().out_of_budget, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_alone() {
    for way in WAYS {
        let all = built(|config| config.rate_limit = Some(rate_limit::Config::per_second(2)));
        for _ in 0..2 {
            assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        }
        let no = send(&all, way, &[Do::Answer]).await;
        assert_eq!(no, refused(Reason::RateLimited));
        advance(SECOND / 2).await;
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        assert_eq!(all.snapshot().rate_limit.unwrap().rejected, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_that_lets_wait() {
    for way in WAYS {
        let all = built(|config| {
            let mut limit = rate_limit::Config::per_second(1);
            limit.max_wait = 2 * SECOND;
            config.rate_limit = Some(limit);
        });
        let begun = Instant::now();
        for second in 0..3 {
            assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
            assert_eq!(begun.elapsed().as_secs(), second);
        }
        let seen = all.snapshot().rate_limit.unwrap();
        assert_eq!((seen.waits, seen.rejected), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_alone() {
    for way in WAYS {
        let all = built(|config| config.breaker = judging(2));
        for _ in 0..2 {
            assert_eq!(send(&all, way, &[Do::Fail]).await, DOWN);
        }
        assert_eq!(send(&all, way, &[Do::Answer]).await, refused(Reason::Open));
        advance(SECOND).await;
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        assert_eq!(all.snapshot().breaker.unwrap().state, State::Closed);
        all.order(Order::ForceOpen(None));
        let no = send(&all, way, &[Do::Answer]).await;
        assert_eq!(no, refused(Reason::ForcedOpen));
        all.order(Order::Disable);
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_alone() {
    for way in WAYS {
        let all = built(|config| config.bulkhead = Some(1.into()));
        let mut first = spawn(send(&all, way, &[Do::After(SECOND)]));
        assert_pending!(first.poll());
        assert_eq!(send(&all, way, &[Do::Answer]).await, refused(Reason::Full));
        assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 1);
        drop(first);
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 0);
    }
}

/// One place, and this many may wait a second for it.
fn queue(calls: u32) -> Option<bulkhead::Config> {
    let mut places = bulkhead::Config::new(1);
    places.max_queue = calls;
    places.max_wait = SECOND;
    Some(places)
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_with_a_queue() {
    for way in WAYS {
        let all = built(|config| config.bulkhead = queue(1));
        let script = [Do::After(SECOND / 2)];
        let mut first = spawn(send(&all, way, &script));
        assert_pending!(first.poll());
        let mut second = spawn(send(&all, way, &[Do::Answer]));
        assert_pending!(second.poll());
        assert_eq!(send(&all, way, &[Do::Answer]).await, refused(Reason::Full));
        assert_eq!(first.await, Ok(1));
        assert_eq!(second.await, Ok(1));
        let seen = all.snapshot().bulkhead.unwrap();
        assert_eq!((seen.waits, seen.in_flight, seen.queued), (1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_timeout_alone() {
    for way in WAYS {
        let all = built(|config| config.attempt_timeout = Some(SECOND));
        let begun = Instant::now();
        assert_eq!(
            send(&all, way, &[Do::Hang]).await,
            refused(Reason::TimedOut)
        );
        assert_eq!(begun.elapsed().as_secs(), 1);
        let just = Do::After(SECOND - MILLISECOND);
        assert_eq!(send(&all, way, &[just]).await, Ok(1));
        let seen = all.snapshot().timeout;
        assert_eq!((seen.ran_into_limit, seen.ran_into_deadline), (1, 0));
        assert_eq!(seen.limit, SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_alone() {
    for way in WAYS {
        let all = built(|config| config.deadline = Some(SECOND));
        let begun = Instant::now();
        let no = send(&all, way, &[Do::Hang]).await;
        assert_eq!(no, refused(Reason::DeadlineExceeded));
        assert_eq!(begun.elapsed().as_secs(), 1);
        let seen = all.snapshot().timeout;
        assert_eq!((seen.ran_into_limit, seen.ran_into_deadline), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_retry_passes_the_guard_and_has_its_time() {
    for way in WAYS {
        let all = built(|config| {
            config.retry = thrice();
            config.rate_limit = Some(rate_limit::Config::new(10, 1_000 * SECOND));
            config.breaker = judging(100);
            config.bulkhead = Some(1.into());
            config.attempt_timeout = Some(SECOND);
            let breaker = config.breaker.as_mut().unwrap();
            breaker.min_calls = 10;
        });
        let begun = Instant::now();
        let script = [Do::Hang, Do::Hang, Do::Answer];
        assert_eq!(send(&all, way, &script).await, Ok(3));
        assert_eq!(begun.elapsed().as_secs(), 2);
        let seen = all.snapshot();
        assert_eq!(seen.rate_limit.unwrap().available, 7);
        let breaker = seen.breaker.unwrap();
        assert_eq!((breaker.calls, breaker.failed), (3, 2));
        assert_eq!(seen.bulkhead.unwrap().in_flight, 0);
        assert_eq!(seen.timeout.ran_into_limit, 2);
    }
}

/// A refusal is no failure of the dependency: it is not repeated, and is the answer.
#[tokio::test(start_paused = true)]
async fn a_refused_attempt_is_not_repeated() {
    for way in WAYS {
        let all = built(|config| {
            config.retry = thrice();
            config.rate_limit = Some(rate_limit::Config::new(1, 1_000 * SECOND));
        });
        // The first attempt took the only token.
        assert_eq!(
            send(&all, way, &[Do::Fail]).await,
            refused(Reason::RateLimited)
        );
        assert_eq!(
            send(&all, way, &[Do::Fail]).await,
            refused(Reason::RateLimited)
        );
        assert_eq!(all.snapshot().rate_limit.unwrap().rejected, 2);
    }
}

/// Unless the retry is told to, and then when the limit says.
#[tokio::test(start_paused = true)]
async fn a_refused_attempt_is_repeated_where_that_is_asked_for() {
    for way in WAYS {
        let all = built(|config| {
            config.retry = thrice();
            config.retry.as_mut().unwrap().retry_refused = true;
            let mut limit = rate_limit::Config::per_second(1);
            limit.burst = 1;
            config.rate_limit = Some(limit);
        });
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        let begun = Instant::now();
        assert_eq!(send(&all, way, &[Do::Answer]).await, Ok(1));
        assert_eq!(begun.elapsed().as_secs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_breaker_hears_of_a_hang_whatever_cuts_it_short() {
    for way in WAYS {
        for (attempt, deadline) in [(Some(SECOND), None), (None, Some(SECOND))] {
            let all = built(|config| {
                config.breaker = judging(2);
                config.attempt_timeout = attempt;
                config.deadline = deadline;
            });
            for _ in 0..2 {
                assert!(send(&all, way, &[Do::Hang]).await.is_err());
            }
            let seen = all.snapshot().breaker.unwrap();
            assert_eq!((seen.state, seen.failed), (State::Open, 2));
        }
    }
}

/// What one policy refuses takes nothing of the others: no token, no probe, no place.
#[tokio::test(start_paused = true)]
async fn what_one_policy_refuses_takes_nothing_of_the_others() {
    for way in WAYS {
        let all = built(|config| {
            config.rate_limit = Some(rate_limit::Config::new(3, 1_000 * SECOND));
            config.breaker = judging(1);
            config.bulkhead = Some(1.into());
        });
        let seen = || {
            let seen = all.snapshot();
            let breaker = seen.breaker.unwrap();
            let probes = breaker.probes.map(|probes| probes.running);
            let (limit, places) = (seen.rate_limit.unwrap(), seen.bulkhead.unwrap());
            (limit.available, probes, places.in_flight)
        };
        // The bulkhead is full.
        let mut runs = spawn(send(&all, way, &[Do::Hang]));
        assert_pending!(runs.poll());
        assert_eq!(seen(), (2, None, 1));
        assert_eq!(send(&all, way, &[Do::Answer]).await, refused(Reason::Full));
        assert_eq!(seen(), (2, None, 1));
        drop(runs);
        // The breaker is open.
        assert_eq!(send(&all, way, &[Do::Fail]).await, DOWN);
        assert_eq!(send(&all, way, &[Do::Answer]).await, refused(Reason::Open));
        assert_eq!(seen(), (1, None, 0));
        // Its probe runs, and its place is full as well; the last token stays.
        advance(SECOND).await;
        let mut probe = spawn(send(&all, way, &[Do::Hang]));
        assert_pending!(probe.poll());
        assert_eq!(seen(), (0, Some(1), 1));
        drop(probe);
        assert_eq!(seen(), (0, Some(0), 0));
        // The rate is used up: neither probe nor place is taken.
        let no = send(&all, way, &[Do::Answer]).await;
        assert_eq!(no, refused(Reason::RateLimited));
        assert_eq!(seen(), (0, Some(0), 0));
        assert_eq!(all.snapshot().breaker.unwrap().state, State::HalfOpen);
    }
}

/// A probe is not held in a queue: who waits for a place asks the breaker when that comes free.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_holds_no_probe_and_meets_the_breaker_of_that_time() {
    for way in WAYS {
        let all = built(|config| {
            config.breaker = judging(1);
            config.bulkhead = queue(4);
        });
        let mut runs = spawn(send(&all, way, &[Do::Hang]));
        assert_pending!(runs.poll());
        let mut waits = spawn(send(&all, way, &[Do::Answer]));
        assert_pending!(waits.poll());
        all.order(Order::ForceOpen(None));
        drop(runs);
        assert_eq!(waits.await, refused(Reason::ForcedOpen));
        assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 0);
    }
}

/// The fallback for every failure and refusal, with a value.
fn backed(config: Config) -> Resilience<OnError, Cloned, buttress::deadline::NoDeadline, Backup> {
    let builder = Resilience::builder().config(config);
    let builder = builder.fallback(Fallback::value(0));
    builder.build().unwrap()
}

type Backup = Fallback<fallback::Value<u32>, OnError>;

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_for_every_failure_and_every_refusal() {
    let mut config = Config::default();
    config.deadline = Some(2 * SECOND);
    config.rate_limit = Some(rate_limit::Config::new(4, 1_000 * SECOND));
    config.breaker = judging(3);
    config.bulkhead = Some(1.into());
    config.attempt_timeout = Some(SECOND);
    let all = backed(config.clone());
    let call = async |what: Do| {
        let attempt = move |_: Attempt| async move { run(what).await.map(|()| 1) };
        all.call(attempt).await.unwrap()
    };
    let answered = || all.snapshot().fallback.unwrap().answered;
    assert_eq!((call(Do::Answer).await, answered()), (1, 0));
    // It failed; timed out, which opens the breaker; open; forced open.
    assert_eq!((call(Do::Fail).await, answered()), (0, 1));
    assert_eq!((call(Do::Hang).await, answered()), (0, 2));
    assert_eq!((call(Do::Answer).await, answered()), (0, 3));
    assert_eq!(all.snapshot().breaker.unwrap().rejected, 1);
    all.order(Order::ForceOpen(None));
    assert_eq!((call(Do::Answer).await, answered()), (0, 4));
    // The bulkhead is full, with the last token but none; the rate is used up.
    all.order(Order::Reset);
    let hang = |_: Attempt| async { run(Do::Hang).await.map(|()| 1) };
    let mut runs = spawn(all.call(hang));
    assert_pending!(runs.poll());
    assert_eq!((call(Do::Answer).await, answered()), (0, 5));
    assert_eq!(all.snapshot().bulkhead.unwrap().rejected, 1);
    drop(runs);
    assert_eq!((call(Do::Answer).await, answered()), (0, 6));
    assert_eq!(all.snapshot().rate_limit.unwrap().rejected, 1);

    // The deadline of the whole call.
    config.attempt_timeout = None;
    config.rate_limit = None;
    all.reconfigure(config).unwrap();
    assert_eq!((call(Do::Hang).await, answered()), (0, 7));
    assert_eq!(all.snapshot().timeout.ran_into_deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_call_and_not_its_fallback() {
    let late = Fallback::async_function(|_: Result<u32, BoxError>| async {
        sleep(10 * SECOND).await;
        Ok::<_, BoxError>(7)
    });
    let all = Resilience::builder()
        .deadline(SECOND)
        .attempt_timeout(SECOND / 2)
        .bulkhead(1)
        .fallback(late)
        .build()
        .unwrap();
    let begun = Instant::now();
    let hang = |()| async { Ok::<_, BoxError>(run(Do::Hang).await.map(|()| 1)?) };
    let mut service = all.layer(service_fn(hang));
    let mut call = spawn(service.ready().await.unwrap().call(()));
    assert_pending!(call.poll());
    advance(SECOND / 2 + MILLISECOND).await;
    assert_pending!(call.poll());
    // The place is free while the backup runs.
    assert_eq!(all.snapshot().bulkhead.unwrap().in_flight, 0);
    assert_eq!(call.await.unwrap(), 7);
    assert_eq!(begun.elapsed().as_millis() / 100, 105);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_hears_of_the_last_error_and_is_named_and_judged_by_the_pipeline() {
    let failed = Fallback::function(|failed: Result<u32, Error<&str>>| match failed {
        Err(Error::Inner("three")) => Ok(3),
        other => other,
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let told_to = Arc::clone(&told);
    let all = Resilience::builder()
        .name("all")
        .retry(thrice().unwrap())
        .on_event(move |event| told_to.lock().unwrap().push(event.policy))
        .fallback(failed.name("another"))
        .build()
        .unwrap();
    let attempt = |attempt: Attempt| {
        ready(match attempt.number() {
            3 => Err("three"),
            _ => Err("before"),
        })
    };
    assert_eq!(all.call(attempt).await, Ok(3));
    let told = told.lock().unwrap();
    assert!(told.len() >= 3 && told.iter().all(|name| *name == "all"));
    assert_eq!(all.snapshot().fallback.unwrap().policy, "all");
}

/// So many attempts a call are answered, of as many as there are.
fn answers_from(first: u32) -> impl Fn(Attempt) -> Result<u32, Error<Down>> + Clone {
    move |attempt| match attempt.number() {
        number if number >= first => Ok(number),
        _ => Err(Error::Inner(Down)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_classifier_judges_for_breaker_and_retry_and_fallback() {
    // An answer that is none, and an error that is the caller's own mistake.
    let judge = OnError.except(|result: Result<&u32, &Error<Down>>| match result {
        Ok(1) => Some(Outcome::Failure),
        Err(Error::Inner(Down)) => Some(Outcome::Ignored),
        _ => None,
    });
    let all = Resilience::builder()
        .retry(thrice().unwrap())
        .breaker(judging(3).unwrap())
        .classify(judge)
        .fallback(Fallback::value(0))
        .build()
        .unwrap();
    let answers = answers_from(1);
    let second = all.call_flat(move |attempt| ready(answers(attempt)));
    assert_eq!(second.await.unwrap(), 2);
    let fails = answers_from(9);
    let mistake = all.call_flat(move |attempt| ready(fails(attempt)));
    assert!(mistake.await.is_err());
    let seen = all.snapshot();
    let breaker = seen.breaker.unwrap();
    assert_eq!((breaker.calls, breaker.failed), (2, 1));
    assert_eq!(seen.retry.unwrap().retries, 1);
    assert_eq!(seen.fallback.unwrap().answered, 0);
    let none = all.call_flat(|_| ready(Ok::<_, Error<Down>>(1)));
    assert_eq!(none.await.unwrap(), 0, "the fallback's");
    // A refusal of our own is one for `OnError`.
    all.order(Order::ForceOpen(None));
    let refused = all.call_flat(|_| ready(Ok::<_, Error<Down>>(2)));
    assert_eq!(refused.await.unwrap(), 0);
}

/// A classifier that is no closure, with advice of its own.
#[derive(Clone)]
struct Patient;

impl<T, E> Classify<T, E> for Patient {
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }

    fn advise(&self, result: Result<&T, &E>) -> Advice {
        match result {
            Ok(_) => Advice::Stop,
            Err(_) => Advice::RetryAfter(5 * SECOND),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_the_dependency_is_kept() {
    let all = Resilience::builder()
        .retry(thrice().unwrap())
        .deadline(9 * SECOND)
        .classify(Patient)
        .build()
        .unwrap();
    let begun = Instant::now();
    let second = |attempt: Attempt| {
        ready(if attempt.is_first() {
            Err(Down)
        } else {
            Ok(())
        })
    };
    assert!(all.call(second).await.is_ok());
    assert_eq!(begun.elapsed(), 5 * SECOND);
    // A second such wait does not fit the deadline, and the error is the dependency's own.
    let begun = Instant::now();
    let fails = all.call(|_| ready(Err::<(), _>(Down))).await;
    assert!(matches!(fails, Err(Error::Inner(Down))));
    assert_eq!(begun.elapsed(), 5 * SECOND);
    assert_eq!(all.snapshot().retry.unwrap().out_of_time, 1);
}

#[derive(Debug, Clone, PartialEq)]
struct Request {
    attempt: u32,
    body: &'static str,
}

#[tokio::test(start_paused = true)]
async fn attempts_are_numbered_and_a_replay_may_say_no() {
    let fails_twice = async |request: Request| match request.attempt {
        1 | 2 => Err::<Request, BoxError>(Down.into()),
        _ => Ok(request),
    };
    let number = |request: &mut Request, attempt: Attempt| request.attempt = attempt.number();
    let whole = |request: &Request| (request.body != "a stream").then(|| request.clone());
    let all = Resilience::builder()
        .retry(thrice().unwrap())
        .replay(whole)
        .on_attempt(number)
        .build()
        .unwrap();
    let service = all.layer(service_fn(fails_twice));
    let request = |body| Request { attempt: 0, body };
    let answer = service.clone().oneshot(request("text")).await.unwrap();
    assert_eq!((answer.attempt, answer.body), (3, "text"));
    let fails = service.oneshot(request("a stream")).await.unwrap_err();
    assert!(fails.is::<Down>());
    let seen = all.snapshot().retry.unwrap();
    assert_eq!((seen.retries, seen.not_replayable), (2, 1));
}

fn hedged(change: impl FnOnce(&mut Config)) -> Resilience {
    built(|config| {
        config.hedge = Some((100 * MILLISECOND).into());
        change(config);
    })
}

#[tokio::test(start_paused = true)]
async fn a_hedge_overtakes_a_slow_attempt() {
    for way in WAYS {
        let all = hedged(|_| ());
        let begun = Instant::now();
        let script = [Do::Hang, Do::After(50 * MILLISECOND)];
        assert_eq!(send(&all, way, &script).await, Ok(2));
        assert_eq!(begun.elapsed(), 150 * MILLISECOND);
        let seen = all.snapshot();
        let hedge = seen.hedge.unwrap();
        assert_eq!((hedge.hedged, hedge.won, seen.budget.drawn), (1, 1, 1));
        // The first may win after all.
        let script = [Do::After(120 * MILLISECOND), Do::Hang];
        assert_eq!(send(&all, way, &script).await, Ok(1));
        // And one that fails before the delay is the answer: a hedge is no retry.
        assert_eq!(send(&all, way, &[Do::Fail, Do::Answer]).await, DOWN);
        let hedge = all.snapshot().hedge.unwrap();
        assert_eq!((hedge.hedged, hedge.won), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn each_hedge_passes_the_guard_and_has_its_time() {
    for way in WAYS {
        let all = hedged(|config| {
            config.rate_limit = Some(rate_limit::Config::new(10, 1_000 * SECOND));
            config.breaker = judging(10);
            config.bulkhead = Some(2.into());
            config.attempt_timeout = Some(SECOND);
            config.hedge.as_mut().unwrap().max_hedges = 2;
        });
        let begun = Instant::now();
        let mut call = spawn(send(&all, way, &[Do::Hang]));
        assert_pending!(call.poll());
        advance(100 * MILLISECOND).await;
        assert_pending!(call.poll());
        let seen = all.snapshot();
        assert_eq!(seen.bulkhead.unwrap().in_flight, 2);
        assert_eq!(seen.rate_limit.unwrap().available, 8);
        // The third finds no place, and lets the others run.
        assert_eq!(call.await, refused(Reason::TimedOut));
        assert_eq!(begun.elapsed(), 1_100 * MILLISECOND);
        let seen = all.snapshot();
        assert_eq!(seen.bulkhead.as_ref().unwrap().rejected, 1);
        assert_eq!(seen.bulkhead.unwrap().in_flight, 0);
        assert_eq!(seen.timeout.ran_into_limit, 2);
        assert_eq!(seen.breaker.unwrap().failed, 2);
    }
}

/// A loser is no failure of the dependency; but one that was slow when it lost was slow.
#[tokio::test(start_paused = true)]
async fn the_breaker_hears_of_a_loser_only_if_it_was_slow() {
    for (slow, counted) in [(None, 1), (Some(120 * MILLISECOND), 2)] {
        let all = hedged(|config| {
            config.breaker = judging(10);
            config.breaker.as_mut().unwrap().slow_call_duration = slow;
        });
        let script = [Do::Hang, Do::After(50 * MILLISECOND)];
        assert_eq!(send(&all, Way::Call, &script).await, Ok(2));
        let seen = all.snapshot().breaker.unwrap();
        assert_eq!((seen.calls, seen.failed), (counted, 0));
        assert_eq!(seen.slow, counted - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_hedged_call_and_its_hedges() {
    for way in WAYS {
        let all = hedged(|config| config.deadline = Some(SECOND));
        let begun = Instant::now();
        let no = send(&all, way, &[Do::Hang]).await;
        assert_eq!(no, refused(Reason::DeadlineExceeded));
        assert_eq!(begun.elapsed(), SECOND);
        assert_eq!(all.snapshot().timeout.ran_into_deadline, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_is_numbered_and_made_of_what_was_kept() {
    let number = |request: &mut Request, attempt: Attempt| request.attempt = attempt.number();
    let all = Resilience::builder()
        .hedge(100 * MILLISECOND)
        .on_attempt(number)
        .build()
        .unwrap();
    let first_hangs = async |request: Request| match request.attempt {
        1 => pending().await,
        _ => Ok::<_, BoxError>(request),
    };
    let request = Request {
        attempt: 0,
        body: "text",
    };
    let answer = all.layer(service_fn(first_hangs)).oneshot(request);
    let answer = answer.await.unwrap();
    assert_eq!((answer.attempt, answer.body), (2, "text"));
}

/// All types that a user may want to write down.
mod named {
    use super::{
        Attempt, BoxError, Cloned, Error, Except, Fallback, Numbered, OnError, Outcome, Request,
        Resilience, Resilient, fallback,
    };
    use buttress::{Deadline, deadline::NoDeadline};
    use tower::util::BoxCloneSyncService;

    pub(super) type Inner = BoxCloneSyncService<Request, u32, BoxError>;
    pub(super) type Judge = Except<fn(Result<&u32, &BoxError>) -> Option<Outcome>>;
    pub(super) type Count = Numbered<Cloned, fn(&mut Request, Attempt)>;
    pub(super) type By = fn(&Request) -> Option<Deadline>;

    pub(super) struct Client {
        pub(super) plain: Resilience,
        pub(super) service: Resilient<Inner>,
        pub(super) judged: Resilience<Judge>,
        pub(super) numbered: Resilience<OnError, Count>,
        pub(super) backed:
            Resilient<Inner, Judge, Count, By, Fallback<fallback::Value<u32>, Judge>>,
    }

    fn _all<T: Clone + Send + Sync + 'static>() {}

    fn _they_are_shared() {
        _all::<Resilience>();
        _all::<Resilience<Judge, Count, By>>();
        _all::<Resilient<Inner>>();
        let _ = |_: Error<()>, _: NoDeadline| ();
    }
}

#[tokio::test(start_paused = true)]
async fn types_can_be_named_in_a_field() {
    use named::{By, Client, Count, Inner, Judge};

    let inner = || {
        Inner::new(service_fn(async |it: Request| {
            Ok::<_, BoxError>(it.attempt)
        }))
    };
    let judge: Judge = OnError.except(|result| match result {
        Ok(500..) => Some(Outcome::Failure),
        _ => None,
    });
    let count = || -> fn(&mut Request, Attempt) { |it, attempt| it.attempt = attempt.number() };
    let by: By = |_| None;
    let builder: Builder<Judge, Count, By> = Resilience::builder()
        .classify(judge)
        .on_attempt(count())
        .deadline_in(by);
    let client = Client {
        plain: Resilience::standard(),
        service: Resilience::standard().layer(inner()),
        judged: Resilience::builder().classify(judge).build().unwrap(),
        numbered: Resilience::builder().on_attempt(count()).build().unwrap(),
        backed: builder
            .fallback(Fallback::value(9))
            .build()
            .unwrap()
            .layer(inner()),
    };
    let request = || Request {
        attempt: 500,
        body: "text",
    };
    assert_eq!(
        client
            .plain
            .call(|_| ready(Ok::<_, Down>(1)))
            .await
            .unwrap(),
        1
    );
    assert_eq!(client.service.oneshot(request()).await.unwrap(), 500);
    let judged = client.judged.layer(inner()).oneshot(request());
    assert_eq!(judged.await.unwrap(), 500);
    let numbered = client.numbered.layer(inner()).oneshot(request());
    assert_eq!(numbered.await.unwrap(), 1);
    assert_eq!(client.backed.oneshot(request()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_its_clones_and_its_services_are_one() {
    let all = built(|config| config.rate_limit = Some(rate_limit::Config::new(4, 1_000 * SECOND)));
    let clone = all.clone();
    let service = all.layer(service_fn(async |()| Ok::<_, BoxError>(())));
    service.clone().oneshot(()).await.unwrap();
    service.oneshot(()).await.unwrap();
    clone.call(|_| ready(Ok::<_, Down>(()))).await.unwrap();
    all.call(|_| ready(Ok::<_, Down>(()))).await.unwrap();
    assert_eq!(clone.snapshot().rate_limit.unwrap().available, 0);
}

/// What a pipeline shows of itself has its name, and tells nothing of a request.
#[tokio::test(start_paused = true)]
async fn it_can_be_debugged() {
    let all = Resilience::builder().name("payments").build().unwrap();
    assert!(format!("{all:?}").contains("payments"));
    assert!(format!("{:?}", Resilience::builder().name("x")).contains("\"x\""));
    let mut service = all.layer(service_fn(async |_: &'static str| Ok::<_, BoxError>(())));
    let call = service.ready().await.unwrap().call("a secret");
    let shown = format!("{call:?}");
    assert!(
        shown.contains("once") && !shown.contains("secret"),
        "{shown}"
    );
    call.await.unwrap();
}
