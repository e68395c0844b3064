//! What a retry decides: which results it repeats, when, how often, and what it returns. How it treats
//! services stands in `retry_contract.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    cell::{Cell, RefCell},
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Advice, Budget, CircuitBreaker, Classify, Deadline, Error, OnError, Outcome, Reason, Refusal,
    Rejected, Retry,
    backoff::{Backoff, Jitter},
    deadline::NoDeadline,
    replay::{Attempt, Cloned, Rebuild},
    retry::{Builder, Config, Retried},
    telemetry::{Event, EventKind, Stopped},
};
use tokio::time::Instant;
use tokio_test::{assert_ready, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Waits exactly 100, 200, 400 ms.
fn exact() -> Builder {
    let backoff = Backoff::exponential(100 * MILLISECOND).jitter(Jitter::None);
    Retry::builder().backoff(backoff)
}

/// When the attempts of one call were made, in milliseconds, and what came of it. `end` says what
/// attempt number so and so is to answer.
async fn made<C: Classify<u32, Error<&'static str>>>(
    retry: &Retry<C>,
    end: impl Fn(u32) -> Result<u32, &'static str>,
) -> (Vec<u128>, Result<u32, Error<&'static str>>) {
    let begun = Instant::now();
    let times = RefCell::new(Vec::new());
    let answer = retry
        .call(|attempt| {
            times.borrow_mut().push(begun.elapsed().as_millis());
            assert_eq!(attempt.number() as usize, times.borrow().len());
            ready(end(attempt.number()))
        })
        .await;
    (times.into_inner(), answer)
}

