//! Deadlines in a pipeline: its own and the request's, of which the earlier counts; what is written into a
//! request; waits and further attempts that would come too late.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::{pending, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Deadline, Fallback, Reason, Refusal, Resilience,
    backoff::{Backoff, Jitter},
    bulkhead,
    deadline::ReadWrite,
    pipeline::Config,
    rate_limit, retry,
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// When it has to be answered.
#[derive(Debug, Clone, Copy, PartialEq)]
struct By(Option<Deadline>);

impl By {
    fn after(long: Duration) -> Self {
        Self(Some(Deadline::after(long)))
    }
}

/// With a strategy that reads.
macro_rules! built {
    ($change:expr) => {{
        let mut config = Config::default();
        let change: fn(&mut Config) = $change;
        change(&mut config);
        let builder = Resilience::builder().config(config).seed(1);
        builder.deadline_in(|by: &By| by.0).build().unwrap()
    }};
}

/// Retries once a second.
fn retry(attempts: u32) -> Option<retry::Config> {
    let mut retry = retry::Config::default();
    retry.max_attempts = attempts;
    retry.backoff = Backoff::constant(SECOND).jitter(Jitter::None);
    Some(retry)
}

async fn hangs(_: By) -> Result<(), BoxError> {
    pending().await
}

fn reason(error: &BoxError) -> Option<Reason> {
    error.rejected().map(buttress::Rejected::reason)
}

