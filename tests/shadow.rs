//! Policies in shadow: they decide and count as ever, and refuse nobody nor make anybody wait.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/policies.rs"]
mod policies;

use std::{
    convert::Infallible,
    future::{Future, pending, ready},
    num::NonZeroU32,
    pin::pin,
    sync::atomic::Ordering::SeqCst,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use buttress::{
    Bulkhead, CircuitBreaker, Deadline, RateLimit, Reason, Refusal,
    breaker::State,
    guard::{Flag, Guard, Now, Policy, Yes},
    rate_limit::Quota,
};
use policies::{Log, Queue, Spy};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn now_or_never<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is ready at once"),
    }
}

fn answers() -> std::future::Ready<Result<u32, Infallible>> {
    ready(Ok(1))
}

/// Opens at the first failure, for a second; one probe.
fn touchy() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().count_window(10).min_calls(1);
    let builder = builder.open_for(SECOND).open_jitter(0.0).probes(1);
    builder.shadow(true).build().unwrap()
}

fn shadow(breaker: &CircuitBreaker, shadow: bool) {
    let mut config = breaker.config();
    config.shadow = shadow;
    breaker.reconfigure(config).unwrap();
}

/// Refused, and would have been refused.
fn turned_away(breaker: &CircuitBreaker) -> (u64, u64) {
    let seen = breaker.snapshot();
    (seen.rejected, seen.would_have_rejected)
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_shows_itself_open_and_lets_all_in() {
    let breaker = touchy();
    assert!(breaker.config().shadow);
    let mut service = breaker.layer(service_fn(|()| async {
        Err::<(), _>(BoxError::from("down"))
    }));
    for _ in 0..3 {
        let error = service.ready().await.unwrap().call(()).await.unwrap_err();
        assert!(error.rejected().is_none());
    }
    breaker.call(answers).await.unwrap();
    breaker.try_acquire().unwrap().failure();
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.generation), (State::Open, 1));
    assert_eq!(
        (seen.calls, seen.failed),
        (1, 1),
        "the others were not judged"
    );
    assert_eq!(turned_away(&breaker), (0, 4));
    assert_eq!(breaker.fork("other").config(), breaker.config());
}

#[tokio::test(start_paused = true)]
async fn a_breaker_in_shadow_probes_and_recovers_like_any_other() {
    let breaker = touchy();
    let mut config = breaker.config();
    config.ramp = Some(10 * SECOND);
    breaker.reconfigure(config).unwrap();
    breaker.try_acquire().unwrap().failure();
    advance(SECOND).await;
    let probe = breaker.try_acquire().unwrap();
    // Its failure would open it again, were it a probe.
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.snapshot().state, State::HalfOpen);
    assert_eq!(turned_away(&breaker), (0, 1));
    probe.success();
    assert!(breaker.snapshot().recovering);
    (0..20).for_each(|_| breaker.try_acquire().unwrap().success());
    // The first, and a tenth of the others.
    assert_eq!(breaker.snapshot().calls, 2);
    assert_eq!(turned_away(&breaker), (0, 19));
}

