//! When a hedge is sent, who wins, and what ends a call.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Budget, Deadline, Error, Hedge, Outcome, Reason, Refusal, Rejected,
    hedge::{Builder, Percentile, Withheld},
    replay::Attempt,
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

/// What an attempt does, and after how many milliseconds.
#[derive(Debug, Clone, Copy)]
enum Does {
    Answers,
    Fails,
    /// An inner policy says no.
    IsRefused,
    Hangs,
}
use Does::{Answers, Fails, Hangs, IsRefused};

type Flat = Error<u32>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn every(delay: u64) -> Builder {
    Hedge::builder(ms(delay))
}

/// Runs one call by a script with a line per attempt: the answer, which is the attempt's number, and
/// when it came; and when each attempt was sent.
async fn play(hedge: &Hedge, script: &[(u64, Does)]) -> (Result<u32, Flat>, u64, Vec<u64>) {
    let begun = Instant::now();
    let elapsed = || u64::try_from(begun.elapsed().as_millis()).unwrap();
    let sent = Mutex::new(Vec::new());
    let answer = hedge.call_flat(|attempt| {
        let number = attempt.number();
        sent.lock().unwrap().push(elapsed());
        assert_eq!(sent.lock().unwrap().len(), number as usize);
        let (after, does) = script[number as usize - 1];
        async move {
            // A sleep of no time takes one, too.
            if after > 0 {
                sleep(ms(after)).await;
            }
            match does {
                Answers => Ok(number),
                Fails => Err(Error::Inner(number)),
                IsRefused => Err(Rejected::new("inner", Reason::Full).into()),
                Hangs => std::future::pending().await,
            }
        }
    });
    let answer = answer.await;
    let sent = sent.into_inner().unwrap();
    (answer, elapsed(), sent)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_fast_enough_is_not_hedged() {
    let hedge = every(10).build().unwrap();
    for (after, does) in [
        (0, Answers),
        (9, Answers),
        (0, Fails),
        (9, Fails),
        (9, IsRefused),
    ] {
        let (answer, at, sent) = play(&hedge, &[(after, does)]).await;
        assert_eq!(answer.is_ok(), matches!(does, Answers), "{does:?}");
        // A primary that fails before the delay ends the call: a hedge is no retry.
        assert_eq!((at, sent), (after, vec![0]));
    }
    assert_eq!(hedge.snapshot().hedged, 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_success_wins() {
    for (first, second, winner, at) in [
        ((50, Answers), (5, Answers), 2, 15),
        ((12, Answers), (5, Answers), 1, 12),
        // Both at once: the one that was sent first.
        ((15, Answers), (5, Answers), 1, 15),
        ((0, Hangs), (5, Answers), 2, 15),
        ((12, Answers), (0, Hangs), 1, 12),
        ((10_000, Answers), (0, Answers), 2, 10),
        // One fails, the other is waited for.
        ((12, Fails), (5, Answers), 2, 15),
        ((50, Answers), (5, Fails), 1, 50),
        ((12, IsRefused), (5, Answers), 2, 15),
        // The hedge's refusal does not win over the primary, nor end it.
        ((50, Answers), (0, IsRefused), 1, 50),
    ] {
        let hedge = every(10).build().unwrap();
        let (answer, ended, sent) = play(&hedge, &[first, second]).await;
        assert_eq!(answer, Ok(winner), "{first:?} {second:?}");
        assert_eq!((ended, sent), (at, vec![0, 10]));
        let seen = hedge.snapshot();
        assert_eq!((seen.hedged, seen.won), (1, u64::from(winner == 2)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_only_when_all_that_were_sent_have_failed() {
    let refused = || Err(Rejected::new("inner", Reason::Full).into());
    for (first, second, answer, at) in [
        // The last real result.
        ((12, Fails), (5, Fails), Err(Error::Inner(2)), 15),
        ((50, Fails), (5, Fails), Err(Error::Inner(1)), 50),
        // A refusal of one of our own says nothing, if there is something else to say.
        ((12, Fails), (5, IsRefused), Err(Error::Inner(1)), 15),
        ((50, IsRefused), (5, Fails), Err(Error::Inner(2)), 50),
        ((50, IsRefused), (5, IsRefused), refused(), 50),
    ] {
        let hedge = every(10).build().unwrap();
        let played = play(&hedge, &[first, second]).await;
        assert_eq!(played, (answer, at, vec![0, 10]));
        assert_eq!(hedge.snapshot().won, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn one_more_is_sent_per_further_delay() {
    let hang = (0, Hangs);
    for most in 1..=4 {
        let hedge = every(10).max_hedges(most).build().unwrap();
        let script = [hang, hang, hang, hang, hang];
        let script = &mut script.to_vec();
        script[most as usize] = (7, Answers);
        let (answer, at, sent) = play(&hedge, script).await;
        let due: Vec<u64> = (0..=u64::from(most)).map(|n| 10 * n).collect();
        assert_eq!(answer, Ok(most + 1));
        assert_eq!((at, sent), (10 * u64::from(most) + 7, due));
        assert_eq!(hedge.snapshot().hedged, u64::from(most));
    }
    // No more than that.
    let hedge = every(10).max_hedges(2).build().unwrap();
    let (_, at, sent) = play(&hedge, &[(95, Answers), hang, hang]).await;
    assert_eq!((at, sent), (95, vec![0, 10, 20]));
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_sent_once_an_attempt_has_failed() {
    let hedge = every(10).max_hedges(3).build().unwrap();
    let (answer, at, sent) = play(&hedge, &[(15, Fails), (40, Answers)]).await;
    assert_eq!((answer, at, sent), (Ok(2), 50, vec![0, 10]));
    let (answer, at, sent) = play(&hedge, &[(50, Answers), (3, Fails)]).await;
    assert_eq!((answer, at, sent), (Ok(1), 50, vec![0, 10]));
    let (answer, at, sent) = play(&hedge, &[(50, Answers), (3, IsRefused)]).await;
    assert_eq!((answer, at, sent), (Ok(1), 50, vec![0, 10]));
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_all_are_sent_at_once() {
    let hedge = every(0).max_hedges(2).build().unwrap();
    let script = [(50, Answers), (20, Answers), (30, Answers)];
    let played = play(&hedge, &script).await;
    assert_eq!(played, (Ok(2), 20, vec![0, 0, 0]));
    // Unless the first answers at once.
    let played = play(&hedge, &[(0, Answers)]).await;
    assert_eq!(played, (Ok(1), 0, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_budget_without_anything_left_withholds_hedges_once_per_call() {
    let budget = Budget::builder().ratio(0.0).min_per_sec(0.0).reserve(1);
    let budget = budget.build().unwrap();
    let hedge = every(10).max_hedges(3).budget(budget.clone());
    let hedge = hedge.build().unwrap();
    let hang = (0, Hangs);
    // The only one goes out; the next is refused, and nobody asks again.
    let (_, _, sent) = play(&hedge, &[(500, Answers), hang]).await;
    assert_eq!(sent, [0, 10]);
    let drawn = budget.snapshot();
    assert_eq!((drawn.balance, drawn.drawn, drawn.refused), (0.0, 1, 1));
    let (_, _, sent) = play(&hedge, &[(500, Answers)]).await;
    assert_eq!(sent, [0]);
    assert_eq!(budget.snapshot().refused, 2);
    let seen = hedge.snapshot();
    assert_eq!((seen.hedged, seen.withheld.budget), (1, 2));
    // Without one, all go out.
    let hedge = every(10).max_hedges(3).unbudgeted().build().unwrap();
    assert!(hedge.budget().is_none());
    let (_, _, sent) = play(&hedge, &[(500, Answers), hang, hang, hang]).await;
    assert_eq!(sent, [0, 10, 20, 30]);
}

#[tokio::test(start_paused = true)]
async fn every_call_that_is_answered_deposits() {
    let budget = Budget::builder().ratio(0.1).min_per_sec(0.0).reserve(1);
    let hedge = every(10).budget(budget.build().unwrap()).build().unwrap();
    let slow = [(50, Answers), (90, Answers)];
    assert_eq!(play(&hedge, &slow).await.2.len(), 2);
    for _ in 0..2 {
        // This one and nine others, and none that fails.
        for _ in 0..9 {
            assert_eq!(play(&hedge, &[(0, Answers)]).await.2.len(), 1);
            assert_eq!(play(&hedge, &[(0, Fails)]).await.2.len(), 1);
            assert_eq!(play(&hedge, &[(5, Fails)]).await.2.len(), 1);
        }
        assert_eq!(play(&hedge, &slow).await.2.len(), 2);
    }
    assert_eq!(play(&hedge, &slow).await.2.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_pays_for_no_other() {
    let budget = Budget::builder().ratio(1.0).min_per_sec(0.0).reserve(1);
    let budget = budget.build().unwrap();
    assert!(budget.withdraw());
    let hedge = every(10).budget(budget.clone()).build().unwrap();
    // All hang, and so do those who ask: nothing is added to it.
    for _ in 0..10 {
        let call = play(&hedge, &[(0, Hangs), (0, Hangs)]);
        assert!(tokio::time::timeout(ms(100), call).await.is_err());
    }
    assert_eq!(
        (budget.snapshot().balance, hedge.snapshot().hedged),
        (0.0, 0)
    );
    assert_eq!(play(&hedge, &[(5, Answers)]).await.0.unwrap(), 1);
    assert_eq!(budget.snapshot().balance, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_its_own_is_there_unless_another_is_given() {
    let hedge = every(10).name("mine").build().unwrap();
    let own = hedge.budget().unwrap();
    assert_eq!(own.name(), "mine");
    assert_eq!(own.config(), buttress::budget::Config::default());
    let fork = hedge.fork("other");
    assert_eq!(fork.budget().unwrap().name(), "other");
    assert!(own.withdraw());
    assert_eq!(fork.budget().unwrap().snapshot().drawn, 0);
    let shared = every(10).budget(Budget::default()).build().unwrap();
    assert!(shared.budget().unwrap().withdraw());
    let fork = shared.fork("third");
    assert_eq!(fork.budget().unwrap().snapshot().drawn, 1);
    assert!(
        every(10)
            .unbudgeted()
            .build()
            .unwrap()
            .fork("x")
            .budget()
            .is_none()
    );
}

/// A request with a deadline, and whether it can be sent again.
#[derive(Debug, Clone)]
struct Request {
    until: Option<Deadline>,
    again: bool,
    attempt: u32,
}

impl Request {
    const fn new(until: Option<Deadline>, again: bool) -> Self {
        Self {
            until,
            again,
            attempt: 0,
        }
    }
}

fn replayed(request: &Request) -> Option<Request> {
    request.again.then(|| request.clone())
}

fn until(request: &Request) -> Option<Deadline> {
    request.until
}

fn numbered(request: &mut Request, attempt: Attempt) {
    request.attempt = attempt.number();
}

/// Answers the first attempt after 500 ms, others after 5, with the attempt's number.
async fn slow_at_first(request: Request) -> Result<u32, BoxError> {
    let late = if request.attempt == 1 { 500 } else { 5 };
    sleep(ms(late)).await;
    Ok(request.attempt)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_replayed_and_told_which_attempt_it_is() {
    let hedge = every(10).on_attempt(numbered).build().unwrap();
    let service = hedge.layer(service_fn(slow_at_first));
    let begun = Instant::now();
    let request = Request::new(None, true);
    assert_eq!(service.oneshot(request).await.unwrap(), 2);
    assert_eq!(begun.elapsed(), ms(15));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_replayed_is_sent_once() {
    let hedge = every(10)
        .max_hedges(3)
        .replay(replayed)
        .on_attempt(numbered);
    let hedge = hedge.build().unwrap();
    let service = hedge.layer(service_fn(slow_at_first));
    let request = Request::new(None, false);
    assert_eq!(service.clone().oneshot(request.clone()).await.unwrap(), 1);
    let seen = hedge.snapshot();
    assert_eq!((seen.hedged, seen.withheld.not_replayable), (0, 1));
    assert_eq!(hedge.budget().unwrap().snapshot().drawn, 0);
    let able = Request::new(None, true);
    assert_eq!(service.oneshot(able).await.unwrap(), 2);
}

/// What is kept turns out to be of no use.
#[tokio::test(start_paused = true)]
async fn nor_is_one_whose_second_making_fails() {
    let replay = buttress::replay::Rebuild::new(|_: &Request| Some(()), |(): &()| None);
    for most in [1, 2] {
        let builder = every(10).max_hedges(most).replay(replay);
        let hedge = builder.on_attempt(numbered).build().unwrap();
        let service = hedge.layer(service_fn(slow_at_first));
        let request = Request::new(None, true);
        assert_eq!(service.oneshot(request).await.unwrap(), 1);
        let seen = hedge.snapshot();
        assert_eq!((seen.hedged, seen.withheld.not_replayable), (0, 1));
        assert_eq!(
            hedge.budget().unwrap().snapshot().drawn,
            0,
            "nothing was drawn"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let builder = every(10).max_hedges(5).deadline(until).on_attempt(numbered);
    let hedge = builder.build().unwrap();
    let calls = Arc::new(Mutex::new(0));
    let service = hedge.layer(service_fn(|request: Request| {
        *calls.lock().unwrap() += 1;
        async move {
            sleep(ms(100)).await;
            Ok::<_, BoxError>(request.attempt)
        }
    }));
    let call = |left| {
        let request = Request::new(left, true);
        service.clone().oneshot(request)
    };
    let sent = || std::mem::take(&mut *calls.lock().unwrap());
    let withheld = || hedge.snapshot().withheld.deadline;

    // A hedge does not end a call: that is a timeout's affair.
    assert_eq!(call(Some(Deadline::after(ms(11)))).await.unwrap(), 1);
    assert_eq!((sent(), withheld()), (2, 1));
    // At the very instant it is over.
    assert_eq!(call(Some(Deadline::after(ms(10)))).await.unwrap(), 1);
    assert_eq!((sent(), withheld()), (1, 2));
    // Over before it began: not started.
    for gone in [Deadline::after(ms(0)), Deadline::at(Instant::now() - ms(1))] {
        let error = call(Some(gone)).await.unwrap_err();
        let no = error.rejected().unwrap();
        assert_eq!((no.policy(), no.reason()), ("hedge", Reason::Expired));
        assert!(!no.started());
    }
    assert_eq!((sent(), withheld()), (0, 2));
    call(None).await.unwrap();
    assert_eq!(sent(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_says_what_wins() {
    // Odd answers are failures, and an error of 7 is an answer.
    let judge = |result: Result<&u32, &Flat>| match result {
        Ok(number) if number % 2 == 1 => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(Error::Inner(7)) => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    };
    let hedge = every(10).max_hedges(2).classify(judge).build().unwrap();
    let call = |results: [(u64, Result<u32, Flat>); 3]| {
        hedge.call_flat(move |attempt| {
            let (after, result) = results[attempt.number() as usize - 1].clone();
            async move {
                sleep(ms(after)).await;
                result
            }
        })
    };
    let never = (1_000, Ok(0));
    let (slow, seven) = ((50, Ok(1)), Err(Error::Inner(7)));
    assert_eq!(call([slow.clone(), (5, Ok(4)), never.clone()]).await, Ok(4));
    assert_eq!(call([slow.clone(), (5, Ok(3)), never.clone()]).await, Ok(1));
    assert_eq!(
        call([slow.clone(), (60, Ok(3)), (10, seven.clone())]).await,
        seven
    );
    assert_eq!(call([slow, (45, Ok(3)), (40, Ok(5))]).await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn the_delay_counts_from_the_first_time_that_it_is_pending() {
    let hedge = every(10).build().unwrap();
    let call = |hedge: &Hedge| {
        let call = hedge.call(|attempt| async move {
            if attempt.is_first() {
                std::future::pending::<()>().await;
            }
            Ok::<_, ()>(attempt.number())
        });
        spawn(call)
    };
    let mut late = call(&hedge);
    advance(ms(50)).await;
    assert_pending!(late.poll());
    advance(ms(9)).await;
    assert_pending!(late.poll());
    advance(ms(1)).await;
    assert_eq!(assert_ready_ok!(late.poll()), 2);
    // A percentile has read the clock when the call was made, and counts from there.
    let hedge = Hedge::builder(Percentile::new(0.9, ms(10)))
        .build()
        .unwrap();
    let mut late = call(&hedge);
    advance(ms(50)).await;
    assert_eq!(assert_ready_ok!(late.poll()), 2);
}

#[test]
fn while_the_first_answers_at_once_there_is_no_need_for_a_timer() {
    // Outside a runtime a timer would panic.
    let hedge = every(10).build().unwrap();
    let mut call = spawn(hedge.call(|_| async { Ok::<_, ()>(1) }));
    assert_eq!(assert_ready_ok!(call.poll()), 1);
    let mut service = hedge.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
    let mut call = spawn(service.call(3));
    assert_eq!(assert_ready_ok!(call.poll()), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_within_reach_of_the_end_of_time_is_fine() {
    let hedge = Hedge::builder(Duration::MAX).build().unwrap();
    let (answer, _, sent) = play(&hedge, &[(500, Answers)]).await;
    assert_eq!((answer, sent), (Ok(1), vec![0]));
    assert_eq!(hedge.snapshot().withheld, none_withheld());
}

fn none_withheld() -> Withheld {
    every(1).build().unwrap().snapshot().withheld
}

#[tokio::test(start_paused = true)]
async fn with_call_a_foreign_error_is_an_inner_one() {
    let hedge = every(10).build().unwrap();
    let failed = hedge.call(|_| async { Err::<(), _>("down") }).await;
    assert_eq!(failed, Err(Error::Inner("down")));
}