#[tokio::test(start_paused = true)]
async fn the_earlier_deadline_counts() {
    for (own, theirs, counts) in [
        (Some(2), Some(1), 1),
        (Some(1), Some(2), 1),
        (None, Some(1), 1),
        (Some(1), None, 1),
    ] {
        for hedge in [None, Some((100 * MILLISECOND).into())] {
            let mut config = Config::default();
            config.deadline = own.map(|own| own * SECOND);
            config.hedge = hedge;
            let builder = Resilience::builder().config(config);
            let all = builder.deadline_in(|by: &By| by.0).build().unwrap();
            let begun = Instant::now();
            let by = By(theirs.map(|theirs| Deadline::after(theirs * SECOND)));
            let error = all.layer(service_fn(hangs)).oneshot(by).await.unwrap_err();
            assert_eq!(reason(&error), Some(Reason::DeadlineExceeded));
            assert_eq!(begun.elapsed(), counts * SECOND);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_writing_strategy_sees_the_earliest_of_the_deadlines_and_the_attempt_s_limit() {
    let carried = || {
        ReadWrite::new(
            |by: &By| by.0,
            |by: &mut By, deadline| {
                assert!(
                    by.0.is_none_or(|before| deadline < before),
                    "it only shrinks"
                );
                by.0 = Some(deadline);
            },
        )
    };
    for own in [None, Some(1), Some(3), Some(5)] {
        for theirs in [None, Some(2), Some(4)] {
            for attempt in [None, Some(1), Some(3)] {
                let mut config = Config::default();
                config.deadline = own.map(|own| own * SECOND);
                // Where they are too long to be built, they are no case.
                config.attempt_timeout = attempt.map(|attempt| attempt * SECOND);
                let builder = Resilience::builder().config(config).deadline_in(carried());
                let Ok(all) = builder.build() else {
                    assert!(attempt > own);
                    continue;
                };
                let service = all.layer(service_fn(async |by: By| Ok::<_, BoxError>(by)));
                let by = By(theirs.map(|theirs| Deadline::after(theirs * SECOND)));
                let seen = service.oneshot(by).await.unwrap();
                let earliest = [own, theirs, attempt].into_iter().flatten().min();
                let expected = earliest.map(|it| Deadline::after(it * SECOND));
                assert_eq!(seen.0, expected, "{own:?} {theirs:?} {attempt:?}");
            }
        }
    }
}

/// Each attempt's own limit is written anew, and never beyond the call's deadline.
#[tokio::test(start_paused = true)]
async fn later_attempts_carry_their_own_limit() {
    let carried = ReadWrite::new(
        |by: &By| by.0,
        |by: &mut By, deadline| by.0 = Some(deadline),
    );
    let all = Resilience::builder()
        .retry(retry(3).unwrap())
        .deadline(5 * SECOND)
        .attempt_timeout(SECOND)
        .deadline_in(carried)
        .build()
        .unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let logged = Arc::clone(&log);
    let hangs = move |by: By| {
        logged.lock().unwrap().push(by);
        hangs(by)
    };
    let begun = Instant::now();
    let seconds = |seconds: u32| By(Some(Deadline::at(begun + seconds * SECOND)));
    // The request's own deadline cuts the third attempt short.
    let by = By::after(4_500 * MILLISECOND);
    let error = all.layer(service_fn(hangs)).oneshot(by).await.unwrap_err();
    assert_eq!(reason(&error), Some(Reason::DeadlineExceeded));
    assert_eq!(*log.lock().unwrap(), [seconds(1), seconds(3), by]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_expired_is_not_started_and_its_fallback_answers() {
    for sender in 0..3 {
        let mut config = Config::standard();
        if sender != 1 {
            config.retry = None;
        }
        if sender == 2 {
            config.hedge = Some(SECOND.into());
        }
        config.rate_limit = Some(rate_limit::Config::new(1, 1_000 * SECOND));
        let all = Resilience::builder()
            .config(config)
            .deadline_in(|by: &By| by.0)
            .fallback(Fallback::value("the fallback"))
            .build()
            .unwrap();
        let mut service = all.layer(service_fn(async |_: By| -> Result<&str, BoxError> {
            panic!("it was started")
        }));
        let by = By(Some(Deadline::at(Instant::now())));
        let answer = service.ready().await.unwrap().call(by).await.unwrap();
        assert_eq!(answer, "the fallback");
        let seen = all.snapshot();
        assert_eq!(seen.rate_limit.unwrap().available, 1);
        assert_eq!(seen.bulkhead.unwrap().in_flight, 0);
        assert_eq!(seen.breaker.unwrap().calls, 0);
        assert_eq!(seen.timeout.expired, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_ends_with_the_deadline() {
    let all = built!(|config| {
        let mut places = bulkhead::Config::new(1);
        places.max_queue = 9;
        places.max_wait = 9 * SECOND;
        config.bulkhead = Some(places);
    });
    let mut service = all.layer(service_fn(hangs));
    let mut runs = spawn(service.ready().await.unwrap().call(By(None)));
    assert_pending!(runs.poll());
    let begun = Instant::now();
    let error = service.oneshot(By::after(SECOND)).await.unwrap_err();
    assert_eq!(reason(&error), Some(Reason::Expired));
    assert_eq!(begun.elapsed(), SECOND);
    let seen = all.snapshot().bulkhead.unwrap();
    assert_eq!((seen.queued, seen.expired, seen.in_flight), (0, 1, 1));
}

/// A turn that would come after the deadline is not waited for, and not taken.
#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_too_late_is_refused_at_once() {
    let all = built!(|config| {
        let mut limit = rate_limit::Config::new(1, 2 * SECOND);
        limit.max_wait = 9 * SECOND;
        config.rate_limit = Some(limit);
    });
    let service = all.layer(service_fn(async |_: By| Ok::<_, BoxError>(())));
    service.clone().oneshot(By(None)).await.unwrap();
    let begun = Instant::now();
    let error = service
        .clone()
        .oneshot(By::after(SECOND))
        .await
        .unwrap_err();
    assert_eq!(reason(&error), Some(Reason::Expired));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    service.oneshot(By::after(3 * SECOND)).await.unwrap();
    assert_eq!(begun.elapsed(), 2 * SECOND);
}

/// The pipeline's own deadline ends waits as well, without any strategy; and it is counted from the
/// arrival, so that what was waited is gone from the attempt's time.
#[tokio::test(start_paused = true)]
async fn the_wait_counts_for_the_deadline() {
    let mut config = Config::default();
    config.deadline = Some(3 * SECOND);
    let mut limit = rate_limit::Config::new(1, 2 * SECOND);
    limit.max_wait = 2 * SECOND;
    config.rate_limit = Some(limit);
    let all = Resilience::builder().config(config).build().unwrap();
    all.call(|_| ready(Ok::<_, ()>(()))).await.unwrap();
    let begun = Instant::now();
    let error = all.call(|_| pending::<Result<(), ()>>()).await;
    assert_eq!(
        error.unwrap_err().rejected().unwrap().reason(),
        Reason::DeadlineExceeded
    );
    assert_eq!(begun.elapsed(), 3 * SECOND);
}

/// Retries stop where the deadline cannot hold the next wait, and the last real error is the answer.
#[tokio::test(start_paused = true)]
async fn no_attempt_is_waited_for_that_would_come_too_late() {
    for (limit, attempts) in [(1_000, 1), (1_001, 2), (2_000, 2), (2_001, 3)] {
        let all = built!(|config| config.retry = retry(5));
        let made = Arc::new(Mutex::new(0));
        let fails = |_: By| {
            *made.lock().unwrap() += 1;
            async { Err::<(), BoxError>("down".into()) }
        };
        let begun = Instant::now();
        let by = By::after(limit * MILLISECOND);
        let error = all.layer(service_fn(fails)).oneshot(by).await.unwrap_err();
        assert_eq!(error.to_string(), "down");
        assert_eq!(*made.lock().unwrap(), attempts);
        assert_eq!(begun.elapsed(), (attempts - 1) * SECOND);
        assert_eq!(all.snapshot().retry.unwrap().out_of_time, 1);
        assert_eq!(all.snapshot().budget.reserved, 0);
    }
}

/// The pause between two attempts holds nothing of the guard.
#[tokio::test(start_paused = true)]
async fn a_pause_holds_no_place() {
    let all = built!(|config| {
        config.retry = retry(2);
        config.bulkhead = Some(1.into());
        config.deadline = Some(10 * SECOND);
    });
    let fails = async |_: By| Err::<(), BoxError>("down".into());
    let mut service = all.layer(service_fn(fails));
    let mut call = spawn(service.ready().await.unwrap().call(By(None)));
    assert_pending!(call.poll());
    let seen = all.snapshot();
    assert_eq!(seen.bulkhead.unwrap().in_flight, 0);
    assert_eq!(seen.budget.reserved, 1);
    advance(SECOND).await;
    assert!(call.poll().is_ready());
}

/// What the request allows is read once, when it arrives: a request that changes its mind, made anew for a
/// later attempt, changes nothing.
#[tokio::test(start_paused = true)]
async fn a_deadline_is_read_as_the_call_arrives() {
    let all = Resilience::builder()
        .retry(retry(3).unwrap())
        .replay(|_: &By| Some(By::after(100 * SECOND)))
        .deadline_in(|by: &By| by.0)
        .build()
        .unwrap();
    let slow = async |_: By| {
        sleep(SECOND).await;
        Err::<(), BoxError>("down".into())
    };
    let begun = Instant::now();
    let by = By::after(2_500 * MILLISECOND);
    let error = all.layer(service_fn(slow)).oneshot(by).await.unwrap_err();
    assert_eq!(reason(&error), Some(Reason::DeadlineExceeded));
    assert_eq!(begun.elapsed(), 2_500 * MILLISECOND);
}

/// A hedge that would begin too late is not sent.
#[tokio::test(start_paused = true)]
async fn no_hedge_is_sent_when_the_time_is_over() {
    let all = built!(|config| config.hedge = Some(SECOND.into()));
    let service = all.layer(service_fn(hangs));
    let error = service.oneshot(By::after(SECOND)).await.unwrap_err();
    assert_eq!(reason(&error), Some(Reason::DeadlineExceeded));
    let seen = all.snapshot().hedge.unwrap();
    assert_eq!(seen.hedged, 0);
}