/// Fails until attempt number `n`.
fn until(n: u32) -> impl Fn(u32) -> Result<u32, &'static str> {
    move |attempt| {
        if attempt < n {
            Err("down")
        } else {
            Ok(attempt)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn max_attempts_includes_the_first_and_the_last_result_is_returned() {
    let retry = exact().max_attempts(4).build().unwrap();
    assert_eq!(made(&retry, until(1)).await, (vec![0], Ok(1)));
    assert_eq!(made(&retry, until(3)).await, (vec![0, 100, 300], Ok(3)));
    let (times, answer) = made(&retry, |n| {
        Err(["one", "two", "three", "four"][n as usize - 1])
    })
    .await;
    assert_eq!((times.len(), answer), (4, Err(Error::Inner("four"))));
    let seen = retry.snapshot();
    assert_eq!(
        (seen.retries, seen.recovered, seen.out_of_attempts),
        (5, 1, 1)
    );

    let once = exact().max_attempts(1).build().unwrap();
    assert_eq!(
        made(&once, until(2)).await,
        (vec![0], Err(Error::Inner("down")))
    );
}

#[tokio::test(start_paused = true)]
async fn the_defaults_are_three_attempts_and_full_jitter_up_to_the_cap() {
    let retry = Retry::builder().seed(7).build().unwrap();
    assert_eq!(retry.config(), Config::default());
    let mut waits = Vec::new();
    for _ in 0..20 {
        let (times, _) = made(&retry, |_| Err("down")).await;
        waits.extend([times[1], times[2] - times[1]]);
        // So that the budget always has one.
        tokio::time::advance(10 * SECOND).await;
    }
    assert!(
        waits.iter().step_by(2).all(|wait| *wait <= 101),
        "{waits:?}"
    );
    assert!(
        waits.iter().skip(1).step_by(2).all(|wait| *wait <= 201),
        "{waits:?}"
    );
    let mut different = waits.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 10, "every call draws afresh: {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_reproduces_the_jitter_and_two_calls_never_share_it() {
    let waits = async |seed| {
        let retry = Retry::builder().seed(seed).build().unwrap();
        let first = made(&retry, |_| Err("down")).await.0;
        (first, made(&retry, |_| Err("down")).await.0)
    };
    let (one, two) = waits(42).await;
    assert_eq!(waits(42).await, (one.clone(), two.clone()));
    assert_ne!(one, two);
    assert_ne!(waits(43).await.0, one);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_nothing_needs_no_timer() {
    let retry = Retry::builder().backoff(Backoff::none()).build().unwrap();
    // Outside any runtime a timer would panic.
    let answer = std::thread::spawn(move || {
        let mut call = spawn(retry.call(|attempt| ready(until(3)(attempt.number()))));
        assert_ready!(call.poll())
    });
    assert_eq!(answer.join().unwrap(), Ok(3));
}

/// Takes its advice from the error's words.
#[derive(Clone)]
struct Judge;

impl<T> Classify<T, Error<&'static str>> for Judge {
    fn classify(&self, result: Result<&T, &Error<&'static str>>) -> Outcome {
        OnError.classify(result)
    }

    fn advise(&self, result: Result<&T, &Error<&'static str>>) -> Advice {
        match result {
            Err(Error::Inner("soon")) => Advice::RetryAfter(30 * MILLISECOND),
            Err(Error::Inner("late")) => Advice::RetryAfter(10 * SECOND),
            Err(Error::Inner("too late")) => Advice::RetryAfter(10 * SECOND + MILLISECOND),
            Err(Error::Inner("never")) => Advice::Stop,
            result => OnError.advise(result),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_wins_over_the_backoff_and_one_beyond_the_limit_ends_the_call() {
    let retry = exact().classify(Judge).build().unwrap();
    let words = |words: [&'static str; 3]| move |n: u32| Err(words[n as usize - 1]);
    let (times, answer) = made(&retry, words(["soon", "down", "end"])).await;
    assert_eq!(
        (times, answer),
        (vec![0, 30, 230], Err(Error::Inner("end")))
    );
    let (times, _) = made(&retry, words(["late", "soon", "end"])).await;
    assert_eq!(times, [0, 10_000, 10_030]);
    let (times, answer) = made(&retry, words(["down", "too late", "?"])).await;
    assert_eq!(
        (times, answer),
        (vec![0, 100], Err(Error::Inner("too late")))
    );
    assert_eq!(retry.snapshot().hint_too_long, 1);
    let (times, answer) = made(&retry, words(["never", "?", "?"])).await;
    assert_eq!((times, answer), (vec![0], Err(Error::Inner("never"))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_repeated_and_an_error_may_stand() {
    let judge = |result: Result<&u32, &Error<&'static str>>| match result {
        Ok(500..) => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    };
    let retry = exact().classify(judge).build().unwrap();
    assert_eq!(
        made(&retry, |_| Ok(503)).await,
        (vec![0, 100, 300], Ok(503))
    );
    let mistake = Err(Error::Inner("not yours"));
    assert_eq!(made(&retry, |_| Err("not yours")).await, (vec![0], mistake));
}

#[tokio::test(start_paused = true)]
async fn our_own_refusals_are_not_repeated_unless_told_and_then_when_they_say() {
    let made = async |retry: &Retry, no: Rejected| {
        let begun = Instant::now();
        let times = RefCell::new(Vec::new());
        let call = retry.call_flat(|_| {
            times.borrow_mut().push(begun.elapsed().as_millis());
            ready(Err::<(), Error<()>>(no.clone().into()))
        });
        assert!(call.await.unwrap_err().is_rejected());
        times.into_inner()
    };
    let open = Rejected::new("inner", Reason::Open).with_retry_after(3 * SECOND);
    let full = Rejected::new("inner", Reason::Full);
    let shy = exact().build().unwrap();
    assert_eq!(made(&shy, open.clone()).await, [0]);
    assert_eq!(made(&shy, full.clone()).await, [0]);
    // An expired timeout was started, and is worth another attempt.
    assert_eq!(
        made(&shy, Rejected::new("inner", Reason::TimedOut)).await,
        [0, 100, 300]
    );
    assert_eq!(
        shy.snapshot().out_of_attempts,
        1,
        "only the timeout was given up"
    );

    let told = exact().retry_refused(true).build().unwrap();
    assert_eq!(made(&told, open.clone()).await, [0, 3_000, 6_000]);
    assert_eq!(made(&told, full).await, [0, 100, 300]);
    let far = open.with_retry_after(11 * SECOND);
    assert_eq!(made(&told, far).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn patterns_within_patterns_have_one_flat_error() {
    let breaker = CircuitBreaker::builder().count_window(4).build().unwrap();
    let retry = Retry::builder().build().unwrap();
    breaker.force_open();
    let calls = Cell::new(0);
    let answer: Result<(), Error<&str>> = retry
        .call_flat(|_| {
            calls.set(calls.get() + 1);
            breaker.call(|| async { Err("down") })
        })
        .await;
    assert_eq!(
        answer.unwrap_err().rejected().unwrap().reason(),
        Reason::ForcedOpen
    );
    assert_eq!(calls.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_budget_there_is_no_second_attempt_and_no_wait() {
    let budget = Budget::builder().ratio(0.5).min_per_sec(0.0).reserve(1);
    let budget = budget.build().unwrap();
    let retry = exact().budget(budget.clone()).build().unwrap();
    let attempts = async || made(&retry, |_| Err("down")).await.0;
    // The reserve, and then nothing: a call that fails for good pays for no other.
    assert_eq!(attempts().await, [0, 100]);
    assert_eq!(attempts().await, [0]);
    assert_eq!(attempts().await, [0]);
    assert_eq!(retry.snapshot().out_of_budget, 3);
    assert_eq!(retry.snapshot().budget.unwrap().drawn, 1);
    assert_eq!(retry.budget().unwrap().name(), "budget");
    // Two that are answered buy one, also if it is another retry's.
    let other = exact().name("other").budget(budget).build().unwrap();
    assert_eq!(made(&retry, until(1)).await.0, [0]);
    assert_eq!(made(&other, until(1)).await.0, [0]);
    assert_eq!(attempts().await, [0, 100]);
    assert_eq!(attempts().await, [0]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_drawn_when_it_is_sent_and_reserved_while_it_waits() {
    let budget = Budget::builder().ratio(0.0).min_per_sec(0.0).reserve(1);
    let budget = budget.build().unwrap();
    let retry = exact().budget(budget.clone()).build().unwrap();
    // One waits for the last attempt there is; the other is not made to wait in vain.
    let one = retry.call(|attempt| ready(until(2)(attempt.number())));
    let two = retry.call(|attempt| ready(until(2)(attempt.number())));
    let begun = Instant::now();
    let two = async { (two.await, begun.elapsed()) };
    let watch = async {
        tokio::time::sleep(50 * MILLISECOND).await;
        let seen = budget.snapshot();
        assert_eq!((seen.balance, seen.reserved, seen.drawn), (1.0, 1, 0));
        assert!(!budget.withdraw(), "nor is it anybody else's");
    };
    let (one, two, ()) = tokio::join!(one, two, watch);
    assert_eq!(one, Ok(2));
    assert_eq!(two, (Err(Error::Inner("down")), Duration::ZERO));
    assert_eq!(retry.snapshot().out_of_budget, 1);
    let seen = budget.snapshot();
    assert_eq!((seen.balance, seen.reserved, seen.drawn), (0.0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn unbudgeted_means_every_failure_is_repeated() {
    let retry = exact().unbudgeted().build().unwrap();
    for _ in 0..100 {
        assert_eq!(made(&retry, |_| Err("down")).await.0.len(), 3);
    }
    assert!(retry.budget().is_none() && retry.snapshot().budget.is_none());
}

/// A request with all that may travel in one.
#[derive(Debug, Clone, Default)]
struct Request {
    attempt: u32,
    answer_by: Option<Deadline>,
}

/// Fails, and notes what reached it.
fn failing(
    seen: &Arc<Mutex<Vec<u32>>>,
) -> impl Service<Request, Response = (), Error = BoxError> + Clone + use<> {
    let seen = Arc::clone(seen);
    service_fn(move |request: Request| {
        seen.lock().unwrap().push(request.attempt);
        ready(Err("down".into()))
    })
}

#[tokio::test(start_paused = true)]
async fn the_attempts_number_reaches_each_request() {
    let seen = Arc::default();
    let retry = exact()
        .on_attempt(|request: &mut Request, attempt: Attempt| request.attempt = attempt.number())
        .build()
        .unwrap();
    let service = retry.layer(failing(&seen));
    service.oneshot(Request::default()).await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_replayed_is_tried_once_and_telemetry_says_so() {
    let seen = Arc::default();
    let heard = Arc::<Mutex<Vec<Event>>>::default();
    let ear = Arc::clone(&heard);
    let retry = exact()
        .replay(|_: &Request| None)
        .on_event(move |event| ear.lock().unwrap().push(event.clone()))
        .build()
        .unwrap();
    let error = retry.layer(failing(&seen)).oneshot(Request::default());
    assert_eq!(error.await.unwrap_err().to_string(), "down");
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(retry.snapshot().not_replayable, 1);
    let kinds: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|it| it.kind.clone())
        .collect();
    let is_told = |kind: &EventKind| {
        let EventKind::RetriesStopped {
            attempts, reason, ..
        } = kind
        else {
            return false;
        };
        (*attempts, *reason) == (1, Stopped::NotReplayable)
    };
    assert!(matches!(&kinds[..], [kind] if is_told(kind)), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_rebuilt_from_what_was_kept_of_it() {
    let seen = Arc::default();
    let made = Arc::<Mutex<u32>>::default();
    let count = Arc::clone(&made);
    // The second rebuild does not work after all.
    let rebuild = Rebuild::new(
        |request: &Request| Some(request.attempt),
        move |attempt: &u32| {
            *count.lock().unwrap() += 1;
            (*count.lock().unwrap() < 2).then(|| Request {
                attempt: attempt + 10,
                answer_by: None,
            })
        },
    );
    let retry = exact().replay(rebuild).build().unwrap();
    let service = retry.layer(failing(&seen));
    service.oneshot(Request::default()).await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [0, 10]);
    assert_eq!(retry.snapshot().not_replayable, 1);
    let budget = retry.snapshot().budget.unwrap();
    assert_eq!(
        (budget.drawn, budget.reserved),
        (1, 0),
        "nothing is drawn for it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cannot_hold_the_next_wait_ends_the_call_at_once() {
    let seen = Arc::default();
    let carried = |request: &Request| request.answer_by;
    let retry = exact().deadline(carried).build().unwrap();
    let attempts = async |left: Duration| {
        let begun = Instant::now();
        let answer_by = Some(Deadline::after(left));
        let request = Request {
            answer_by,
            ..Request::default()
        };
        let service = retry.layer(failing(&seen));
        service.oneshot(request).await.unwrap_err();
        let made = seen.lock().unwrap().drain(..).count();
        (made, begun.elapsed().as_millis())
    };
    assert_eq!(attempts(SECOND).await, (3, 300));
    assert_eq!(attempts(300 * MILLISECOND).await, (2, 100));
    assert_eq!(attempts(301 * MILLISECOND).await, (3, 300));
    assert_eq!(attempts(100 * MILLISECOND).await, (1, 0));
    assert_eq!(retry.snapshot().out_of_time, 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_is_not_started() {
    let seen = Arc::default();
    let retry = exact()
        .name("late")
        .deadline(|request: &Request| request.answer_by)
        .build()
        .unwrap();
    let request = Request {
        answer_by: Some(Deadline::at(Instant::now())),
        ..Request::default()
    };
    let error = retry
        .layer(failing(&seen))
        .oneshot(request)
        .await
        .unwrap_err();
    let rejected = error.rejected().unwrap();
    assert_eq!(
        (rejected.policy(), rejected.reason()),
        ("late", Reason::Expired)
    );
    assert!(!rejected.started());
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(retry.snapshot().out_of_time, 1);

    let call = retry.call(|_| async { panic!("it is not to be polled") as Result<(), ()> });
    let answer = call.until(Deadline::at(Instant::now())).await;
    assert_eq!(
        answer.unwrap_err().rejected().unwrap().reason(),
        Reason::Expired
    );
    let call = retry.call(|attempt| ready(until(9)(attempt.number())));
    let begun = Instant::now();
    // The later of two does not count.
    let call = call
        .until(Deadline::after(200 * MILLISECOND))
        .until(Deadline::after(SECOND));
    assert_eq!(call.await, Err(Error::Inner("down")));
    assert_eq!(begun.elapsed(), 100 * MILLISECOND);
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_it_runs_and_bad_ones_change_nothing() {
    let retry = exact().max_attempts(2).build().unwrap();
    let tries = Cell::new(0);
    let call = retry.call(|attempt| {
        tries.set(attempt.number());
        ready(Err::<(), _>("down"))
    });
    let change = async {
        tokio::time::sleep(50 * MILLISECOND).await;
        let mut config = retry.config();
        config.max_attempts = 4;
        retry.reconfigure(config).unwrap();
    };
    let _ = tokio::join!(call, change);
    assert_eq!(tries.get(), 4, "also for a call that is under way");

    let before = retry.config();
    let mut bad = before.clone();
    bad.max_attempts = 0;
    let error = retry.reconfigure(bad).unwrap_err();
    assert_eq!(error.violations().len(), 1);
    assert_eq!(retry.config(), before);
}

#[test]
fn every_bad_setting_is_named_at_once() {
    let error = Retry::builder()
        .name("payments")
        .max_attempts(0)
        .backoff(
            Backoff::exponential(SECOND)
                .factor(f64::NAN)
                .cap(MILLISECOND)
                .jitter(Jitter::Around(1.5)),
        )
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "payments: max_attempts = 0: must be 1 or more: it includes the first; \
         backoff.factor = NaN: must be 1 or more, and finite; \
         backoff.cap = 1ms: must be at least the first delay; \
         backoff.jitter = 1.5: must be 0 to 1"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_its_own_budget_or_shares_one_that_was_given() {
    let heard = Arc::<Mutex<Vec<&'static str>>>::default();
    let ear = Arc::clone(&heard);
    let retry = exact()
        .name("one")
        .on_event(move |event| ear.lock().unwrap().push(event.policy))
        .build()
        .unwrap();
    let fork = retry.fork("two");
    assert_eq!((fork.name(), fork.config()), ("two", retry.config()));
    made(&fork, until(2)).await.1.unwrap();
    assert_eq!(fork.snapshot().budget.unwrap().drawn, 1);
    assert_eq!(fork.budget().unwrap().name(), "two");
    assert_eq!(retry.snapshot().budget.unwrap().drawn, 0);
    assert_eq!(retry.snapshot().retries, 0);
    assert_eq!(*heard.lock().unwrap(), ["two"]);

    let given = exact().budget(Budget::default()).build().unwrap();
    made(&given.fork("three"), until(2)).await.1.unwrap();
    assert_eq!(given.snapshot().budget.unwrap().drawn, 1);
}

#[test]
fn values_services_and_futures_can_be_named_and_sent() {
    fn sent<T: Send + Sync + 'static>(_: &T) {}

    struct Shop<S> {
        members: Retried<S>,
        full: Retried<S, Retry<OnError, Cloned, NoDeadline>>,
    }

    let retry = Retry::builder().build().unwrap();
    sent(&retry);
    let inner = service_fn(|(): ()| ready(Ok::<(), BoxError>(())));
    let mut shop = Shop {
        members: retry.layer(inner),
        full: retry.layer(inner),
    };
    sent(&shop.members.clone());
    sent(&shop.members.call(()));
    sent(&shop.full.call(()));
    sent(&retry.call(|_| ready(Ok::<(), ()>(()))));
    assert!(format!("{retry:?} {:?}", shop.full).contains("retry"));
}
