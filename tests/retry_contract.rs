//! What tower asks of a service, and what a retry gives back: readiness of every attempt, drops at
//! every await point, panics.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    cell::Cell,
    future::ready,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use buttress::{
    Budget, Deadline, Outcome, Retry,
    backoff::{Backoff, Jitter},
    deadline::NoDeadline,
    replay::Rebuild,
    retry::Retried,
};
use strict::{Ask, Strict, Watch, make_ready, panic_of, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const PAUSE: Duration = Duration::from_millis(100);
const MILLISECOND: Duration = Duration::from_millis(1);

type Next = Box<dyn Fn(&Ask) -> Option<Ask> + Send + Sync>;
type Asking<D = NoDeadline> = Retry<buttress::OnError, Next, D>;

/// What the attempts after the first are to do, in their order; then they answer.
fn then(asks: impl IntoIterator<Item = Ask>) -> Next {
    let mut asks: Vec<Ask> = asks.into_iter().collect();
    asks.reverse();
    let asks = Mutex::new(asks);
    // Asked once before the first attempt, to keep something.
    let asked = Mutex::new(false);
    Box::new(move |_| {
        let first = !std::mem::replace(&mut *asked.lock().unwrap(), true);
        let next = (!first).then(|| asks.lock().unwrap().pop());
        Some(next.flatten().unwrap_or(Ask::answer()))
    })
}

/// Four attempts, so that the kept request is never the last.
fn retry(next: Next) -> Asking {
    let backoff = Backoff::constant(PAUSE).jitter(Jitter::None);
    let retry = Retry::builder().backoff(backoff).max_attempts(4);
    retry.replay(next).build().unwrap()
}

fn around(next: Next) -> (Retried<Strict, Asking>, Arc<Watch>, Budget) {
    let (strict, watch) = Strict::<BoxError>::new();
    let retry = retry(next);
    let budget = retry.budget().unwrap().clone();
    (retry.layer(strict), watch, budget)
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_made_by_the_ready_instance_and_later_ones_by_one_made_ready() {
    // The mock panics when it is called without readiness.
    let (mut service, watch, _) = around(then([]));
    let first = service.get_ref().number();
    assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), first);
    let spare = send(&mut service, Ask::fail()).await.unwrap();
    assert_ne!(spare, first);
    assert_eq!((watch.calls(), watch.ready_polls()), (3, 3));
    // The clone that made the second attempt is gone, and the first instance still works.
    assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), first);
}

