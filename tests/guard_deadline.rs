//! A deadline ends the wait in a guard: the turn is given up, the call is refused and not started, and
//! nothing is lost. A call that need not wait is let in without a look at it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;
#[path = "support/strict.rs"]
mod strict;

use std::{
    cell::Cell,
    mem::size_of_val,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    CircuitBreaker, Deadline, Error, OnError, Outcome, Reason, Refusal, Rejected,
    deadline::CarryDeadline,
    guard::{Admission, Admit, Guard, Guarded, Now, Policy, Until, Yes},
};
use policies::{Log, Pace, Queue, Spy};
use strict::{Ask, Failed, Strict, make_ready, panic_of, send};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service};

const SECOND: Duration = Duration::from_secs(1);

/// The same deadline for every request that is asked after; counts how often it is asked.
#[derive(Debug, Clone, Copy)]
struct By<'a> {
    deadline: Option<Deadline>,
    asked: &'a Cell<u32>,
}

impl<R: ?Sized> CarryDeadline<R> for By<'_> {
    fn read(&self, _: &R) -> Option<Deadline> {
        self.asked.set(self.asked.get() + 1);
        self.deadline
    }
}

fn is_expired(no: Option<&Rejected>) -> bool {
    let no = no.expect("a refusal");
    assert!(!no.started());
    assert_eq!(no.policy(), "deadline");
    no.reason() == Reason::Expired
}

fn assert_expired<T: std::fmt::Debug>(answer: Poll<Result<T, BoxError>>) {
    assert!(is_expired(assert_ready!(answer).unwrap_err().rejected()));
}

