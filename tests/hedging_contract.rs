//! A hedge keeps tower's contract, and however a call ends, all that it holds goes back.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strict.rs"]
mod strict;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use buttress::{
    Deadline, Hedge, OnError, Outcome,
    hedge::{Builder, Hedged, Percentile},
    replay::Rebuild,
};
use strict::{Ask, Strict, Watch, make_ready, panic_of, poll_ready, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{
    BoxError, Layer, Service, ServiceBuilder,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
    service_fn,
};

const DELAY: Duration = Duration::from_millis(10);

/// Every request is replayed as one that answers at once, unless it says otherwise.
type Replay = fn(&Ask) -> Option<Ask>;

fn hedged(
    setup: impl FnOnce(Builder) -> Builder,
    replay: Replay,
) -> (
    Hedge<OnError, Replay>,
    Hedged<Strict, OnError, Replay>,
    Arc<Watch>,
) {
    let hedge = setup(Hedge::builder(DELAY)).replay(replay).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let service = hedge.layer(strict);
    (hedge, service, watch)
}

fn answers(_: &Ask) -> Option<Ask> {
    Some(Ask::answer())
}

fn hangs(_: &Ask) -> Option<Ask> {
    Some(Ask::answer().after(u32::MAX))
}

fn drawn<C, Y, D>(hedge: &Hedge<C, Y, D>) -> u64 {
    hedge.budget().unwrap().snapshot().drawn
}

const SLOW: Ask = Ask::answer().after(1_000);

#[tokio::test(start_paused = true)]
async fn the_first_attempt_goes_to_the_very_instance_that_was_polled_ready() {
    let (_, mut service, watch) = hedged(|b| b, answers);
    let number = service.get_ref().number();
    for round in 1..=3 {
        assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), number);
        assert_eq!(watch.ready_polls(), round, "asked once, by the caller");
    }
    // A clone owns no readiness.
    make_ready(&mut service);
    let mut clone = service.clone();
    let words = panic_of(|| drop(clone.call(Ask::answer())));
    assert!(words.contains("polled ready"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn hedges_go_to_an_instance_of_their_own_that_is_made_ready_first() {
    let (hedge, mut service, watch) = hedged(|b| b.max_hedges(3), hangs);
    let number = service.get_ref().number();
    let mut call = spawn(send(&mut service, SLOW));
    // The caller's is free for other calls meanwhile.
    assert_eq!(send(&mut service, Ask::answer()).await.unwrap(), number);
    for sent in 1..=3 {
        assert_pending!(call.poll());
        advance(DELAY).await;
        assert_pending!(call.poll());
        assert_eq!((watch.calls(), drawn(&hedge)), (2 + sent, u64::from(sent)));
        assert_eq!(watch.ready_polls(), 2 + sent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_waits_for_its_service_and_is_counted_when_sent() {
    let (hedge, mut service, watch) = hedged(|b| b, answers);
    let number = service.get_ref().number();
    let mut call = spawn(send(&mut service, SLOW));
    watch.hold_back();
    assert_pending!(call.poll());
    advance(DELAY).await;
    assert_pending!(call.poll());
    assert_eq!(
        (watch.ready_polls(), watch.calls(), drawn(&hedge)),
        (2, 1, 0)
    );
    advance(10 * DELAY).await;
    watch.let_go();
    assert!(call.is_woken());
    let winner = assert_ready_ok!(call.poll());
    assert_ne!(winner, number);
    assert_eq!((watch.calls(), drawn(&hedge)), (2, 1));
    assert_eq!(
        watch.dropped(),
        2,
        "the loser is gone before the answer is seen"
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_fails_while_no_other_runs_ends_the_call() {
    let (hedge, mut service, watch) = hedged(|b| b, answers);
    let mut call = spawn(send(&mut service, Ask::fail().after(3)));
    watch.hold_back();
    assert_pending!(call.poll());
    advance(DELAY).await;
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    assert_ready_err!(call.poll());
    assert_eq!((watch.calls(), drawn(&hedge)), (1, 0));
    let seen = hedge.snapshot();
    assert_eq!((seen.hedged, seen.won), (0, 0));
    let (held, _) = (seen.withheld, hedge);
    assert_eq!((held.budget, held.deadline, held.not_replayable), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_become_ready_ends_the_hedge_alone() {
    let (hedge, mut service, watch) = hedged(|b| b.max_hedges(3), answers);
    let mut call = spawn(send(&mut service, Ask::answer().after(5)));
    watch.break_down();
    assert_pending!(call.poll());
    for _ in 0..4 {
        advance(DELAY).await;
        assert_pending!(call.poll());
    }
    assert_eq!(watch.ready_polls(), 2, "it is not asked again");
    assert_ready_ok!(call.poll());
    assert_eq!((watch.calls(), drawn(&hedge)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_service_s_own() {
    let (_, mut service, watch) = hedged(|b| b, answers);
    watch.hold_back();
    assert!(poll_ready(&mut service).is_pending());
    watch.let_go();
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Ok(()))));
    watch.break_down();
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_a_service_becomes_ready_withholds_the_hedge() {
    let end = Deadline::after(2 * DELAY);
    let builder = Hedge::builder(DELAY).replay(answers as Replay);
    let hedge = builder.deadline(move |_: &Ask| Some(end)).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = hedge.layer(strict);
    let mut call = spawn(send(&mut service, SLOW));
    watch.hold_back();
    assert_pending!(call.poll());
    advance(DELAY).await;
    assert_pending!(call.poll());
    advance(DELAY).await;
    watch.let_go();
    assert_pending!(call.poll());
    assert_eq!((watch.calls(), drawn(&hedge)), (1, 0));
    assert_eq!(hedge.snapshot().withheld.deadline, 1);
}

/// Two at a time: what a dropped call holds is seen by who comes next.
fn limited(strict: Strict) -> ConcurrencyLimit<Strict> {
    GlobalConcurrencyLimitLayer::new(2).layer(strict)
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_a_call_gives_back_all_that_it_holds() {
    // Fresh; delayed; due; sent, once and twice; each for several polls. With and without measuring.
    for percentile in [false, true] {
        for polls in 0..=8 {
            for hold_back in [false, true] {
                let builder = match percentile {
                    true => Hedge::builder(Percentile::new(0.9, DELAY)),
                    false => Hedge::builder(DELAY),
                };
                let builder = builder.max_hedges(2).replay(hangs as Replay);
                let hedge = builder.build().unwrap();
                let (strict, watch) = Strict::<BoxError>::new();
                let mut service = hedge.layer(limited(strict));
                let mut call = spawn(send(&mut service, SLOW));
                if hold_back {
                    watch.hold_back();
                }
                for _ in 0..polls {
                    assert_pending!(call.poll());
                    advance(DELAY / 2).await;
                }
                let sent = u64::from(watch.calls()) - 1;
                if polls >= 6 && !hold_back {
                    assert_eq!(sent, 1, "as many as there are permits for");
                }
                drop(call);
                assert_eq!(watch.dropped(), watch.calls());
                assert_eq!(drawn(&hedge), sent);
                let seen = hedge.snapshot();
                assert_eq!((seen.hedged, seen.won), (sent, 0));
                if percentile {
                    assert_eq!((seen.samples, seen.cut_short), (0, 1 + sent));
                }
                // Both permits are there again.
                watch.let_go();
                let mut other = service.clone();
                let both = [
                    send(&mut service, Ask::answer()),
                    send(&mut other, Ask::answer()),
                ];
                for call in both {
                    call.await.unwrap();
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn losers_are_dropped_before_the_answer() {
    for (first, replay) in [
        (SLOW, answers as Replay),
        (Ask::answer().after(2), hangs),
        (Ask::fail().after(2), answers),
    ] {
        let (hedge, mut service, watch) = hedged(|b| b.max_hedges(2), replay);
        let mut call = spawn(send(&mut service, first));
        assert_pending!(call.poll());
        advance(DELAY).await;
        let mut polls = 0;
        while call.poll().is_pending() {
            polls += 1;
            assert!(polls < 5);
        }
        assert_eq!((watch.calls(), watch.dropped()), (2, 2));
        assert_eq!(hedge.snapshot().hedged, 1);
        drop(call);
        assert_eq!(watch.dropped(), 2);
    }
}

/// Once an attempt has failed nothing more is sent, and what that would have taken is gone, though others
/// still run.
#[tokio::test(start_paused = true)]
async fn what_the_next_hedge_would_take_is_gone_when_there_is_none() {
    let kept = std::sync::Arc::new(());
    let weak = std::sync::Arc::downgrade(&kept);
    let replay = Rebuild::new(
        move |_: &Ask| Some(kept.clone()),
        |_: &_| Some(Ask::answer().after(u32::MAX)),
    );
    let builder = Hedge::builder(DELAY).max_hedges(5).replay(replay);
    let hedge = builder.build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = hedge.layer(strict);
    let mut call = spawn(send(&mut service, Ask::fail().after(5)));
    assert_pending!(call.poll());
    advance(DELAY).await;
    assert_pending!(call.poll());
    assert_eq!((hedge.snapshot().hedged, weak.strong_count()), (1, 2));
    // The first fails, the second runs.
    while watch.dropped() == 0 {
        assert_pending!(call.poll());
    }
    assert_eq!((hedge.snapshot().hedged, weak.strong_count()), (1, 1));
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_attempt_travels_on_and_leaves_nothing_behind() {
    let in_poll = |_: &Ask| Some(Ask::panic_in_poll());
    let in_call = |_: &Ask| Some(Ask::panic_in_call());
    for (first, replay) in [
        (Ask::panic_in_poll().after(1), hangs as Replay),
        (Ask::panic_in_poll().after(2), hangs),
        (SLOW, in_poll),
        (SLOW, in_call),
    ] {
        let (hedge, mut service, watch) = hedged(|b| b.max_hedges(2), replay);
        let mut call = spawn(send(&mut service, first));
        assert_pending!(call.poll());
        advance(DELAY).await;
        let words = panic_of(|| while call.poll().is_pending() {});
        assert!(words.contains("the mock panics in"), "{words}");
        drop(call);
        let gone = watch.dropped();
        // A call that panics has no future.
        assert!(gone == watch.calls() || gone + 1 == watch.calls());
        assert_eq!(hedge.snapshot().won, 0);
        assert!(send(&mut service, Ask::answer()).await.is_ok());
    }
    // In the first call, before there is a future of any kind.
    let (_, mut service, watch) = hedged(|b| b, hangs);
    panic_of(|| drop(send(&mut service, Ask::panic_in_call())));
    assert_eq!(watch.calls(), 1);
    assert!(send(&mut service, Ask::answer()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_replay_travels_on_and_nothing_is_drawn() {
    let make = |(): &()| panic!("the replay panics");
    let replay = Rebuild::new(|_: &Ask| Some(()), make);
    let hedge = Hedge::builder(DELAY).replay(replay).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = hedge.layer(strict);
    let mut call = spawn(send(&mut service, SLOW));
    assert_pending!(call.poll());
    advance(DELAY).await;
    let words = panic_of(|| call.poll().is_pending());
    assert!(words.contains("the replay panics"), "{words}");
    drop(call);
    assert_eq!((watch.calls(), watch.dropped(), drawn(&hedge)), (1, 1, 0));
    assert!(send(&mut service, Ask::answer()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_classifier_travels_on_and_leaves_nothing_behind() {
    let judge = |_: Result<&u32, &BoxError>| -> Outcome { panic!("the judge panics") };
    let builder = Hedge::builder(DELAY).classify(judge);
    let hedge = builder.replay(answers as Replay).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = hedge.layer(strict);
    let mut call = spawn(send(&mut service, SLOW));
    assert_pending!(call.poll());
    advance(DELAY).await;
    let words = panic_of(|| call.poll().is_pending());
    assert!(words.contains("the judge panics"), "{words}");
    drop(call);
    assert_eq!((watch.calls(), watch.dropped()), (2, 2));
    // Nor does a call that was not hedged.
    let mut call = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(call.poll());
    let words = panic_of(|| call.poll().is_pending());
    assert!(words.contains("the judge panics"), "{words}");
    drop(call);
    assert_eq!((watch.calls(), watch.dropped()), (3, 3));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled after it answered")]
async fn a_call_that_is_polled_after_its_answer_says_so() {
    let (_, mut service, _) = hedged(|b| b, answers);
    let mut call = spawn(send(&mut service, Ask::answer()));
    assert_ready_ok!(call.poll());
    let _ = call.poll();
}

#[tokio::test(start_paused = true)]
async fn neither_the_service_nor_the_request_is_cloned_for_what_cannot_be_replayed() {
    let clones = Arc::new(AtomicU32::new(0));

    struct Counted(Arc<AtomicU32>);

    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, SeqCst);
            Self(Arc::clone(&self.0))
        }
    }

    let counted = Counted(Arc::clone(&clones));
    let inner = service_fn(move |n: u32| {
        let _ = &counted;
        async move { Ok::<_, BoxError>(n) }
    });
    let never = Rebuild::new(|_: &u32| None::<()>, |(): &()| None);
    let hedge = Hedge::builder(DELAY).replay(never).build().unwrap();
    let mut service = ServiceBuilder::new().layer(hedge).service(inner);
    assert_eq!(service.call(7).await.unwrap(), 7);
    assert_eq!(clones.load(SeqCst), 0);
    let hedge = Hedge::builder(DELAY).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(hedge)
        .service(service.into_inner());
    assert_eq!(service.call(7).await.unwrap(), 7);
    assert_eq!(clones.load(SeqCst), 1);
}
