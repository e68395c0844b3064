//! What a fallback does: which calls it backs, with what, how many at once, and what it tells. What
//! happens when a call does not come to its end stands in `fallback_endings.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use buttress::{
    Adapt, Advice, CircuitBreaker, Classify, Error, Fallback, OnError, Outcome, Reason, Refusal,
    fallback::{self, Backup, Covered, Function, Standby, Value},
    replay::{Rebuild, Replay},
    telemetry::{Backed, EventKind},
};
use strict::{Ask, Failed, Strict, make_ready, panic_of, poll_ready, send};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// Answers with one less than the request, and fails at 0.
fn down(request: u32) -> Ready<Result<u32, BoxError>> {
    ready(request.checked_sub(1).ok_or_else(|| "down".into()))
}

/// What a backup service is asked: nothing is kept of the request.
fn asking(make: fn() -> Ask) -> impl Replay<Ask, Kept = ()> + Clone {
    Rebuild::new(|_: &Ask| Some(()), move |(): &()| Some(make()))
}

/// answered, failed, full, declined, abandoned; running.
fn counts<B, C, M>(fallback: &Fallback<B, C, M>) -> [u64; 6] {
    let seen = fallback.snapshot();
    [
        seen.answered,
        seen.failed,
        seen.full,
        seen.declined,
        seen.abandoned,
        seen.running,
    ]
}

#[tokio::test]
async fn a_success_is_left_alone_and_a_backup_that_never_is_ready_does_not_matter() {
    let (standby, backup) = Strict::<BoxError>::new();
    backup.hold_back();
    let fallback = Fallback::service(standby)
        .replay(asking(Ask::answer))
        .build()
        .unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let first = strict.number();
    let mut service = fallback.layer(strict);
    for _ in 0..3 {
        let answer = send(&mut service, Ask::answer().after(1));
        assert_eq!(answer.await.unwrap(), first);
    }
    assert_eq!(watch.calls(), 3);
    assert_eq!((backup.ready_polls(), backup.calls()), (0, 0));
    assert_eq!(counts(&fallback), [0; 6]);
}

#[tokio::test]
async fn a_clone_owns_no_readiness_and_readiness_is_the_inner_services_own() {
    let fallback = Fallback::value(7).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = fallback.layer(strict);
    make_ready(&mut service);
    let mut clone = service.clone();
    assert!(panic_of(|| clone.call(Ask::answer())).contains("polled ready"));
    service.call(Ask::answer()).await.unwrap();
    watch.hold_back();
    assert_pending!(poll_ready(&mut service));
    watch.let_go();
    watch.break_down();
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Err(error)) if error.is::<Failed>()));
    assert_eq!(counts(&fallback), [0; 6], "no call, nothing to back");
}

#[tokio::test]
async fn every_kind_of_backup_takes_the_place_of_an_error() {
    async fn check<B: Backup<u32, u32, BoxError>>(builder: fallback::Builder<B>, expected: u32) {
        let fallback = builder.build().unwrap();
        let mut service = fallback.layer(service_fn(down));
        assert_eq!(service.ready().await.unwrap().call(5).await.unwrap(), 4);
        assert_eq!(counts(&fallback), [0; 6]);
        let answer = service.ready().await.unwrap().call(0).await;
        assert_eq!(answer.unwrap(), expected);
        assert_eq!(counts(&fallback), [1, 0, 0, 0, 0, 0]);
    }
    check(Fallback::value(70), 70).await;
    let words = |failed: Result<u32, BoxError>| failed.unwrap_err().to_string().len() as u32;
    check(Fallback::function(move |failed| Ok(words(failed))), 4).await;
    check(
        Fallback::function_of(
            |request: &u32| request + 60,
            move |kept, failed| Ok(kept + words(failed)),
        ),
        64,
    )
    .await;
    check(
        Fallback::async_function(move |failed| async move {
            tokio::task::yield_now().await;
            Ok(words(failed))
        }),
        4,
    )
    .await;
    check(
        Fallback::async_function_of(
            |request: &u32| *request + 60,
            move |kept, failed| async move {
                tokio::task::yield_now().await;
                Ok(kept + words(failed))
            },
        ),
        64,
    )
    .await;
    let other = service_fn(|request: u32| ready(Ok::<_, Infallible>(request + 50)));
    check(Fallback::service(other), 50).await;
}

