//! How a call with a backup can end other than by answering: dropped at any point, or in a panic. Its
//! place goes back each time.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use buttress::{
    Fallback, Outcome,
    fallback::{Backup, Builder},
    replay::{Rebuild, Replay},
};
use strict::{Ask, Failed, Strict, panic_of, send};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

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

/// What a backup service is asked: nothing is kept of the request.
fn asking(make: fn() -> Ask) -> impl Replay<Ask, Kept = ()> + Clone {
    Rebuild::new(|_: &Ask| Some(()), move |(): &()| Some(make()))
}

fn broken(_: Ask) -> Ready<Result<u32, BoxError>> {
    ready(Err("down".into()))
}

#[tokio::test]
async fn dropped_at_any_point_a_call_gives_back_its_place() {
    // Two pendings of the call, one of the backup's readiness, two of the backup.
    for polls in 0..=5 {
        let (standby, backup) = Strict::<BoxError>::new();
        let fallback = Fallback::service(standby)
            .replay(asking(|| Ask::answer().after(2)))
            .max_concurrent(2)
            .build()
            .unwrap();
        let (strict, watch) = Strict::<BoxError>::new();
        let mut service = fallback.layer(strict);
        let in_backup = polls >= 3;
        // Twice: what goes back can be taken again.
        for round in 1..=2 {
            backup.hold_back();
            let mut calls: Vec<_> = (0..2)
                .map(|_| spawn(send(&mut service, Ask::fail().after(2))))
                .collect();
            for poll in 0..polls {
                if poll == 3 {
                    backup.let_go();
                }
                calls
                    .iter_mut()
                    .for_each(|call| assert_pending!(call.poll()));
            }
            let running = if in_backup { 2 } else { 0 };
            assert_eq!(fallback.snapshot().running, running, "after {polls} polls");
            drop(calls);
            let abandoned = if in_backup { 2 * round } else { 0 };
            assert_eq!(
                counts(&fallback),
                [0, 0, 0, 0, abandoned, 0],
                "after {polls} polls"
            );
            assert_eq!(
                u64::from(watch.dropped()),
                2 * round,
                "the call's future is gone"
            );
            assert_eq!(backup.dropped(), backup.calls(), "and the backup's");
            backup.let_go();
        }
        assert_eq!(backup.calls(), if polls >= 4 { 4 } else { 0 });
        send(&mut service, Ask::fail()).await.unwrap();
        assert_eq!(fallback.snapshot().full, 0);
    }
}

#[tokio::test]
async fn without_tower_a_dropped_call_gives_back_its_place_too() {
    let yields = |n: u32| async move {
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
    };
    for polls in 0..=4 {
        let fallback = Fallback::async_function(move |_: Result<u32, BoxError>| async move {
            yields(2).await;
            Ok(1)
        })
        .max_concurrent(1)
        .build()
        .unwrap();
        let mut call = spawn(fallback.call_flat(|| async move {
            yields(2).await;
            Err(BoxError::from("down"))
        }));
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        assert_eq!(fallback.snapshot().running, u64::from(polls > 2));
        drop(call);
        assert_eq!(counts(&fallback), [0, 0, 0, 0, u64::from(polls > 2), 0]);
    }
}

/// Pending for ever; looks when it is dropped.
struct Witness {
    fallback: Arc<dyn Fn() -> u64 + Send + Sync>,
    seen: Arc<AtomicU32>,
}

impl Future for Witness {
    type Output = Result<u32, BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.seen.store((self.fallback)() as u32 + 10, SeqCst);
    }
}

