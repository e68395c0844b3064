//! Several policies in one guard: one `Arc`, one clock reading on each side, one settlement each,
//! and nothing kept that must not be kept.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use buttress::{
    CircuitBreaker, Reason, Refusal,
    breaker::{Builder, State},
    guard::{Guard, Policy},
};
use policies::{Keeping, Log, Pace, Queue, Spy};
use strict::{Ask, Strict, make_ready, panic_of, send};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service};

const SECOND: Duration = Duration::from_secs(1);

/// Opens at the first failure, for a second; one probe.
fn touchy(name: &str) -> Builder {
    CircuitBreaker::builder()
        .name(name)
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND)
        .open_jitter(0.0)
        .probes(1)
}

/// Open, and its time is over: the next call is the probe.
async fn ripe(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
    advance(SECOND).await;
}

fn spies(log: &Log) -> Guard<(Spy, (Spy, Spy))> {
    let [a, b, c] = ["a", "b", "c"].map(|name| Spy::new(name, log));
    Guard::new((a, (b, c)))
}

fn reason<T>(result: Result<T, BoxError>) -> Reason {
    let error = result.err().expect("refused");
    error.rejected().expect("a refusal").reason()
}

#[tokio::test(start_paused = true)]
async fn all_are_checked_before_any_is_asked_and_each_is_settled_once() {
    let log = Log::default();
    let guard = spies(&log);
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    make_ready(&mut service);
    assert_eq!(log.take(), ["a check", "b check", "c check"]);
    let call = service.call(Ask::answer());
    let asked = log.take();
    assert_eq!(asked[..3], ["a check", "b check", "c check"]);
    let admitted: Vec<_> = asked.iter().filter(|it| it.ends_with("admit")).collect();
    assert_eq!(admitted, ["a admit", "b admit", "c admit"]);
    call.await.unwrap();
    assert_eq!(log.take(), ["a success", "b success", "c success"]);

    drop(send(&mut service, Ask::fail()).await);
    assert_eq!(
        log.take_effects()[3..],
        ["a failure", "b failure", "c failure"]
    );
    drop(send(&mut service, Ask::answer()));
    let abandoned = ["a abandoned", "b abandoned", "c abandoned"];
    assert_eq!(log.take_effects()[3..], abandoned);
    panic_of(|| send(&mut service, Ask::panic_in_call()));
    assert_eq!(
        log.take_effects()[3..],
        ["a failure", "b failure", "c failure"]
    );
    guard.try_acquire().unwrap().success();
    assert_eq!(
        log.take_effects()[3..],
        ["a success", "b success", "c success"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_foreseen_goes_to_whoever_refused_and_nobody_is_asked() {
    let log = Log::default();
    let guard = spies(&log);
    let (a, (b, c)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    for (name, spy) in [("a", a), ("b", b), ("c", c)] {
        // Through `poll_ready`, in `call` after a readiness that was honest, and without tower.
        spy.shut.store(true, SeqCst);
        let error = send(&mut service, Ask::answer()).await.unwrap_err();
        assert_eq!(error.rejected().unwrap().policy(), name);
        assert_eq!(log.take_effects(), [format!("{name} refuse")]);
        spy.shut.store(false, SeqCst);
        make_ready(&mut service);
        spy.shut.store(true, SeqCst);
        let error = service.call(Ask::answer()).await.unwrap_err();
        assert_eq!(error.rejected().unwrap().policy(), name);
        assert_eq!(log.take_effects(), [format!("{name} refuse")]);
        assert_eq!(guard.try_acquire().unwrap_err().policy(), name);
        assert_eq!(log.take_effects(), [format!("{name} refuse")]);
        spy.shut.store(false, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_not_foreseen_cancels_what_was_granted_before() {
    let log = Log::default();
    let guard = spies(&log);
    let (a, (b, c)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let told = [
        (a, vec!["a admit"]),
        (b, vec!["a admit", "b admit", "a cancel"]),
        (
            c,
            vec!["a admit", "b admit", "c admit", "b cancel", "a cancel"],
        ),
    ];
    for (spy, expected) in told {
        spy.sullen.store(true, SeqCst);
        assert_eq!(
            reason(send(&mut service, Ask::answer()).await),
            Reason::Full
        );
        assert_eq!(log.take_effects(), expected);
        spy.sullen.store(false, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn breakers_of_one_name_in_one_guard_each_count_their_own_refusals() {
    let breakers = [(); 4].map(|()| touchy("same").build().unwrap());
    let [a, b, c, d] = breakers.clone();
    let guard = Guard::new((a, (b, (c, d))));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    for (n, refusing) in breakers.iter().enumerate() {
        refusing.force_open();
        // Refused by `poll_ready`'s look, by `call`'s, and without tower.
        for _ in 0..n {
            send(&mut service, Ask::answer()).await.unwrap_err();
        }
        refusing.reset();
        make_ready(&mut service);
        refusing.force_open();
        service.call(Ask::answer()).await.unwrap_err();
        guard.try_acquire().unwrap_err();
        refusing.reset();
        let counts = breakers.each_ref().map(|each| each.snapshot().rejected);
        let expected: Vec<_> = (0..4_u64)
            .map(|k| if k > n as u64 { 0 } else { k + 2 })
            .collect();
        assert_eq!(counts[..], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_in_a_pair_and_alone_is_one_state() {
    let alone = touchy("shared").build().unwrap();
    let guard = Guard::new((Spy::new("a", &Log::default()), alone.clone()));
    let mut paired = guard.layer(Strict::<BoxError>::new().0);
    let mut single = alone.layer(Strict::<BoxError>::new().0);
    send(&mut paired, Ask::answer()).await.unwrap();
    send(&mut single, Ask::answer()).await.unwrap();
    assert_eq!(alone.snapshot().calls, 2);
    alone.force_open();
    assert_eq!(
        reason(send(&mut paired, Ask::answer()).await),
        Reason::ForcedOpen
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_answers_before_any_queue() {
    let breaker = touchy("b").build().unwrap();
    let guard = Guard::new((Queue::new(1, 10), breaker.clone()));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    make_ready(&mut service);
    breaker.force_open();
    let refused = [
        service.call(Ask::answer()),
        send(&mut service, Ask::answer()),
    ];
    for call in refused {
        let error = assert_ready_err!(spawn(call).poll());
        assert_eq!(error.rejected().unwrap().reason(), Reason::ForcedOpen);
    }
    assert_eq!(guard.policy().0.arrivals(), 0, "nobody entered the queue");
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn no_probe_is_held_while_a_call_queues() {
    let breaker = touchy("b").build().unwrap();
    let guard = Guard::new((breaker.clone(), Queue::new(1, 10)));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    ripe(&breaker).await;
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    assert_eq!(breaker.snapshot().probes.unwrap().running, 0);

    // Another way to the same dependency gets the probe, and the waiting call its turn.
    let probe = breaker.try_acquire().unwrap();
    drop(running);
    assert!(waiting.is_woken());
    let refused = assert_ready_err!(waiting.poll());
    assert_eq!(refused.rejected().unwrap().reason(), Reason::HalfOpen);
    assert_eq!(guard.policy().1.free_and_waiting(), (1, 0), "given back");
    probe.success();
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_takes_the_probe_when_its_turn_has_come() {
    let breaker = touchy("b").build().unwrap();
    let guard = Guard::new((breaker.clone(), Queue::new(1, 10)));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    ripe(&breaker).await;
    let mut waiting = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(waiting.poll());
    drop(running);
    assert_pending!(waiting.poll());
    assert_eq!(breaker.snapshot().probes.unwrap().running, 1);
    assert_ready_ok!(waiting.poll());
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_gave_after_a_wait_goes_back_when_a_later_policy_refuses() {
    let log = Log::default();
    let guard = Guard::new((Queue::new(1, 10), Spy::new("b", &log)));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    // It was granted to nobody while the first call waited.
    assert_eq!(log.take_effects(), ["b admit"]);
    let (queue, spy) = guard.policy();
    spy.sullen.store(true, SeqCst);
    drop(running);
    let refused = assert_ready_err!(waiting.poll());
    assert_eq!(refused.rejected().unwrap().policy(), "b");
    assert_eq!(log.take_effects(), ["b abandoned", "b admit"]);
    assert_eq!(queue.free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_pair_within_a_pair_gave_after_a_wait_goes_back_whole() {
    let log = Log::default();
    let [a, b] = ["a", "b"].map(|name| Spy::new(name, &log));
    let guard = Guard::new((a, (b, Queue::new(1, 10))));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    log.take();
    let (a, (_, queue)) = guard.policy();
    a.sullen.store(true, SeqCst);
    drop(running);
    let refused = assert_ready_err!(waiting.poll());
    assert_eq!(refused.rejected().unwrap().policy(), "a");
    let told = [
        "a abandoned",
        "b abandoned",
        "b admit",
        "a admit",
        "b cancel",
    ];
    assert_eq!(log.take_effects(), told);
    assert_eq!(queue.free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_may_be_kept_is_not_asked_for_twice() {
    let log = Log::default();
    let guard = Guard::new((Keeping(Spy::new("a", &log)), Queue::new(1, 10)));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    let dropped = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    assert_eq!(log.take_effects(), ["a admit", "a admit", "a admit"]);
    drop(dropped);
    assert_eq!(log.take_effects(), ["a cancel"]);
    drop(running);
    assert_ready_ok!(waiting.poll());
    assert_eq!(log.take_effects(), ["a abandoned", "a success"]);
}

#[test]
fn several_policies_nest_to_the_right() {
    let log = Log::default();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| Spy::new(name, &log));
    type Nested = (Spy, (Spy, (Spy, Spy)));
    let guard: Guard<Nested> = Guard::all((a, b, c, d));
    guard.try_acquire().unwrap().success();
    let told = log.take_effects();
    assert_eq!(told[..4], ["a admit", "b admit", "c admit", "d admit"]);
}

/// The three of the design: a limiter that waits, a breaker, a bulkhead that queues.
type Three = (Pace, (CircuitBreaker, Queue));

fn three(log: &Log) -> (Guard<Three>, CircuitBreaker) {
    let breaker = touchy("b").build().unwrap();
    let pace = Pace::new(SECOND, log);
    let guard = Guard::new((pace, (breaker.clone(), Queue::new(1, 10))));
    (guard, breaker)
}

#[tokio::test(start_paused = true)]
async fn the_limiters_turn_is_kept_while_the_bulkhead_makes_the_call_wait() {
    let log = Log::default();
    let (guard, breaker) = three(&log);
    let (_, (_, queue)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    // First it waits for its turn, and only then it queues.
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    assert_eq!((queue.arrivals(), queue.free_and_waiting()), (0, (0, 0)));
    advance(SECOND).await;
    assert_pending!(waiting.poll());
    assert_eq!((queue.arrivals(), queue.free_and_waiting()), (1, (0, 1)));
    drop(running);
    assert_ready_ok!(waiting.poll());
    assert!(
        log.take().is_empty(),
        "the turn was neither left nor cancelled"
    );
    assert_eq!(breaker.snapshot().calls, 1);
    assert_eq!(queue.free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_the_bulkheads_queue_gives_its_limiters_turn_back() {
    for granted_at_once in [true, false] {
        let log = Log::default();
        let (guard, breaker) = three(&log);
        let (_, (_, queue)) = guard.policy();
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        let running = send(&mut service, Ask::answer());
        if granted_at_once {
            advance(SECOND).await;
        }
        let mut waiting = spawn(send(&mut service, Ask::answer()));
        assert_pending!(waiting.poll());
        if !granted_at_once {
            advance(SECOND).await;
            assert_pending!(waiting.poll());
        }
        assert_eq!(queue.free_and_waiting(), (0, 1));
        assert!(log.take().is_empty());
        drop(waiting);
        assert_eq!(log.take(), ["pace cancel"]);
        assert_eq!(queue.free_and_waiting(), (0, 0));
        assert_eq!(breaker.snapshot().calls, 0);
        drop(running);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_the_limiters_wait_has_asked_nobody_else() {
    let log = Log::default();
    let (guard, _) = three(&log);
    let (_, (_, queue)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    for polls in 0..=2 {
        let mut waiting = spawn(send(&mut service, Ask::answer()));
        (0..polls).for_each(|_| assert_pending!(waiting.poll()));
        drop(waiting);
        assert_eq!(log.take(), ["pace leave"]);
    }
    assert_eq!(queue.arrivals(), 0);
    drop(running);
    assert_eq!(queue.free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opened_meanwhile_refuses_after_the_wait_and_both_get_theirs_back() {
    let log = Log::default();
    let (guard, breaker) = three(&log);
    let (_, (_, queue)) = guard.policy();
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = send(&mut service, Ask::answer());
    advance(SECOND).await;
    let mut waiting = spawn(send(&mut service, Ask::answer()));
    assert_pending!(waiting.poll());
    breaker.force_open();
    drop(running);
    let refused = assert_ready_err!(waiting.poll());
    assert_eq!(refused.rejected().unwrap().reason(), Reason::ForcedOpen);
    assert_eq!(log.take(), ["pace cancel"]);
    assert_eq!(queue.free_and_waiting(), (1, 0));
    assert_eq!(breaker.snapshot().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_idle_when_both_are() {
    let log = Log::default();
    let guard = spies(&log);
    let now = buttress::guard::Now::lazy();
    assert!(guard.idle(&now));
    let (a, (_, c)) = guard.policy();
    for spy in [a, c] {
        spy.shut.store(true, SeqCst);
        assert!(!guard.idle(&now));
        spy.shut.store(false, SeqCst);
    }
}