#[tokio::test(start_paused = true)]
async fn one_that_passes_during_the_wait_ends_it() {
    let guard = Guard::new(Queue::new(1, 10));
    let (strict, watch) = Strict::<BoxError>::new();
    let mut patient = guard.layer(strict);
    let asked = Cell::new(0);
    let deadline = Some(Deadline::after(SECOND));
    let by = By {
        deadline,
        asked: &asked,
    };
    let mut service = guard.clone().deadline(by).layer(Strict::new().0);

    let mut running = spawn(send(&mut patient, Ask::answer().after(1)));
    assert_pending!(running.poll());
    let mut hasty = spawn(send(&mut service, Ask::panic_in_call()));
    let mut next = spawn(send(&mut patient, Ask::answer()));
    assert_pending!(hasty.poll());
    assert_pending!(next.poll());
    advance(SECOND - Duration::from_millis(1)).await;
    assert!(!hasty.is_woken());
    assert_pending!(hasty.poll());
    advance(Duration::from_millis(1)).await;
    assert!(hasty.is_woken());
    assert_expired(hasty.poll());
    assert_eq!(guard.policy().free_and_waiting(), (0, 1));
    assert_eq!(asked.get(), 1);

    assert_ready_ok!(running.poll());
    assert_ready_ok!(next.poll());
    drop(hasty);
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    assert_eq!(watch.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_passed_refuses_at_once_a_call_that_would_have_to_wait() {
    let asked = Cell::new(0);
    let deadline = Some(Deadline::at(Instant::now()));
    let by = By {
        deadline,
        asked: &asked,
    };
    let guard = Guard::new(Queue::new(1, 10)).deadline(by);
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    // This one need not wait: nobody looks.
    let mut running = spawn(send(&mut service, Ask::answer().after(1)));
    assert_pending!(running.poll());
    assert_eq!(asked.get(), 0);
    let late = send(&mut service, Ask::panic_in_call());
    assert_eq!(guard.policy().free_and_waiting(), (0, 0), "in `call`");
    assert!(is_expired(late.await.unwrap_err().rejected()));
    assert_eq!(asked.get(), 1);
    assert_ready_ok!(running.poll());
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_later_than_the_turn_changes_nothing() {
    for deadline in [Some(Deadline::after(SECOND)), None] {
        let asked = Cell::new(0);
        let by = By {
            deadline,
            asked: &asked,
        };
        let guard = Guard::new(Queue::new(1, 10)).deadline(by);
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        let mut running = spawn(send(&mut service, Ask::answer().after(1)));
        assert_pending!(running.poll());
        make_ready(&mut service);
        let readied = service.get_ref().number();
        let mut waiting = spawn(service.call(Ask::answer().after(1)));
        assert_pending!(waiting.poll());
        advance(SECOND / 2).await;
        assert_ready_ok!(running.poll());
        assert!(waiting.is_woken());
        assert_pending!(waiting.poll());
        // It runs: its deadline is no longer the guard's business.
        advance(SECOND).await;
        assert_eq!(assert_ready_ok!(waiting.poll()), readied);
        assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_too_late_is_passed_on() {
    let asked = Cell::new(0);
    let deadline = Some(Deadline::after(SECOND));
    let by = By {
        deadline,
        asked: &asked,
    };
    let guard = Guard::new(Queue::new(1, 10));
    let mut patient = guard.layer(Strict::<BoxError>::new().0);
    let mut service = guard.clone().deadline(by).layer(Strict::new().0);
    let mut running = spawn(send(&mut patient, Ask::answer()));
    let mut late = spawn(send(&mut service, Ask::panic_in_call()));
    let mut next = spawn(send(&mut patient, Ask::answer()));
    assert_pending!(late.poll());
    assert_pending!(next.poll());
    assert_ready_ok!(running.poll());
    assert!(late.is_woken(), "it has the turn");
    advance(SECOND).await;
    assert_expired(late.poll());
    assert!(next.is_woken());
    assert_ready_ok!(next.poll());
    assert_eq!(guard.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_leaves_no_trace() {
    for (polls, passes) in [(0, false), (1, false), (2, false), (0, true), (1, true)] {
        let asked = Cell::new(0);
        let deadline = Some(Deadline::after(SECOND));
        let by = By {
            deadline,
            asked: &asked,
        };
        let guard = Guard::new(Queue::new(1, 10)).deadline(by);
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        let running = spawn(send(&mut service, Ask::answer()));
        let mut dropped = spawn(send(&mut service, Ask::panic_in_call()));
        (0..polls).for_each(|_| assert_pending!(dropped.poll()));
        if passes {
            advance(SECOND).await;
        }
        drop(dropped);
        assert_eq!(guard.policy().free_and_waiting(), (0, 0));
        drop(running);
        assert_eq!(guard.policy().free_and_waiting(), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_ends_with_it_and_its_turn_is_the_next_ones() {
    let log = Log::default();
    let asked = Cell::new(0);
    let deadline = Some(Deadline::after(SECOND));
    let by = By {
        deadline,
        asked: &asked,
    };
    let guard = Guard::new(Pace::new(2 * SECOND, &log));
    let hasty = guard.clone().deadline(by);
    let call = || async { Ok::<_, Failed>(()) };
    guard.call(call).await.unwrap();
    let mut late = spawn(hasty.call(call));
    let mut patient = spawn(guard.call(call));
    assert_pending!(late.poll());
    advance(SECOND).await;
    let error: Error<Failed> = assert_ready!(late.poll()).unwrap_err();
    assert!(is_expired(error.rejected()));
    assert_eq!(log.take(), ["pace leave"]);
    drop(late);
    assert!(log.take().is_empty(), "once");
    assert_pending!(patient.poll());
}

/// What the policies of a pair hold for each other goes back as well.
#[tokio::test(start_paused = true)]
async fn in_a_pair_either_wait_ends_with_it_and_a_kept_ticket_goes_back() {
    let asked = Cell::new(0);
    for first_is_full in [true, false] {
        let deadline = Some(Deadline::after(SECOND));
        let by = By {
            deadline,
            asked: &asked,
        };
        let places = |full| Queue::new(if full { 1 } else { 10 }, 10);
        let guard = Guard::new((places(first_is_full), places(!first_is_full))).deadline(by);
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        let running = spawn(send(&mut service, Ask::answer()));
        let mut late = spawn(send(&mut service, Ask::panic_in_call()));
        assert_pending!(late.poll());
        advance(SECOND).await;
        assert_expired(late.poll());
        drop((running, late));
        let (first, second) = guard.policy();
        let free = [first, second].map(Queue::free_and_waiting);
        assert!(free.iter().all(|(free, _)| [1, 10].contains(free)));
        assert!(free.iter().all(|(_, waiting)| *waiting == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_pair_a_policy_may_have_one_of_its_own() {
    let asked = Cell::new(0);
    let log = Log::default();
    let deadline = Some(Deadline::after(SECOND));
    let by = By {
        deadline,
        asked: &asked,
    };
    let queue = Guard::new(Queue::new(1, 10));
    let guard = Guard::new((Spy::new("spy", &log), queue.clone().deadline(by)));
    let mut service = guard.layer(Strict::<BoxError>::new().0);
    let running = spawn(send(&mut service, Ask::answer()));
    let mut late = spawn(send(&mut service, Ask::panic_in_call()));
    assert_pending!(late.poll());
    // The spy's ticket went back when the wait began.
    assert_eq!(log.take_effects(), ["spy admit", "spy admit", "spy cancel"]);
    advance(SECOND).await;
    assert_expired(late.poll());
    drop(running);
    assert_eq!(log.take_effects(), ["spy abandoned"]);
    assert_eq!(queue.policy().free_and_waiting(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_panics_leaves_the_queue() {
    let strategy = |_: &()| -> Option<Deadline> { panic!("no idea") };
    let guard = Guard::new(Queue::new(1, 10)).deadline(strategy);
    let running = guard.call(|| async { Ok::<_, Failed>(()) });
    let second = || guard.call(|| async { Ok::<_, Failed>(()) });
    assert!(panic_of(second).contains("no idea"));
    assert_eq!(guard.policy().free_and_waiting(), (0, 0));
    running.await.unwrap();
}

/// Lets nobody in, and has its own way to say that the time is over.
#[derive(Default)]
struct Shop {
    left: Mutex<Vec<&'static str>>,
    panics: bool,
}

impl Policy for Shop {
    type Ticket = ();
    type Wait = ();
    type Queues = Yes;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }
    fn leave(&self, _: Pin<&mut ()>) {
        self.left.lock().unwrap().push("left");
    }
    fn expire(&self, _: Pin<&mut ()>, _: &Now) -> Rejected {
        self.left.lock().unwrap().push("expired");
        assert!(!self.panics, "the shop panics");
        Rejected::new("shop", Reason::Expired)
    }
    fn cancel(&self, (): ()) {}
    fn settle(&self, (): (), _: Outcome, _: &Now) {}
    fn idle(&self, _: &Now) -> bool {
        true
    }
}

impl<R: ?Sized> Admit<R> for Shop {
    fn admit(&self, _: &Now, _: &R) -> Admission<Self> {
        Admission::Wait(())
    }
    fn poll_wait(
        &self,
        _: Pin<&mut ()>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_say_it_in_its_own_name_and_is_told_once() {
    for panics in [false, true] {
        let by = |_: &()| Some(Deadline::after(SECOND));
        let shop = Shop {
            panics,
            ..Shop::default()
        };
        let guard = Guard::new(shop).deadline(by);
        let mut call = spawn(guard.call(|| async { Ok::<_, Failed>(()) }));
        assert_pending!(call.poll());
        advance(SECOND).await;
        if panics {
            assert!(panic_of(|| call.poll()).contains("the shop panics"));
        } else {
            let error = assert_ready!(call.poll()).unwrap_err();
            assert_eq!(error.rejected().unwrap().policy(), "shop");
        }
        drop(call);
        assert_eq!(*guard.policy().left.lock().unwrap(), ["expired"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_cannot_wait_and_a_guard_without_a_strategy_pay_nothing() {
    fn future_of<G: Layer<Strict>>(guard: &G) -> usize
    where
        G::Service: Service<Ask>,
    {
        let mut service = guard.layer(Strict::<BoxError>::new().0);
        size_of_val(&send(&mut service, Ask::answer()))
    }
    let none = |_: &Ask| None;
    let breaker = || CircuitBreaker::builder().build().unwrap();
    let bounded = breaker().deadline(none);
    assert_eq!(size_of_val(&bounded), size_of::<usize>());
    assert_eq!(future_of(&bounded), future_of(&breaker()));

    let queue = || Guard::new(Queue::new(1, 1));
    let timer = size_of::<tokio::time::Sleep>();
    assert!(future_of(&queue()) < timer, "there is no timer in it");
    assert!(future_of(&queue().deadline(none)) > timer);
}

#[test]
fn a_guard_with_a_strategy_goes_anywhere_and_has_a_name() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    type By = fn(&Ask) -> Option<Deadline>;
    type Patient = Guard<(CircuitBreaker, Queue), OnError, Until<By>>;
    anywhere::<Patient>();
    anywhere::<Guarded<Strict, Patient>>();
    let by: By = |_| None;
    let breaker = CircuitBreaker::builder().build().unwrap();
    let _: Patient = Guard::new((breaker, Queue::new(1, 1))).deadline(by);
}
