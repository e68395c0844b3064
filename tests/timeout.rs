//! The timeout: from when the time runs, what ends it, what it is clamped to, and what is told. The
//! tower contract and what a call holds stand in `timeout_contract.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn, ready},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use buttress::{
    Deadline, Error, InvalidConfig, Reason, Rejected, Timeout,
    deadline::ReadWrite,
    telemetry::{Event, EventKind, Expiry},
    timeout::Config,
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);

/// The call's own error.
#[derive(Debug, PartialEq)]
struct Down;

type Flat = Error<Down>;

fn timeout(limit: Duration) -> Timeout {
    Timeout::builder(limit).build().unwrap()
}

async fn takes(time: Duration) -> Result<u32, Down> {
    sleep(time).await;
    Ok(7)
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Flat>) -> Rejected {
    answer.unwrap_err().rejected().expect("a refusal").clone()
}

/// Counts of limit, deadline and expired.
fn counts<D, L>(timeout: &Timeout<D, L>) -> [u64; 3] {
    let seen = timeout.snapshot();
    [seen.ran_into_limit, seen.ran_into_deadline, seen.expired]
}

/// How long it takes.
async fn timed<F: Future>(call: F) -> (F::Output, Duration) {
    let begun = Instant::now();
    let output = call.await;
    (output, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_the_answer_and_a_later_one_is_none() {
    let timeout = timeout(SECOND);
    assert_eq!(timeout.call(|| takes(SECOND / 2)).await, Ok(7));
    assert_eq!(
        timeout.call(|| ready(Err::<u32, _>(Down))).await,
        Err(Error::Inner(Down))
    );
    let (answer, took) = timed(timeout.call(|| takes(2 * SECOND))).await;
    let no = refusal(answer);
    assert_eq!(took, SECOND);
    assert_eq!((no.policy(), no.reason()), ("timeout", Reason::TimedOut));
    assert!(no.started());
    assert_eq!(no.retry_after(), None);
    assert_eq!(counts(&timeout), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_when_the_time_runs_out_is_the_answer() {
    let timeout = timeout(SECOND);
    // The same instant; which of the two timers is the older one does not matter.
    assert_eq!(timeout.call(|| takes(SECOND)).await, Ok(7));
    // Long after it, but nobody looked before.
    let mut call = spawn(timeout.call(|| takes(SECOND / 2)));
    assert_pending!(call.poll());
    advance(10 * SECOND).await;
    assert_eq!(assert_ready_ok!(call.poll()), 7);
    assert_eq!(counts(&timeout), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_time_runs_from_the_first_wait() {
    let timeout = timeout(SECOND);
    let mut call = spawn(timeout.call(|| takes(2 * SECOND)));
    // Not yet polled, it waits for nothing.
    advance(5 * SECOND).await;
    assert_pending!(call.poll());
    advance(SECOND - TICK).await;
    assert!(!call.is_woken());
    assert_pending!(call.poll());
    advance(TICK).await;
    assert!(call.is_woken());
    assert_eq!(
        refusal(assert_ready!(call.poll())).reason(),
        Reason::TimedOut
    );
}

/// Nothing that answers at once needs a runtime: neither timer nor clock.
#[test]
fn an_answer_at_once_takes_no_timer() {
    let timeout = timeout(SECOND);
    let mut call = spawn(timeout.call(|| ready(Ok::<_, Down>(7))));
    assert_eq!(assert_ready_ok!(call.poll()), 7);
    let service = timeout.layer(service_fn(|n: u32| ready(Ok::<_, Flat>(n))));
    assert_eq!(assert_ready_ok!(spawn(service.oneshot(8)).poll()), 8);
}

#[tokio::test(start_paused = true)]
async fn an_inner_timeout_is_heard_before_the_outer_one() {
    let [outer, inner] = ["outer", "inner"].map(|name| {
        let builder = Timeout::builder(SECOND).name(name);
        builder.build().unwrap()
    });
    let call = outer.call_flat(|| inner.call(pending::<Result<(), Down>>));
    assert_eq!(refusal(call.await).policy(), "inner");
    assert_eq!((counts(&outer), counts(&inner)), ([0; 3], [1, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_limit_by_request_goes_before_the_fixed_one() {
    let timeout = Timeout::builder(3 * SECOND)
        .by_request(|seconds: &Option<u32>| seconds.map(|seconds| seconds * SECOND))
        .build()
        .unwrap();
    let mut service = timeout.layer(service_fn(|_| pending::<Result<(), Flat>>()));
    for (asked, expected) in [(Some(1), 1), (None, 3), (Some(5), 5), (Some(0), 0)] {
        let (answer, took) = timed(service.ready().await.unwrap().call(asked)).await;
        assert_eq!(refusal(answer).reason(), Reason::TimedOut);
        assert_eq!(took, expected * SECOND);
    }
    // Of no time at all it allows what takes none.
    let mut service = timeout.layer(service_fn(|_| ready(Ok::<_, Flat>(()))));
    service.call(Some(0)).await.unwrap();
}

/// A request that carries its deadline.
#[derive(Debug, Clone, Copy, Default)]
struct Request {
    answer_by: Option<Deadline>,
}

fn read(request: &Request) -> Option<Deadline> {
    request.answer_by
}

#[tokio::test(start_paused = true)]
async fn a_call_is_clamped_to_its_deadline() {
    let timeout = Timeout::builder(3 * SECOND).deadline(read).build().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&events);
    let _heard = timeout.subscribe(move |event| listener.lock().unwrap().push(event.clone()));
    let mut service = timeout.layer(service_fn(|_| pending::<Result<(), Flat>>()));

    for (left, takes, kind) in [
        (Some(1), 1, Expiry::Deadline),
        (Some(3), 3, Expiry::Limit),
        (Some(4), 3, Expiry::Limit),
        (None, 3, Expiry::Limit),
    ] {
        let answer_by = left.map(|left| Deadline::after(left * SECOND));
        let (answer, took) = timed(service.call(Request { answer_by })).await;
        let no = refusal(answer);
        let reason = match kind {
            Expiry::Limit => Reason::TimedOut,
            _ => Reason::DeadlineExceeded,
        };
        assert_eq!((no.reason(), no.started()), (reason, true));
        assert_eq!(took, takes * SECOND);
        let event = events.lock().unwrap().pop().unwrap();
        let EventKind::TimedOut {
            kind: told, limit, ..
        } = event.kind
        else {
            panic!("{event:?}");
        };
        assert_eq!((told, limit), (kind, takes * SECOND));
    }
    assert_eq!(counts(&timeout), [3, 1, 0]);
}

/// It ends with the deadline even if it first waits only shortly before, or after.
#[tokio::test(start_paused = true)]
async fn a_deadline_stands_while_nobody_polls() {
    let timeout = Timeout::builder(3 * SECOND).deadline(read).build().unwrap();
    let mut service = timeout.layer(service_fn(|_| pending::<Result<(), Flat>>()));
    for idle in [SECOND / 2, SECOND, 2 * SECOND] {
        let answer_by = Some(Deadline::after(SECOND));
        let mut call = spawn(service.call(Request { answer_by }));
        advance(idle).await;
        if idle < SECOND {
            assert_pending!(call.poll());
            advance(SECOND - idle).await;
            assert!(call.is_woken());
        }
        assert!(refusal(assert_ready!(call.poll())).started());
    }
    assert_eq!(counts(&timeout), [0, 3, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_is_not_started() {
    let timeout = Timeout::builder(SECOND)
        .name("late")
        .deadline(read)
        .build()
        .unwrap();
    let started = Cell::new(0);
    let mut service = timeout.layer(service_fn(|_: Request| {
        started.set(started.get() + 1);
        ready(Ok::<_, Flat>(()))
    }));
    let now = Deadline::at(Instant::now());
    advance(SECOND).await;
    for answer_by in [now, Deadline::at(Instant::now())] {
        let answer_by = Some(answer_by);
        let no = refusal(service.call(Request { answer_by }).await);
        assert_eq!((no.policy(), no.reason()), ("late", Reason::Expired));
        assert!(!no.started());
    }
    assert_eq!((started.get(), counts(&timeout)), (0, [0, 0, 2]));
    let answer_by = Some(Deadline::after(TICK));
    service.call(Request { answer_by }).await.unwrap();
    assert_eq!(started.get(), 1);

    // Without tower the request is `()`, and the strategy knows.
    let fixed = Deadline::at(Instant::now());
    let timeout = Timeout::builder(SECOND).deadline(move |_: &()| Some(fixed));
    let timeout = timeout.build().unwrap();
    let call = timeout.call(|| -> std::future::Ready<Result<(), Down>> { panic!("not started") });
    assert_eq!(refusal(call.await).reason(), Reason::Expired);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_the_earlier_of_deadline_and_limit() {
    let written = Cell::new(0);
    let strategy = ReadWrite::new(read, |request: &mut Request, deadline| {
        written.set(written.get() + 1);
        request.answer_by = Some(deadline);
    });
    let timeout = Timeout::builder(3 * SECOND)
        .deadline(strategy)
        .build()
        .unwrap();
    let mut service = timeout.layer(service_fn(|request: Request| {
        ready(Ok::<_, Flat>(request.answer_by.unwrap().remaining()))
    }));
    for (left, seen, writes) in [
        (None, 3, 1),
        (Some(5), 3, 1),
        (Some(3), 3, 0),
        (Some(1), 1, 0),
    ] {
        let answer_by = left.map(|left| Deadline::after(left * SECOND));
        let remaining = service.call(Request { answer_by }).await.unwrap();
        assert_eq!(remaining, seen * SECOND);
        assert_eq!(written.replace(0), writes);
    }
}

#[tokio::test(start_paused = true)]
async fn without_end_is_long_and_no_panic() {
    for limit in [
        Duration::MAX,
        Duration::from_nanos(u64::MAX),
        1_000_000 * SECOND,
    ] {
        let timeout = timeout(limit);
        assert!(timeout.config().limit <= limit);
        let mut call = spawn(timeout.call(|| takes(SECOND)));
        assert_pending!(call.poll());
        advance(SECOND).await;
        assert_eq!(assert_ready_ok!(call.poll()), 7);
    }
    let timeout = Timeout::builder(SECOND)
        .deadline(ReadWrite::new(read, |request: &mut Request, deadline| {
            request.answer_by = Some(deadline);
        }))
        .by_request(|_: &Request| Some(Duration::MAX))
        .build()
        .unwrap();
    let mut service = timeout.layer(service_fn(|request: Request| async move {
        sleep(SECOND).await;
        Ok::<_, Flat>(request.answer_by.unwrap().remaining())
    }));
    let left = service.call(Request::default()).await.unwrap();
    assert!(left > 1_000_000 * SECOND);
    let answer_by = Some(Deadline::after(Duration::MAX));
    assert!(service.call(Request { answer_by }).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn new_settings_are_for_the_calls_that_begin_later() {
    let timeout = timeout(SECOND);
    let mut before = spawn(timeout.call(pending::<Result<(), Down>>));
    timeout.reconfigure(Config::new(5 * SECOND)).unwrap();
    let mut after = spawn(timeout.call(pending::<Result<(), Down>>));
    assert_pending!(before.poll());
    assert_pending!(after.poll());
    advance(SECOND).await;
    assert!(before.is_woken());
    assert!(assert_ready!(before.poll()).is_err());
    advance(3 * SECOND).await;
    assert_pending!(after.poll());
    advance(SECOND).await;
    assert!(assert_ready!(after.poll()).is_err());
    assert_eq!(timeout.snapshot().limit, 5 * SECOND);
}

#[test]
fn a_limit_of_zero_cannot_be_built_nor_set() {
    let rule = |error: InvalidConfig| {
        let [broken] = error.violations() else {
            panic!("{error}");
        };
        assert_eq!((broken.field, &*broken.value), ("limit", "0ns"));
        error.to_string()
    };
    let error = Timeout::builder(Duration::ZERO).name("api").build();
    let told = rule(error.unwrap_err());
    assert_eq!(told, "api: limit = 0ns: must not be zero");
    let timeout = timeout(SECOND);
    rule(
        timeout
            .reconfigure(Config::new(Duration::ZERO))
            .unwrap_err(),
    );
    assert_eq!(timeout.config(), Config::new(SECOND), "the old one stays");
    let timeout = Timeout::builder(Duration::ZERO);
    let timeout = timeout.config(Config::new(2 * SECOND)).build().unwrap();
    assert_eq!(timeout.config().limit, 2 * SECOND);
}

/// Remembers what it hears.
#[derive(Debug, Clone, Default)]
struct Ear(Arc<Mutex<Vec<Event>>>);

impl Ear {
    fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let ear = self.clone();
        move |event| ear.0.lock().unwrap().push(event.clone())
    }

    /// All since the last time: by whom, which number, what.
    fn take(&self) -> Vec<(&'static str, u64, EventKind)> {
        let events = std::mem::take(&mut *self.0.lock().unwrap());
        let events = events.into_iter();
        events
            .map(|event| (event.policy, event.seq, event.kind))
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_out_is_told_to_those_who_listen() {
    let ear = Ear::default();
    let timeout = Timeout::builder(SECOND)
        .name("api")
        .deadline(|late: &bool| late.then(|| Deadline::at(Instant::now())))
        .on_event(ear.listener())
        .build()
        .unwrap();
    let mut service = timeout.layer(service_fn(|_| pending::<Result<(), Flat>>()));
    service.call(false).await.unwrap_err();
    service.call(true).await.unwrap_err();
    timeout.reconfigure(timeout.config()).unwrap();
    let told = ear.take();
    assert_eq!(told.iter().map(|it| it.1).collect::<Vec<_>>(), [1, 2, 3]);
    let [limit, expired, reconfigured] = told.try_into().unwrap();
    assert_eq!(limit.0, "api");
    let kind = |kind| match kind {
        EventKind::TimedOut { kind, limit, .. } => (kind, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(limit.2), (Expiry::Limit, SECOND));
    assert_eq!(kind(expired.2), (Expiry::Expired, Duration::ZERO));
    assert!(matches!(reconfigured.2, EventKind::Reconfigured { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_listened_to_outlives_its_timeout_and_tells() {
    let ear = Ear::default();
    let builder = Timeout::builder(SECOND)
        .name("gone")
        .on_event(ear.listener());
    let timeout = builder.build().unwrap();
    let mut call = spawn(timeout.call(pending::<Result<(), Down>>));
    drop(timeout);
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_eq!(refusal(assert_ready!(call.poll())).policy(), "gone");
    assert_eq!(ear.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_listens_later_hears_of_calls_that_run() {
    let ear = Ear::default();
    let timeout = timeout(SECOND);
    let mut call = spawn(timeout.call(pending::<Result<(), Down>>));
    let heard = timeout.subscribe(ear.listener());
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_eq!(refusal(assert_ready!(call.poll())).policy(), "timeout");
    assert_eq!(ear.take().len(), 1);
    drop(heard);
    timeout.call(pending::<Result<(), Down>>).await.unwrap_err();
    assert!(ear.take().is_empty());
    assert_eq!(counts(&timeout), [2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_turn_the_handle_and_panic() {
    let timeout = timeout(SECOND);
    let handle = timeout.clone();
    let _heard = timeout.subscribe(move |event| {
        if matches!(event.kind, EventKind::TimedOut { .. }) {
            handle.reconfigure(Config::new(2 * SECOND)).unwrap();
            assert_eq!(handle.snapshot().ran_into_limit, 1);
            panic!("a listener's");
        }
    });
    let no = refusal(timeout.call(pending::<Result<(), Down>>).await);
    assert_eq!(no.reason(), Reason::TimedOut);
    assert_eq!(timeout.config().limit, 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_its_own_counts_and_settings() {
    let ear = Ear::default();
    let timeout = Timeout::builder(SECOND)
        .on_event(ear.listener())
        .by_request(|(): &()| Some(2 * SECOND))
        .build()
        .unwrap();
    let fork = timeout.fork("other");
    assert_eq!((timeout.name(), fork.name()), ("timeout", "other"));
    timeout.reconfigure(Config::new(5 * SECOND)).unwrap();
    assert_eq!(fork.config().limit, SECOND);
    let (answer, took) = timed(fork.call(pending::<Result<(), Down>>)).await;
    assert_eq!(refusal(answer).policy(), "other");
    assert_eq!(took, 2 * SECOND, "the strategies go along");
    assert_eq!((counts(&timeout), counts(&fork)), ([0; 3], [1, 0, 0]));
    let told: Vec<_> = ear.take().iter().map(|it| it.0).collect();
    assert_eq!(told, ["timeout", "other"]);
}

/// An inner call that uses up, in every poll, all that a task may do in one go: a timer that is only
/// polled would never be started.
#[tokio::test(start_paused = true)]
async fn one_that_never_gives_way_runs_out_of_time_all_the_same() {
    let timeout = timeout(SECOND);
    let busy = || {
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            assert!(polls < 10_000, "it goes on for ever");
            loop {
                let one = std::pin::pin!(tokio::task::coop::consume_budget());
                if one.poll(cx).is_pending() {
                    return Poll::<Result<(), Down>>::Pending;
                }
            }
        })
    };
    let clock = tokio::spawn(async {
        loop {
            advance(SECOND / 10).await;
        }
    });
    // A task of its own, since only those are held to it.
    let call = timeout.call(busy);
    let no = refusal(tokio::spawn(call).await.unwrap());
    assert_eq!(no.reason(), Reason::TimedOut);
    clock.abort();
}

#[tokio::test(start_paused = true)]
async fn inside_a_breaker_it_is_a_failure_and_one_not_started_is_none() {
    let breaker = buttress::CircuitBreaker::builder().build().unwrap();
    let timeout = Timeout::builder(SECOND).deadline(read).build().unwrap();
    let service = tower::ServiceBuilder::new().layer(breaker.clone());
    let service = service.layer(timeout);
    let mut service = service.service_fn(|_| pending::<Result<(), BoxError>>());
    let late = Request {
        answer_by: Some(Deadline::at(Instant::now())),
    };
    service.call(Request::default()).await.unwrap_err();
    service.call(late).await.unwrap_err();
    let seen = breaker.snapshot();
    assert_eq!((seen.calls, seen.failed), (1, 1));
}