#[tokio::test]
async fn the_backup_is_gone_before_its_place_is_free() {
    let seen = Arc::<AtomicU32>::default();
    let look: Arc<std::sync::OnceLock<Arc<dyn Fn() -> u64 + Send + Sync>>> = Arc::default();
    let (sees, looks) = (Arc::clone(&seen), Arc::clone(&look));
    let fallback = Fallback::async_function(move |_: Result<u32, BoxError>| Witness {
        fallback: Arc::clone(looks.get().unwrap()),
        seen: Arc::clone(&sees),
    })
    .build()
    .unwrap();
    let handle = fallback.clone();
    let _ = look.set(Arc::new(move || handle.snapshot().running));
    let mut service = fallback.layer(service_fn(broken));
    let mut call = spawn(service.call(Ask::answer()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(seen.load(SeqCst), 11, "its place was still taken");
    assert_eq!(fallback.snapshot().running, 0);
}

/// A future that holds something until it is dropped, also after it has answered.
struct Holding(Arc<AtomicBool>, bool);

impl Future for Holding {
    type Output = Result<u32, BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let result = if self.1 { Ok(1) } else { Err("down".into()) };
        Poll::Ready(result)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

#[tokio::test]
async fn what_a_call_holds_is_gone_before_it_is_judged_and_backed() {
    let held = Arc::new(AtomicBool::new(true));
    let (first, second, judged, backed) = (held.clone(), held.clone(), held.clone(), held.clone());
    let fallback = Fallback::async_function(move |_: Result<u32, BoxError>| {
        assert!(
            !backed.swap(true, SeqCst),
            "the call's future is still there"
        );
        Holding(Arc::clone(&second), true)
    })
    .classify(move |result: Result<&u32, &BoxError>| {
        assert!(!judged.load(SeqCst), "what is judged is still there");
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    })
    .build()
    .unwrap();
    let mut service = fallback.layer(service_fn(move |()| Holding(Arc::clone(&first), false)));
    assert_eq!(service.call(()).await.unwrap(), 1);
    assert_eq!(counts(&fallback), [1, 0, 0, 0, 0, 0]);
    assert!(!held.load(SeqCst));
}

#[tokio::test]
async fn a_panic_in_the_call_itself_travels_on_and_is_not_backed() {
    let fallback = Fallback::value(1).build().unwrap();
    let mut service = fallback.layer(Strict::<BoxError>::new().0);
    let words = panic_of(|| send(&mut service, Ask::panic_in_call()));
    assert_eq!(words, "the mock panics in call");
    let mut call = spawn(send(&mut service, Ask::panic_in_poll().after(1)));
    assert_pending!(call.poll());
    assert_eq!(panic_of(|| call.poll()), "the mock panics in poll");
    drop(call);
    assert_eq!(counts(&fallback), [0; 6]);
}

/// Polls once, to a panic; the future lives on, and its place does not.
fn panics_in_backup<B, C>(builder: Builder<B, C>, words: &str)
where
    B: Backup<Ask, u32, BoxError>,
    C: buttress::Classify<u32, BoxError>,
{
    let fallback = builder.max_concurrent(1).build().unwrap();
    let mut service = fallback.layer(Strict::<BoxError>::new().0);
    for round in 1..=2 {
        let mut call = spawn(send(&mut service, Ask::fail()));
        assert_eq!(panic_of(|| call.poll()), words);
        assert_eq!(counts(&fallback), [0, round, 0, 0, 0, 0], "{words}");
        drop(call);
        assert_eq!(counts(&fallback), [0, round, 0, 0, 0, 0], "told once");
    }
}

#[tokio::test]
async fn a_panic_in_the_backup_is_its_failure_and_travels_on() {
    type Failed = Result<u32, BoxError>;
    panics_in_backup(
        Fallback::function(|_: Failed| -> Failed { panic!("function") }),
        "function",
    );
    panics_in_backup(
        Fallback::async_function(|_: Failed| -> Ready<Failed> { panic!("no future") }),
        "no future",
    );
    panics_in_backup(
        Fallback::async_function(|_: Failed| async { panic!("future") }),
        "future",
    );
    let standby = || Fallback::service(Strict::<BoxError>::new().0);
    panics_in_backup(
        standby().replay(asking(Ask::panic_in_call)),
        "the mock panics in call",
    );
    panics_in_backup(
        standby().replay(asking(Ask::panic_in_poll)),
        "the mock panics in poll",
    );
    panics_in_backup(
        standby().replay(asking(|| panic!("no request"))),
        "no request",
    );
}

#[tokio::test]
async fn a_panic_while_the_request_is_kept_travels_on() {
    let (strict, watch) = Strict::<BoxError>::new();
    let fallback = Fallback::function_of(
        |_: &Ask| -> u32 { panic!("cannot keep it") },
        |_, failed: Result<u32, BoxError>| failed,
    )
    .build()
    .unwrap();
    let mut service = fallback.layer(strict);
    assert_eq!(
        panic_of(|| send(&mut service, Ask::answer())),
        "cannot keep it"
    );
    assert_eq!((watch.calls(), counts(&fallback)), (0, [0; 6]));
}

#[tokio::test]
async fn a_panic_of_the_classifier_or_the_mark_leaves_the_backup_abandoned() {
    // At the call's own result there is no backup yet.
    let first = Fallback::async_function(|_: Result<u32, BoxError>| ready(Ok(1)))
        .classify(|_: Result<&u32, &BoxError>| -> Outcome { panic!("judge") })
        .build()
        .unwrap();
    let mut service = first.layer(Strict::<BoxError>::new().0);
    assert_eq!(
        panic_of(|| spawn(send(&mut service, Ask::fail())).poll()),
        "judge"
    );
    assert_eq!(counts(&first), [0; 6]);

    let second = Fallback::async_function(|_: Result<u32, BoxError>| ready(Ok(1)))
        .classify(|result: Result<&u32, &BoxError>| match result {
            Ok(_) => panic!("judge"),
            Err(_) => Outcome::Failure,
        })
        .build()
        .unwrap();
    let mut service = second.layer(Strict::<BoxError>::new().0);
    assert_eq!(
        panic_of(|| spawn(send(&mut service, Ask::fail())).poll()),
        "judge"
    );
    assert_eq!(counts(&second), [0, 0, 0, 0, 1, 0]);

    let marked = Fallback::async_function(|_: Result<u32, BoxError>| ready(Ok(1)))
        .mark(|_: &mut u32| panic!("mark"))
        .build()
        .unwrap();
    let mut service = marked.layer(Strict::<BoxError>::new().0);
    assert_eq!(
        panic_of(|| spawn(send(&mut service, Ask::fail())).poll()),
        "mark"
    );
    assert_eq!(counts(&marked), [0, 0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn a_call_dropped_by_somebody_elses_panic_is_abandoned() {
    let (standby, _) = Strict::<BoxError>::new();
    let fallback = Fallback::service(standby)
        .replay(asking(|| Ask::answer().after(1)))
        .build()
        .unwrap();
    let mut service = fallback.layer(Strict::<BoxError>::new().0);
    panic_of(|| {
        let call = pin!(send(&mut service, Ask::fail()));
        assert_pending!(call.poll(&mut Context::from_waker(Waker::noop())));
        panic!("in the same task");
    });
    assert_eq!(counts(&fallback), [0, 0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn a_call_that_outlives_every_handle_still_ends_and_nothing_is_leaked() {
    let held = Arc::new(());
    let captured = Arc::clone(&held);
    let heard = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&heard);
    let fallback = Fallback::async_function(move |_: Result<u32, BoxError>| {
        let _keep = Arc::clone(&captured);
        async {
            tokio::task::yield_now().await;
            Ok(1)
        }
    })
    .on_event(move |_| {
        told.fetch_add(1, SeqCst);
    })
    .build()
    .unwrap();
    let mut service = fallback.layer(service_fn(broken));
    let (mut ends, mut hangs) = (
        spawn(service.call(Ask::answer())),
        spawn(service.call(Ask::answer())),
    );
    drop((service, fallback));
    assert_pending!(ends.poll());
    assert_pending!(hangs.poll());
    assert_eq!(assert_ready_ok!(ends.poll()), 1);
    drop(ends);
    assert!(Arc::strong_count(&held) > 1);
    drop(hangs);
    assert_eq!(heard.load(SeqCst), 2);
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(Arc::strong_count(&heard), 1, "its listeners are gone, too");
}

#[tokio::test]
async fn polled_after_it_answered_it_says_so() {
    let fallback = Fallback::value(1).build().unwrap();
    let mut service = fallback.layer(service_fn(|ask: Result<u32, BoxError>| ready(ask)));
    for ask in [Ok(2), Err("down".into())] {
        let mut call = spawn(service.call(ask));
        assert_ready_ok!(call.poll());
        assert_eq!(panic_of(|| call.poll()), "polled after it answered");
    }
    let never = Fallback::service(service_fn(|ask: Ask| broken(ask)));
    let fallback = never.replay(|_: &Ask| None::<Ask>).build().unwrap();
    let mut call = spawn(fallback.layer(service_fn(broken)).call(Ask::answer()));
    assert_ready_err!(call.poll());
    assert_eq!(panic_of(|| call.poll()), "polled after it answered");
    let _ = Failed::new();
}