#[tokio::test(start_paused = true)]
async fn switching_a_breaker_keeps_window_generation_and_calls() {
    let builder = CircuitBreaker::builder().count_window(10).min_calls(4);
    let breaker = builder.open_for(SECOND).build().unwrap();
    breaker.try_acquire().unwrap().failure();
    let running = [(); 2].map(|()| breaker.try_acquire().unwrap());
    shadow(&breaker, true);
    breaker.try_acquire().unwrap().failure();
    let [first, second] = running;
    first.failure();
    shadow(&breaker, false);
    let seen = breaker.snapshot();
    assert_eq!((seen.calls, seen.failed, seen.generation), (3, 3, 0));
    shadow(&breaker, true);
    second.failure();
    let seen = breaker.snapshot();
    assert_eq!(
        (seen.state, seen.calls, seen.generation),
        (State::Open, 4, 1)
    );

    let beside = breaker.try_acquire().unwrap();
    shadow(&breaker, false);
    assert_eq!(breaker.try_acquire().unwrap_err().reason(), Reason::Open);
    beside.failure();
    shadow(&breaker, true);
    drop(breaker.try_acquire().unwrap());
    let last = breaker.snapshot();
    assert_eq!(
        (last.generation, last.since, last.late_results),
        (1, seen.since, 0)
    );
    assert_eq!(last.next_probe_at, seen.next_probe_at);
    assert_eq!(turned_away(&breaker), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_an_order_in_shadow_too() {
    let breaker = touchy();
    breaker.force_open();
    assert_eq!(
        breaker.try_acquire().unwrap_err().reason(),
        Reason::ForcedOpen
    );
    assert!(breaker.policy().check(&Now::lazy()).is_some());

    breaker.force_open_for(SECOND);
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!(
        (refused.reason(), refused.retry_after()),
        (Reason::Open, Some(SECOND))
    );
    assert!(breaker.policy().check(&Now::lazy()).is_some());
    advance(SECOND).await;
    let _probe = breaker.try_acquire().unwrap();
    drop(breaker.try_acquire().unwrap());
    assert_eq!(breaker.snapshot().state, State::HalfOpen);
    assert_eq!(turned_away(&breaker), (2, 1));

    // Its own opening afterwards is not an order any more.
    breaker.reset();
    breaker.try_acquire().unwrap().failure();
    drop(breaker.try_acquire().unwrap());
    assert_eq!(turned_away(&breaker), (2, 2));

    breaker.disable();
    shadow(&breaker, false);
    breaker.try_acquire().unwrap().failure();
    drop(breaker.try_acquire().unwrap());
    assert_eq!(
        turned_away(&breaker),
        (2, 3),
        "disabled, also out of shadow"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_promised_before_the_switch_is_kept() {
    let breaker = touchy();
    shadow(&breaker, false);
    breaker.try_acquire().unwrap().failure();
    let (service, mut handle) = tower_test::mock::pair::<(), ()>();
    let mut service = breaker.layer(service);
    handle.allow(0);
    // Ready though the inner service is not, so its call cannot be made.
    assert!(now_or_never(service.ready()).is_ok());
    shadow(&breaker, true);
    assert!(service.call(()).await.unwrap_err().rejected().is_some());
    assert!(
        spawn(service.ready()).poll().is_pending(),
        "now it is asked"
    );
}

fn one_place() -> Bulkhead {
    Bulkhead::builder(1).shadow(true).build().unwrap()
}

fn one_and_a_queue() -> Bulkhead<Yes> {
    let builder = Bulkhead::builder(1).max_queue(2).max_wait(SECOND);
    builder.shadow(true).build().unwrap()
}

fn shade<Q: Flag>(bulkhead: &Bulkhead<Q>, shadow: bool) {
    let mut config = bulkhead.config();
    config.shadow = shadow;
    bulkhead.reconfigure(config).unwrap();
}

/// In flight, would have been refused, refused.
fn seen<Q: Flag>(bulkhead: &Bulkhead<Q>) -> (u64, u64, u64) {
    let seen = bulkhead.snapshot();
    assert_eq!(seen.queued, 0);
    (seen.in_flight, seen.would_have_rejected, seen.rejected)
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_runs_beside_and_gives_nothing_back() {
    let bulkhead = one_place();
    let mut service = bulkhead.layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let first = service.ready().await.unwrap().call(());
    let mut second = spawn(service.ready().await.unwrap().call(()));
    let third = bulkhead.try_acquire().unwrap();
    let fourth = bulkhead.call(answers);
    assert_eq!(seen(&bulkhead), (1, 3, 0));
    // Dropped in the middle, settled, answered, and dropped before the first poll: none has a place.
    assert_pending!(second.poll());
    drop(second);
    third.success();
    fourth.await.unwrap();
    drop(bulkhead.call(answers));
    assert_eq!(seen(&bulkhead), (1, 4, 0));
    drop(first);
    assert_eq!(seen(&bulkhead), (0, 4, 0));
    let _place = bulkhead.try_acquire().unwrap();
    assert_eq!(seen(&bulkhead), (1, 4, 0), "the one place is there, once");
    shade(&bulkhead, false);
    assert_eq!(bulkhead.try_acquire().unwrap_err().reason(), Reason::Full);
}

#[tokio::test(start_paused = true)]
async fn a_panic_beside_the_places_travels_on_and_takes_none() {
    let bulkhead = one_place();
    let place = bulkhead.try_acquire().unwrap();
    let call = bulkhead.call(|| async {
        assert!(std::hint::black_box(false), "inside");
        Ok::<_, Infallible>(())
    });
    tokio::spawn(call).await.unwrap_err();
    assert_eq!(seen(&bulkhead), (1, 1, 0));
    drop(place);
    assert_eq!(seen(&bulkhead), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_services_own() {
    let bulkhead = one_place();
    let _place = bulkhead.try_acquire().unwrap();
    assert_eq!(bulkhead.policy().check(&Now::lazy()), None);
    let (service, mut handle) = tower_test::mock::pair::<(), ()>();
    let mut service = bulkhead.layer(service);
    handle.allow(0);
    assert!(spawn(service.ready()).poll().is_pending());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_shadow_not_even_past_a_deadline() {
    let bulkhead = one_and_a_queue();
    let _place = bulkhead.acquire().await.unwrap();
    let _beside = [(); 5].map(|()| now_or_never(bulkhead.acquire()).unwrap());
    let over = Deadline::after(Duration::ZERO);
    let late = bulkhead.clone().deadline(move |(): &()| Some(over));
    let _late = now_or_never(late.acquire()).unwrap();
    assert_eq!(seen(&bulkhead), (1, 6, 0));
    let seen = bulkhead.snapshot();
    assert_eq!((seen.waits, seen.expired, seen.timed_out), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_let_in_by_the_switch_and_give_back_what_they_have() {
    let bulkhead = one_and_a_queue();
    shade(&bulkhead, false);
    let place = bulkhead.acquire().await.unwrap();
    let mut first = spawn(bulkhead.acquire());
    let second = bulkhead.acquire();
    assert_pending!(first.poll());
    assert_eq!(bulkhead.snapshot().queued, 2);
    advance(SECOND / 4).await;
    shade(&bulkhead, true);
    assert!(first.is_woken());
    // Also if they look too late.
    advance(SECOND).await;
    let first = assert_ready_ok!(first.poll());
    assert_eq!(seen(&bulkhead), (3, 0, 0));
    assert_eq!(bulkhead.snapshot().waits, 1);
    let beside = now_or_never(bulkhead.acquire()).unwrap();
    // Never polled since.
    drop(second);
    assert_eq!(seen(&bulkhead), (2, 1, 0));
    shade(&bulkhead, false);
    drop((place, beside));
    let mut next = spawn(bulkhead.acquire());
    assert_pending!(next.poll());
    drop(first);
    let _place = assert_ready_ok!(next.poll());
    assert_eq!(seen(&bulkhead), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_beside_the_places_end_in_peace_when_shadow_ends() {
    let bulkhead = one_place();
    let place = bulkhead.try_acquire().unwrap();
    let beside = bulkhead.try_acquire().unwrap();
    shade(&bulkhead, false);
    drop(beside);
    assert!(bulkhead.try_acquire().is_err());
    drop(place);
    let _place = bulkhead.try_acquire().unwrap();
    assert!(bulkhead.try_acquire().is_err());
    assert_eq!(seen(&bulkhead), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_later_policy_refuses_is_not_counted() {
    let (bulkhead, breaker, limit) = (one_place(), touchy(), one_a_second().build().unwrap());
    let _place = bulkhead.try_acquire().unwrap();
    breaker.try_acquire().unwrap().failure();
    limit.try_acquire_n(1).unwrap();
    let last = Spy::new("last", &Log::default());
    let all = (limit.clone(), (breaker.clone(), (bulkhead.clone(), last)));
    let guard = Guard::new(all);
    let observed = || {
        let counts = (bulkhead.snapshot(), breaker.snapshot(), limit.snapshot());
        let (bulkhead, breaker, limit) = counts;
        [
            bulkhead.would_have_rejected,
            breaker.would_have_rejected,
            limit.would_have_rejected,
        ]
    };
    guard.try_acquire().unwrap().success();
    assert_eq!(observed(), [1; 3]);
    guard.policy().1.1.1.sullen.store(true, SeqCst);
    guard.try_acquire().unwrap_err();
    assert_eq!(observed(), [1; 3]);
    assert_eq!(bulkhead.snapshot().in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_another_policy_is_counted_once() {
    let (bulkhead, limit) = (one_place(), one_a_second().build().unwrap());
    let _place = bulkhead.try_acquire().unwrap();
    limit.try_acquire_n(1).unwrap();
    let guard = Guard::new((limit.clone(), (bulkhead.clone(), Queue::new(1, 10))));
    let running = guard.call(answers);
    let waiting = guard.call(answers);
    running.await.unwrap();
    waiting.await.unwrap();
    assert_eq!(bulkhead.snapshot().would_have_rejected, 2);
    assert_eq!(limit.snapshot().would_have_rejected, 2);
}

#[cfg(feature = "keyed")]
#[tokio::test(start_paused = true)]
async fn a_key_whose_calls_run_beside_its_places_is_not_forgotten() {
    use buttress::guard::Template;

    let keys = one_place()
        .per_key::<u32>()
        .max_keys(1)
        .idle_for(SECOND)
        .build()
        .unwrap();
    let placed = keys.for_key(&1).try_acquire().unwrap();
    let beside = keys.for_key(&1).try_acquire().unwrap();
    drop(placed);
    let known = || keys.with(&1, |places| places.snapshot().would_have_rejected);
    advance(10 * SECOND).await;
    // There is no room for it.
    drop(keys.for_key(&2).try_acquire().unwrap());
    assert_eq!(known(), Some(1));
    beside.success();
    advance(10 * SECOND).await;
    drop(keys.for_key(&2).try_acquire().unwrap());
    assert_eq!(known(), None);
    let mut enforcing = keys.template().config();
    enforcing.shadow = false;
    keys.reconfigure_all(enforcing).unwrap();
    let _place = keys.for_key(&2).try_acquire().unwrap();
    keys.for_key(&2).try_acquire().unwrap_err();
}

fn one_a_second() -> buttress::rate_limit::Builder {
    RateLimit::builder(Quota::per_second(NonZeroU32::MIN)).shadow(true)
}

fn dim<Q: Flag>(limit: &RateLimit<Q>, shadow: bool) {
    let mut config = limit.config();
    config.shadow = shadow;
    limit.reconfigure(config).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_the_rate_runs_and_takes_nothing() {
    let limit = one_a_second().cost(|cost: &u32| *cost).build().unwrap();
    let mut service = limit.layer(service_fn(|cost: u32| ready(Ok::<_, BoxError>(cost))));
    for cost in [1, 1, 2, 0] {
        assert_eq!(
            service.ready().await.unwrap().call(cost).await.unwrap(),
            cost
        );
    }
    limit.try_acquire_n(1).unwrap();
    limit.try_acquire_n(u32::MAX).unwrap();
    let seen = limit.snapshot();
    assert_eq!((seen.rejected, seen.would_have_rejected), (0, 4));
    assert_eq!(
        seen.next_at,
        Some(Instant::now() + SECOND),
        "only the first took"
    );
    advance(SECOND).await;
    limit.try_acquire_n(1).unwrap();
    assert_eq!(limit.snapshot().would_have_rejected, 4);

    let plain = one_a_second().build().unwrap();
    plain.call(answers).await.unwrap();
    plain.call(answers).await.unwrap();
    plain.try_acquire().unwrap().failure();
    assert_eq!(plain.snapshot().would_have_rejected, 2);
    assert!(plain.fork("other").config().shadow);
}

#[tokio::test(start_paused = true)]
async fn who_would_have_to_wait_takes_its_turn_and_runs_at_once() {
    let limit = one_a_second().max_wait(2 * SECOND).build().unwrap();
    let begun = Instant::now();
    for _ in 0..2 {
        limit.call(answers).await.unwrap();
    }
    limit.acquire_n(1).await.unwrap();
    let seen = limit.snapshot();
    assert_eq!(seen.next_at, Some(begun + 3 * SECOND), "all three took");
    assert_eq!(
        (seen.waits, seen.waited, seen.would_have_rejected),
        (0, Duration::ZERO, 0)
    );
    // Two seconds are all that any of them would have waited.
    limit.acquire_n(1).await.unwrap();
    limit.acquire().await.unwrap().success();
    let over = limit
        .clone()
        .deadline(|(): &()| Some(Deadline::after(Duration::ZERO)));
    over.acquire().await.unwrap().success();
    let seen = limit.snapshot();
    assert_eq!((seen.rejected, seen.would_have_rejected), (0, 3));
    assert_eq!(seen.next_at, Some(begun + 3 * SECOND));
    assert_eq!(Instant::now(), begun);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_before_it_starts_goes_back_in_shadow_too() {
    let limit = one_a_second().max_wait(SECOND).build().unwrap();
    let begun = Instant::now();
    limit.acquire_n(1).await.unwrap();
    drop(limit.acquire_n(1));
    assert_eq!(limit.snapshot().next_at, Some(begun + SECOND));
    limit.acquire_n(1).await.unwrap();
    drop(limit.acquire_n(1));
    drop(limit.acquire_n(2));
    let seen = limit.snapshot();
    assert_eq!(
        (seen.next_at, seen.would_have_rejected),
        (Some(begun + 2 * SECOND), 0)
    );
}

#[tokio::test(start_paused = true)]
async fn switching_a_limit_keeps_what_was_taken() {
    let limit = one_a_second().max_wait(2 * SECOND).build().unwrap();
    let begun = Instant::now();
    dim(&limit, false);
    limit.acquire_n(1).await.unwrap();
    let reserved = limit.acquire_n(1);
    let mut waits = spawn(limit.acquire_n(1));
    assert_pending!(waits.poll());
    dim(&limit, true);
    assert_eq!(limit.snapshot().next_at, Some(begun + 3 * SECOND));
    limit.acquire_n(1).await.unwrap();
    assert_eq!(limit.snapshot().would_have_rejected, 1);
    assert_pending!(waits.poll(), "it keeps its instant");
    dim(&limit, false);
    assert_eq!(limit.snapshot().next_at, Some(begun + 3 * SECOND));
    assert!(limit.acquire_n(1).await.is_err());
    drop(reserved);
    advance(2 * SECOND + Duration::from_millis(1)).await;
    assert_ready_ok!(waits.poll());
    assert_eq!(limit.snapshot().waits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_given_back_across_a_switch() {
    let limit = one_a_second().max_wait(2 * SECOND).build().unwrap();
    let begun = Instant::now();
    limit.acquire_n(1).await.unwrap();
    let last = limit.acquire_n(1);
    dim(&limit, false);
    assert_eq!(limit.snapshot().next_at, Some(begun + 2 * SECOND));
    drop(last);
    assert_eq!(limit.snapshot().next_at, Some(begun + SECOND));
}

/// Switched to and fro under calls of two threads: every place is there in the end, once.
#[test]
fn no_place_is_lost_or_there_twice_under_switches() {
    const PLACES: u32 = 2;
    for places in [PLACES, 64] {
        let builder = Bulkhead::builder(places).max_queue(4).max_wait(60 * SECOND);
        let bulkhead = builder.build().unwrap();
        let call = |bulkhead: Bulkhead<Yes>| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.unwrap().block_on(async {
                for round in 0..2_000_u32 {
                    let held: Vec<_> = (0..places + 2).map(|_| bulkhead.acquire()).collect();
                    for (at, call) in held.into_iter().enumerate() {
                        // Some are dropped while they wait, or run.
                        let mut call = spawn(call);
                        if round as usize % 3 == at % 3 {
                            continue;
                        }
                        if let Poll::Ready(Ok(permit)) = call.poll() {
                            permit.success();
                        }
                    }
                }
            });
        };
        thread::scope(|scope| {
            let callers = [(); 2].map(|()| {
                let bulkhead = bulkhead.clone();
                scope.spawn(move || call(bulkhead))
            });
            let mut on = false;
            while !callers.iter().all(thread::ScopedJoinHandle::is_finished) {
                on = !on;
                shade(&bulkhead, on);
            }
        });
        shade(&bulkhead, false);
        let seen = bulkhead.snapshot();
        assert_eq!((seen.in_flight, seen.queued), (0, 0));
        let _all: Vec<_> = (0..places)
            .map(|_| now_or_never(bulkhead.acquire()).unwrap())
            .collect();
        let _next = bulkhead.acquire();
        assert_eq!(bulkhead.snapshot().queued, 1);
    }
}