#[tokio::test(start_paused = true)]
async fn a_clone_owns_no_readiness() {
    let (mut service, _, _) = around(then([]));
    make_ready(&mut service);
    let mut clone = service.clone();
    assert!(panic_of(|| clone.call(Ask::answer())).contains("without having been polled ready"));
    assert!(service.call(Ask::answer()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_waits_until_its_service_is_ready() {
    let (mut service, watch, budget) = around(then([]));
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    watch.hold_back();
    advance(PAUSE).await;
    assert_pending!(call.poll());
    assert_eq!((watch.calls(), budget.snapshot().drawn), (1, 0));
    watch.let_go();
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
    assert_eq!((watch.calls(), budget.snapshot().drawn), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_breaks_before_a_later_attempt_ends_the_call_with_its_error() {
    let (mut service, watch, budget) = around(then([]));
    let mut call = spawn(send(&mut service, Ask::fail().after(1)));
    assert_pending!(call.poll());
    watch.break_down();
    assert_pending!(call.poll());
    advance(PAUSE).await;
    assert_ready_err!(call.poll());
    let seen = budget.snapshot();
    assert_eq!((watch.calls(), seen.drawn, seen.reserved), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_readiness_with_the_last_result() {
    let by = Deadline::after(PAUSE + 50 * MILLISECOND);
    let backoff = Backoff::constant(PAUSE).jitter(Jitter::None);
    let retry = Retry::builder()
        .backoff(backoff)
        .replay(then([]))
        .deadline(move |_: &Ask| Some(by))
        .build()
        .unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = retry.layer(strict);
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    watch.hold_back();
    advance(PAUSE + MILLISECOND).await;
    assert_pending!(call.poll());
    advance(50 * MILLISECOND).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert_eq!(error.to_string(), "the mock failed");
    let seen = retry.snapshot();
    assert_eq!((seen.out_of_time, seen.retries), (1, 0));
    let budget = seen.budget.unwrap();
    assert_eq!((budget.drawn, budget.reserved), (0, 0));

    // It has passed while nobody looked: ready is not enough.
    let by = Deadline::after(PAUSE + 50 * MILLISECOND);
    let backoff = Backoff::constant(PAUSE).jitter(Jitter::None);
    let retry = Retry::builder().backoff(backoff).replay(then([]));
    let retry = retry.deadline(move |_: &Ask| Some(by)).build().unwrap();
    watch.let_go();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = retry.layer(strict);
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    advance(2 * PAUSE).await;
    assert_ready_err!(call.poll());
    assert_eq!((watch.calls(), retry.snapshot().out_of_time), (1, 1));
}

/// Every place at which a call can be dropped: unpolled, while an attempt runs, in a pause, while the
/// next is made ready, while that one runs. What was sent was drawn, and nothing else.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_gives_everything_back() {
    for stage in 0..=5 {
        let (mut service, watch, budget) = around(then([Ask::answer().after(1)]));
        let weak = Arc::downgrade(&watch);
        let call = send(&mut service, Ask::fail().after(1));
        let mut call = spawn(call);
        let sent = match stage {
            0 => 0,
            1 => {
                assert_pending!(call.poll());
                0
            }
            _ => {
                assert_pending!(call.poll());
                assert_pending!(call.poll());
                if stage == 3 {
                    watch.hold_back();
                }
                if stage > 2 {
                    advance(PAUSE + MILLISECOND).await;
                    assert_pending!(call.poll());
                }
                if stage == 5 {
                    assert_ready_ok!(call.poll());
                }
                u64::from(stage > 3)
            }
        };
        let reserved = u64::from(stage == 2 || stage == 3);
        assert_eq!(budget.snapshot().reserved, reserved, "stage {stage}");
        drop(call);
        let seen = budget.snapshot();
        assert_eq!((seen.drawn, seen.reserved), (sent, 0), "stage {stage}");
        assert_eq!(watch.calls(), 1 + sent as u32, "stage {stage}");
        assert_eq!(
            watch.dropped(),
            watch.calls(),
            "stage {stage}: an attempt is left"
        );
        watch.let_go();
        assert!(send(&mut service, Ask::answer()).await.is_ok());
        drop((service, watch));
        assert!(weak.upgrade().is_none(), "stage {stage}: a service is left");
    }
}

/// The answer is there, and whoever holds on to the future holds nothing of the budget.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_replayed_after_all_gives_its_reservation_back_with_the_answer() {
    let replay = Rebuild::new(|_: &Ask| Some(()), |(): &()| None);
    let retry = Retry::builder().replay(replay).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = retry.layer(strict);
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    assert_eq!(retry.budget().unwrap().snapshot().reserved, 1);
    advance(20 * PAUSE).await;
    assert_ready_err!(call.poll());
    let seen = retry.snapshot();
    let budget = seen.budget.unwrap();
    assert_eq!((budget.drawn, budget.reserved), (0, 0));
    assert_eq!((watch.calls(), seen.not_replayable), (1, 1));
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_gone_before_the_next_one_is_sent() {
    let (mut service, watch, _) = around(then([Ask::answer().after(1)]));
    let mut call = spawn(send(&mut service, Ask::fail()));
    assert_pending!(call.poll());
    assert_eq!(watch.dropped(), 1);
    advance(PAUSE + MILLISECOND).await;
    assert_pending!(call.poll());
    assert_eq!((watch.calls(), watch.dropped()), (2, 1));
    assert_ready_ok!(call.poll());
    // And the last one is gone before its answer is told.
    assert_eq!(watch.dropped(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_travels_on_and_leaves_nothing_behind() {
    for ask in [Ask::panic_in_poll(), Ask::panic_in_call()] {
        let (mut service, watch, budget) = around(then([ask]));
        let mut call = spawn(send(&mut service, Ask::fail()));
        assert_pending!(call.poll());
        advance(PAUSE + MILLISECOND).await;
        assert!(
            panic_of(|| {
                let _ = call.poll();
            })
            .contains("the mock panics")
        );
        drop(call);
        // It was sent.
        assert_eq!((watch.calls(), budget.snapshot().drawn), (2, 1));
        assert!(send(&mut service, Ask::answer()).await.is_ok());
    }
    let (mut service, _, budget) = around(then([]));
    make_ready(&mut service);
    assert!(panic_of(|| service.call(Ask::panic_in_call())).contains("in call"));
    assert!(send(&mut service, Ask::answer()).await.is_ok());
    assert_eq!(budget.snapshot().drawn, 0);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_leaves_nothing_behind() {
    let panics = Cell::new(true);
    let judge = |_: Result<&u32, &BoxError>| match panics.replace(false) {
        true => panic!("the judge panics"),
        false => Outcome::Success,
    };
    let (strict, watch) = Strict::<BoxError>::new();
    let retry = Retry::builder()
        .classify(judge)
        .replay(then([]))
        .build()
        .unwrap();
    let mut service = retry.layer(strict);
    let mut call = spawn(send(&mut service, Ask::answer()));
    assert!(
        panic_of(|| {
            let _ = call.poll();
        })
        .contains("the judge panics")
    );
    drop(call);
    assert_eq!((watch.calls(), watch.dropped()), (1, 1));
    assert!(send(&mut service, Ask::answer()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn polled_after_its_answer_it_says_so() {
    let (mut service, _, _) = around(then([]));
    let mut call = spawn(send(&mut service, Ask::answer()));
    assert_ready_ok!(call.poll());
    assert!(
        panic_of(|| {
            let _ = call.poll();
        })
        .contains("polled after it answered")
    );
}

/// What a response holds, a connection or a place, the next attempt may need.
#[tokio::test(start_paused = true)]
async fn a_response_that_is_overtaken_is_gone_before_the_next_attempt_is_sent() {
    let earlier = Arc::new(Mutex::new(Weak::new()));
    let busy = |_: Result<&Arc<()>, &BoxError>| Outcome::Failure;
    let backoff = Backoff::constant(PAUSE).jitter(Jitter::None);
    let retry = Retry::builder().backoff(backoff).classify(busy);
    let retry = retry.build().unwrap();
    let service = service_fn(move |()| {
        let response = Arc::new(());
        let before = std::mem::replace(&mut *earlier.lock().unwrap(), Arc::downgrade(&response));
        assert!(
            before.upgrade().is_none(),
            "an earlier response is still there"
        );
        ready(Ok::<_, BoxError>(response))
    });
    let answer = retry.layer(service).oneshot(()).await;
    assert_eq!((answer.is_ok(), retry.snapshot().retries), (true, 2));
}