/// 5xx are failures, 4xx the caller's mistakes, but for 429.
struct ByStatus;

impl Classify<u32, BoxError> for ByStatus {
    fn classify(&self, result: Result<&u32, &BoxError>) -> Outcome {
        match result {
            Ok(500..) => Outcome::Failure,
            Ok(400..) => Outcome::Ignored,
            other => OnError.classify(other),
        }
    }

    fn advise(&self, result: Result<&u32, &BoxError>) -> Advice {
        match result {
            Ok(500..) => Advice::Stop,
            Ok(429) => Advice::RetryAfter(Duration::from_secs(1)),
            other => OnError.advise(other),
        }
    }
}

#[tokio::test]
async fn a_response_is_backed_if_it_is_a_failure_or_asks_to_come_again() {
    let fallback = Fallback::value(203).classify(ByStatus).build().unwrap();
    let mut echo = fallback.layer(service_fn(|n: u32| ready(Ok::<_, BoxError>(n))));
    for (status, expected) in [(200, 200), (404, 404), (429, 203), (500, 203), (503, 203)] {
        assert_eq!(echo.call(status).await.unwrap(), expected, "{status}");
    }
    assert_eq!(counts(&fallback), [3, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_closure_says_what_is_backed() {
    let judge = |result: Result<&u32, &BoxError>| match result {
        Ok(500..) => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    };
    let fallback =
        Fallback::function(|failed: Result<u32, BoxError>| failed.map(|status| status - 300))
            .classify(judge)
            .build()
            .unwrap();
    let service = fallback.layer(service_fn(down));
    assert_eq!(service.clone().oneshot(501).await.unwrap(), 200);
    assert!(service.oneshot(0).await.is_err(), "a mistake is returned");
    assert_eq!(counts(&fallback), [1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn an_open_breaker_inside_is_answered_for_at_once_and_hears_nothing_of_it() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let fallback = Fallback::value(7).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = ServiceBuilder::new()
        .layer(fallback.clone())
        .layer(breaker.clone())
        .service(strict);
    breaker.force_open();
    watch.hold_back();
    for _ in 0..3 {
        make_ready(&mut service);
        let mut call = spawn(service.call(Ask::answer()));
        assert_eq!(assert_ready_ok!(call.poll()), 7);
    }
    assert_eq!((watch.ready_polls(), breaker.snapshot().rejected), (0, 3));
    assert_eq!(counts(&fallback), [3, 0, 0, 0, 0, 0]);

    // The breaker inside judges the call, and not its backup.
    breaker.reset();
    watch.let_go();
    assert_eq!(send(&mut service, Ask::fail()).await.unwrap(), 7);
    assert_eq!(
        (breaker.snapshot().calls, breaker.snapshot().failed),
        (1, 1)
    );
}

#[tokio::test]
async fn a_backup_service_is_made_ready_only_then_and_a_fresh_clone_each_time() {
    let (standby, backup) = Strict::<BoxError>::new();
    let original = standby.number();
    let fallback = Fallback::service(standby)
        .replay(asking(|| Ask::answer().after(1)))
        .build()
        .unwrap();
    let mut service = fallback.layer(Strict::<BoxError>::new().0);
    backup.hold_back();
    let mut call = spawn(send(&mut service, Ask::fail().after(1)));
    assert_pending!(call.poll());
    assert_eq!(backup.ready_polls(), 0);
    assert_pending!(call.poll());
    assert_eq!((backup.ready_polls(), backup.calls()), (1, 0));
    backup.let_go();
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_eq!(backup.calls(), 1);
    let first = assert_ready_ok!(call.poll());
    let second = send(&mut service, Ask::fail()).await.unwrap();
    assert!(original != first && first != second && second != original);
    assert_eq!(counts(&fallback), [2, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn when_the_backup_fails_its_own_result_is_returned() {
    let (standby, backup) = Strict::<BoxError>::new();
    let fallback = Fallback::service(standby)
        .replay(asking(Ask::fail))
        .build()
        .unwrap();
    let mut service = fallback.layer(service_fn(|_: Ask| {
        ready(Err::<u32, BoxError>("first".into()))
    }));
    assert!(
        service
            .call(Ask::answer())
            .await
            .unwrap_err()
            .is::<Failed>()
    );
    backup.break_down();
    let error = service.call(Ask::answer()).await.unwrap_err();
    assert!(error.is::<Failed>(), "the backup was not ready");
    assert_eq!(backup.calls(), 1);
    assert_eq!(counts(&fallback), [0, 2, 0, 0, 0, 0]);

    // A response can be a failure as well, and so is a refusal.
    let breaker = CircuitBreaker::builder().build().unwrap();
    breaker.force_open();
    let refuses = breaker.layer(service_fn(down));
    let fallback = Fallback::service(refuses)
        .classify(ByStatus)
        .build()
        .unwrap();
    let service = fallback.layer(service_fn(down));
    let error = service.oneshot(0).await.unwrap_err();
    assert_eq!(error.rejected().unwrap().reason(), Reason::ForcedOpen);
    assert_eq!(counts(&fallback), [0, 1, 0, 0, 0, 0]);
    let fallback = Fallback::value(500).classify(ByStatus).build().unwrap();
    assert_eq!(
        fallback.layer(service_fn(down)).oneshot(0).await.unwrap(),
        500
    );
    assert_eq!(counts(&fallback), [0, 1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_request_that_cannot_be_kept_has_no_backup() {
    let (standby, backup) = Strict::<BoxError>::new();
    let no = Fallback::service(standby.clone())
        .replay(|_: &Ask| None::<Ask>)
        .build()
        .unwrap();
    let mut service = no.layer(Strict::<BoxError>::new().0);
    send(&mut service, Ask::answer()).await.unwrap();
    assert_eq!(counts(&no), [0; 6], "and needs none");
    let error = send(&mut service, Ask::fail()).await.unwrap_err();
    assert!(error.is::<Failed>());
    assert_eq!(counts(&no), [0, 0, 0, 1, 0, 0]);

    // Kept, and of no use then.
    let late = Fallback::service(standby)
        .replay(Rebuild::new(|_: &Ask| Some(()), |(): &()| None::<Ask>))
        .build()
        .unwrap();
    let mut service = late.layer(Strict::<BoxError>::new().0);
    send(&mut service, Ask::fail()).await.unwrap_err();
    assert_eq!(counts(&late), [0, 0, 0, 1, 0, 0], "and no place is held");
    assert_eq!((backup.ready_polls(), backup.calls()), (0, 0));
}

/// Waits until it is dropped.
fn hanging(
    places: u32,
) -> Fallback<fallback::AsyncFunction<impl Fn(Result<u32, BoxError>) -> Hang + Clone>> {
    Fallback::async_function(|_: Result<u32, BoxError>| std::future::pending())
        .max_concurrent(places)
        .build()
        .unwrap()
}

type Hang = std::future::Pending<Result<u32, BoxError>>;

#[tokio::test]
async fn when_all_places_are_taken_the_failed_result_is_returned() {
    let fallback = hanging(2);
    let mut service = fallback.layer(service_fn(down));
    let mut running: Vec<_> = (0..2).map(|_| spawn(service.call(0))).collect();
    assert_eq!(fallback.snapshot().running, 0, "they have not failed yet");
    running
        .iter_mut()
        .for_each(|call| assert_pending!(call.poll()));
    assert_eq!(counts(&fallback), [0, 0, 0, 0, 0, 2]);
    let mut third = spawn(service.call(0));
    let error = assert_ready!(third.poll()).unwrap_err();
    assert_eq!(error.to_string(), "down");
    assert_eq!(counts(&fallback), [0, 0, 1, 0, 0, 2]);
    // Who does not fail needs no place.
    assert_eq!(service.call(3).await.unwrap(), 2);
    drop(running.pop());
    assert_eq!(counts(&fallback), [0, 0, 1, 0, 1, 1]);
    let mut next = spawn(service.call(0));
    assert_pending!(next.poll());
    drop((running, next));
    assert_eq!(counts(&fallback), [0, 0, 1, 0, 3, 0]);
}

#[tokio::test]
async fn the_limit_can_be_lowered_and_raised_while_it_runs() {
    let fallback = hanging(3);
    let mut service = fallback.layer(service_fn(down));
    let mut start = || {
        let mut call = spawn(service.call(0));
        let runs = call.poll().is_pending();
        runs.then_some(call)
    };
    let mut running: Vec<_> = (0..3).map(|_| start().unwrap()).collect();
    let limit = |most| {
        let mut config = fallback.config();
        config.max_concurrent = most;
        fallback.reconfigure(config)
    };
    limit(1).unwrap();
    assert_eq!(
        (
            fallback.config().max_concurrent,
            fallback.snapshot().running
        ),
        (1, 3)
    );
    for left in (1..3).rev() {
        running.pop();
        assert_eq!(fallback.snapshot().running, left);
        assert!(start().is_none());
    }
    running.pop();
    running.push(start().unwrap());
    assert!(start().is_none());
    limit(2).unwrap();
    running.push(start().unwrap());
    assert!(start().is_none());

    let error = limit(0).unwrap_err();
    let told = "fallback: max_concurrent = 0: must be 1 to 1000000";
    assert_eq!(error.to_string(), told);
    assert_eq!(fallback.config().max_concurrent, 2, "the old one stays");
    for wrong in [0, 1_000_001, u32::MAX] {
        let built = Fallback::value(1).max_concurrent(wrong).build();
        assert_eq!(built.unwrap_err().violations().len(), 1);
    }
    for right in [1, 1_000_000] {
        Fallback::value(1).max_concurrent(right).build().unwrap();
    }
}

#[tokio::test]
async fn what_answers_at_once_is_not_limited() {
    // Each call fails while all the others are in their backups.
    fn deep(
        fallback: &Fallback<Function<impl Fn(Result<u32, BoxError>) -> Result<u32, BoxError>>>,
    ) {
        let mut service = fallback.layer(service_fn(down));
        assert!(assert_ready!(spawn(service.call(0)).poll()).is_ok());
        assert_eq!(fallback.snapshot().full, 0);
    }
    let inner = Fallback::value(1).max_concurrent(1).build().unwrap();
    let seen = inner.clone();
    let outer = Fallback::function(move |_: Result<u32, BoxError>| {
        let mut service = seen.layer(service_fn(down));
        assert_ready!(spawn(service.call(0)).poll())
    })
    .max_concurrent(1)
    .build()
    .unwrap();
    deep(&outer);
    assert_eq!(counts(&inner), [1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn fallbacks_nest_and_the_outer_one_answers_for_the_inner_ones_backup() {
    let inner = Fallback::function(|failed: Result<u32, BoxError>| {
        let error = failed.unwrap_err();
        Err(format!("{error}, and out of stock").into())
    })
    .name("inner")
    .build()
    .unwrap();
    let outer = Fallback::function(|failed: Result<u32, BoxError>| {
        Ok(failed.unwrap_err().to_string().len() as u32)
    })
    .name("outer")
    .build()
    .unwrap();
    let service = ServiceBuilder::new()
        .layer(outer.clone())
        .layer(inner.clone())
        .service(service_fn(down));
    assert_eq!(service.clone().oneshot(0).await.unwrap(), 22);
    assert_eq!(service.oneshot(1).await.unwrap(), 0);
    assert_eq!(counts(&inner), [0, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&outer), [1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn the_backups_responses_are_marked_and_nothing_else() {
    let marks = Arc::new(AtomicU32::new(0));
    let marked = Arc::clone(&marks);
    let fallback = Fallback::function_of(
        |request: &u32| *request,
        |kept, failed| match kept {
            0 => Ok(7),
            _ => failed,
        },
    )
    .classify(ByStatus)
    .mark(move |response: &mut u32| {
        marked.fetch_add(1, SeqCst);
        *response += 1000;
    })
    .build()
    .unwrap();
    let service = fallback.layer(service_fn(|n: u32| {
        ready(match n {
            0 | 1 => Err(BoxError::from("down")),
            n => Ok(n),
        })
    }));
    for (request, answer) in [
        (0, Some(1007)),
        (1, None),
        (200, Some(200)),
        (500, Some(1500)),
    ] {
        let result = service.clone().oneshot(request).await;
        assert_eq!(result.ok(), answer, "{request}");
    }
    assert_eq!(marks.load(SeqCst), 2);
    // It is judged as the backup gave it.
    assert_eq!(counts(&fallback), [1, 2, 0, 0, 0, 0]);
}

#[tokio::test]
async fn without_tower_it_is_the_same() {
    let fallback = Fallback::value(7).build().unwrap();
    let io = |n: u32| ready(n.checked_sub(1).ok_or_else(|| io::Error::other("down")));
    assert_eq!(fallback.call(|| io(3)).await.unwrap(), 2);
    assert_eq!(fallback.call(|| io(0)).await.unwrap(), 7);
    let breaker = CircuitBreaker::builder().build().unwrap();
    breaker.force_open();
    let answer = fallback.call_flat(|| breaker.call(|| io(3))).await;
    assert_eq!(answer.unwrap(), 7);
    assert_eq!(counts(&fallback), [2, 0, 0, 0, 0, 0]);

    let words = Fallback::async_function(|failed: Result<usize, Error<io::Error>>| async move {
        tokio::task::yield_now().await;
        let Err(Error::Inner(error)) = failed else {
            panic!("it is the call's own error");
        };
        Ok(error.to_string().len())
    })
    .build()
    .unwrap();
    let failed = words.call(|| ready(Err::<usize, _>(io::Error::other("down"))));
    assert_eq!(failed.await.unwrap(), 4);

    // What it borrows, too.
    let text = String::from("borrowed");
    let fallback = Fallback::value("").build().unwrap();
    let answer = fallback.call(|| async { Ok::<_, Infallible>(text.as_str()) });
    assert_eq!(answer.await.unwrap(), "borrowed");
}

#[tokio::test]
async fn it_tells_what_became_of_each_failure() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let (standby, backup) = Strict::<BoxError>::new();
    let turn = Arc::new(AtomicU32::new(0));
    let asks: [Option<fn() -> Ask>; 3] = [Some(Ask::answer), Some(Ask::fail), None];
    let replay = Rebuild::new(
        |_: &Ask| Some(()),
        move |(): &()| asks[turn.fetch_add(1, SeqCst) as usize].map(|ask| ask()),
    );
    let fallback = Fallback::service(standby)
        .replay(replay)
        .name("spare")
        .max_concurrent(1)
        .on_event(move |event| heard.lock().unwrap().push(event.clone()))
        .build()
        .unwrap();
    assert_eq!(fallback.name(), "spare");
    let seen = Arc::new(AtomicU32::new(0));
    let also = Arc::clone(&seen);
    let subscription = fallback.subscribe(move |_| {
        also.fetch_add(1, SeqCst);
    });
    let mut service = fallback.layer(Strict::<BoxError>::new().0);
    for _ in 0..3 {
        let _ = send(&mut service, Ask::fail()).await;
    }
    drop(subscription);
    backup.hold_back();
    fallback.reconfigure(fallback.config()).unwrap();
    let events = std::mem::take(&mut *events.lock().unwrap());
    let results: Vec<_> = events
        .iter()
        .map(|event| match event.kind {
            EventKind::FellBack { result, .. } => Some(result),
            EventKind::Reconfigured {
                window_cleared: false,
                ..
            } => None,
            _ => panic!("{event:?}"),
        })
        .collect();
    let expected = [Backed::Answered, Backed::Failed, Backed::Declined].map(Some);
    assert_eq!(results[..3], expected);
    assert_eq!(results[3..], [None]);
    let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(
        events
            .iter()
            .all(|event| event.policy == "spare" && event.generation == 0)
    );
    assert_eq!(seen.load(SeqCst), 3);
}

#[tokio::test]
async fn a_listener_may_look_and_sees_the_place_free() {
    let fallback = Fallback::async_function(|_: Result<u32, BoxError>| ready(Ok(1)))
        .build()
        .unwrap();
    let handle = fallback.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let _subscription = fallback.subscribe(move |_| heard.lock().unwrap().push(counts(&handle)));
    fallback.layer(service_fn(down)).oneshot(0).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [[1, 0, 0, 0, 0, 0]]);
}

#[tokio::test]
async fn all_clones_are_one_and_a_fork_is_another() {
    let heard = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&heard);
    let original = Fallback::value(7)
        .name("original")
        .max_concurrent(5)
        .on_event(move |_| {
            count.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    for handle in [original.clone(), original.clone()] {
        handle.layer(service_fn(down)).oneshot(0).await.unwrap();
    }
    assert_eq!(counts(&original), [2, 0, 0, 0, 0, 0]);
    let fork = original.fork("fork");
    assert_eq!((fork.name(), fork.config()), ("fork", original.config()));
    fork.layer(service_fn(down)).oneshot(0).await.unwrap();
    assert_eq!(counts(&fork), [1, 0, 0, 0, 0, 0]);
    assert_eq!(counts(&original), [2, 0, 0, 0, 0, 0]);
    assert_eq!(heard.load(SeqCst), 3);
}

/// A backup of somebody's own making: answers for even requests only.
struct Even;

impl<E> Backup<u32, u32, E> for Even {
    type Kept = u32;
    type Future = Ready<Result<u32, E>>;

    const AT_ONCE: bool = true;

    fn keep(&self, request: &mut u32) -> Option<u32> {
        (*request % 2 == 0).then_some(*request)
    }

    fn answer(&self, kept: u32, failed: Result<u32, E>) -> Result<Self::Future, Result<u32, E>> {
        match kept {
            4 => Err(failed),
            kept => Ok(ready(Ok(kept * 100))),
        }
    }
}

#[tokio::test]
async fn a_backup_of_ones_own() {
    let fallback = Fallback::builder(Even).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(fallback.clone())
        .layer(Adapt)
        .service(service_fn(|n: u32| ready(Err::<u32, _>(n))));
    assert_eq!(service.clone().oneshot(2).await, Ok(200));
    assert_eq!(service.clone().oneshot(3).await, Err(Error::Inner(3)));
    assert_eq!(service.oneshot(4).await, Err(Error::Inner(4)));
    assert_eq!(counts(&fallback), [1, 0, 0, 2, 0, 0]);
}

type Excuse = fn(Result<u32, BoxError>) -> Result<u32, BoxError>;

/// Every type has a name, for a struct's field.
struct Shop<S> {
    members: Covered<S, Value<u32>>,
    prices: Covered<S, Function<Excuse>>,
    stock: Option<Covered<S, Standby<S, buttress::replay::Cloned>>>,
}

#[tokio::test]
async fn values_services_and_futures_go_where_they_must() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn goes<T: Send + 'static>(value: T) -> T {
        value
    }
    let excuse: Excuse = |_| Ok(1);
    let service = service_fn(|n: u32| down(n));
    let mut shop = Shop {
        members: Fallback::value(9).build().unwrap().layer(service),
        prices: Fallback::function(excuse).build().unwrap().layer(service),
        stock: None,
    };
    anywhere(&shop.members);
    anywhere(shop.members.fallback());
    anywhere(shop.prices.fallback());
    shop.stock = Some(Fallback::service(service).build().unwrap().layer(service));
    anywhere(shop.stock.as_ref().unwrap().fallback());
    let call = goes(shop.members.call(0));
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 9);
    let call = goes(shop.stock.as_mut().unwrap().call(0));
    assert!(tokio::spawn(call).await.unwrap().is_err());
    assert_eq!(goes(shop.prices.call(0)).await.unwrap(), 1);
    assert_eq!(shop.members.get_mut().call(3).await.unwrap(), 2);
    let _ = (shop.members.get_ref(), shop.prices.into_inner());
}
