//! One policy per key: whose state is whose, who is evicted, and what becomes of those without a place.
#![cfg(feature = "keyed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/watched.rs"]
mod watched;

#[path = "support/strict.rs"]
mod strict;

use std::{
    future::{pending, ready},
    num::NonZeroU32,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use buttress::{
    Bulkhead, CircuitBreaker, Deadline, Error, OnError, Outcome, RateLimit, Reason, Rejected,
    breaker::{Order, State},
    guard::{Guard, Template},
    keyed::{ByCaller, Keyed, Overflow},
    rate_limit::Quota,
};
use strict::{Ask, Strict, make_ready};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use watched::Watched;

const SECOND: Duration = Duration::from_secs(1);

struct Request {
    host: String,
}

fn to(host: &str) -> Request {
    Request { host: host.into() }
}

fn breaker() -> CircuitBreaker {
    let builder = CircuitBreaker::builder().name("hosts").min_calls(2);
    builder.build().unwrap()
}

/// Fails for one host.
async fn answer(request: Request) -> Result<String, BoxError> {
    match request.host.as_str() {
        "bad" => Err("down".into()),
        host => Ok(host.to_owned()),
    }
}

type PerNumber = Guard<Keyed<Watched, u64, ByCaller>>;

/// One of a place for each number.
fn watched(most: u32, overflow: Overflow) -> PerNumber {
    let template = Guard::new(Watched::new(1));
    let builder = template.per_key().max_keys(most).overflow(overflow);
    builder.idle_for(10 * SECOND).build().unwrap()
}

fn end(keys: &PerNumber, key: u64, outcome: Outcome) {
    keys.for_key(&key).try_acquire().unwrap().settle(outcome);
}

fn alive(keys: &PerNumber) -> Vec<u64> {
    keys.snapshot()
        .keys
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

fn lost(keys: &PerNumber) -> u64 {
    keys.template().fates.lost.load(SeqCst)
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_state_of_its_own() {
    let by = |request: &Request| request.host.clone();
    let per_host = breaker().keyed(by).build().unwrap();
    let mut service = per_host.layer(service_fn(answer));
    for _ in 0..2 {
        let call = service.ready().await.unwrap().call(to("bad"));
        assert_eq!(call.await.unwrap_err().to_string(), "down");
    }
    let no = service.ready().await.unwrap().call(to("bad")).await;
    let no = no.unwrap_err().downcast::<Rejected>().unwrap();
    assert_eq!((no.policy(), no.reason()), ("hosts", Reason::Open));
    let good = service.ready().await.unwrap().call(to("good")).await;
    assert_eq!(good.unwrap(), "good");
    assert_eq!(per_host.len(), 2);
    let state = |host: &str| per_host.with(host, |breaker| breaker.snapshot().state);
    assert_eq!(state("bad"), Some(State::Open));
    assert_eq!(state("good"), Some(State::Closed));
    assert_eq!(state("new"), None);
    assert_eq!(per_host.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn borrowed_keys_are_owned_as_one_likes() {
    let builder = breaker().keyed_ref(|request: &Request| request.host.as_str());
    let per_host = builder.keep_as::<Arc<str>>().build().unwrap();
    let mut service = per_host.layer(service_fn(answer));
    for host in ["a", "b", "a"] {
        service.ready().await.unwrap().call(to(host)).await.unwrap();
    }
    let keys = per_host.snapshot().keys;
    let keys: Vec<_> = keys.iter().map(|(key, one)| (&**key, one.calls)).collect();
    assert_eq!(keys, [("a", 2), ("b", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_key_can_be_called_acquired_and_kept() {
    let per_host = breaker().per_key::<String>().build().unwrap();
    let good = per_host.for_key("good");
    assert_eq!(good.call(|| ready(Ok::<_, ()>(1))).await, Ok(1));
    good.acquire().await.unwrap().success();
    good.try_acquire().unwrap().success();
    let flat = good.call_flat(|| ready(Err::<(), Error<&str>>(Error::Inner("down"))));
    assert_eq!(flat.await, Err(Error::Inner("down")));
    let seen = per_host.with("good", Template::snapshot).unwrap();
    assert_eq!((seen.calls, seen.failed), (4, 1));
    assert_eq!(good.policy().unwrap().snapshot(), seen);
    // A policy among others.
    let both = Guard::all((good.clone(), Bulkhead::builder(1).build().unwrap()));
    good.policy().unwrap().order(Order::ForceOpen(None));
    let no = both.try_acquire().unwrap_err();
    assert_eq!(no.reason(), Reason::ForcedOpen);
    let rejected = good.call(|| ready(Ok::<_, ()>(1))).await.unwrap_err();
    assert_eq!(rejected.rejected().unwrap().reason(), Reason::ForcedOpen);
    assert!(per_host.for_key("other").try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_order_reaches_one_key() {
    let per_host = breaker().per_key::<String>().build().unwrap();
    per_host.for_key("a").try_acquire().unwrap().success();
    per_host.for_key("b").try_acquire().unwrap().success();
    let open = |breaker: &buttress::breaker::Breaker| breaker.order(Order::ForceOpen(None));
    assert_eq!(per_host.with("a", open), Some(()));
    assert!(per_host.for_key("a").try_acquire().is_err());
    assert!(per_host.for_key("b").try_acquire().is_ok());
    per_host.with("a", |breaker| breaker.order(Order::Reset));
    assert!(per_host.for_key("a").try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_makes_room_and_no_other() {
    let keys = watched(3, Overflow::Reject);
    let running = keys.for_key(&1).try_acquire().unwrap();
    end(&keys, 2, Outcome::Failure);
    end(&keys, 3, Outcome::Success);
    end(&keys, 4, Outcome::Success);
    assert_eq!(alive(&keys), [1, 2, 4]);
    end(&keys, 5, Outcome::Failure);
    // Nobody is idle any more.
    let no = keys.for_key(&6).try_acquire().unwrap_err();
    assert_eq!((no.policy(), no.reason()), ("watched", Reason::TooManyKeys));
    assert_eq!(no.retry_after(), None);
    assert!(keys.for_key(&6).policy().is_none());
    assert_eq!(alive(&keys), [1, 2, 5]);
    running.success();
    end(&keys, 6, Outcome::Success);
    assert_eq!(alive(&keys), [2, 5, 6]);
    assert_eq!(lost(&keys), 0);
    let seen = keys.snapshot();
    assert_eq!((seen.evicted_for_room, seen.rejected), (3, 2));
    assert_eq!((seen.evicted_unused, seen.evicted_oldest), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn unused_keys_go_when_others_come() {
    let keys = watched(100, Overflow::Share);
    for key in 0..10 {
        end(&keys, key, Outcome::Success);
    }
    end(&keys, 3, Outcome::Failure);
    advance(9 * SECOND).await;
    end(&keys, 7, Outcome::Success);
    // The hand goes round and sees which have been used since.
    for key in 10..15 {
        end(&keys, key, Outcome::Success);
    }
    assert_eq!(keys.len(), 15);
    advance(SECOND).await;
    for key in 15..40 {
        end(&keys, key, Outcome::Success);
    }
    // One is not idle, one was used in the meantime.
    assert_eq!(alive(&keys)[..2], [3, 7]);
    assert_eq!(keys.len(), 2 + 30);
    let seen = keys.snapshot();
    assert_eq!((seen.evicted_unused, seen.evicted_for_room), (8, 0));
    assert_eq!(lost(&keys), 0);
}

#[tokio::test(start_paused = true)]
async fn those_without_a_place_share_one_policy() {
    let keys = watched(1, Overflow::Share);
    let known = keys.for_key(&1).try_acquire().unwrap();
    let first = keys.for_key(&2).try_acquire().unwrap();
    let no = keys.for_key(&3).try_acquire().unwrap_err();
    assert_eq!(no.reason(), Reason::Full, "two and three share a place");
    assert_eq!(keys.snapshot().shared, Some((1, 1, false)));
    first.success();
    let second = keys.for_key(&3).try_acquire().unwrap();
    known.success();
    // There is a place again, while what was shared ends as it began.
    end(&keys, 4, Outcome::Success);
    assert_eq!(keys.snapshot().shared, Some((1, 1, false)));
    second.failure();
    assert_eq!(keys.snapshot().shared, Some((1, 0, true)));
    assert_eq!(keys.snapshot().shared_calls, 3);
    assert_eq!(alive(&keys), [4]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_makes_room_and_its_calls_end_on_what_they_hold() {
    let keys = watched(2, Overflow::EvictOldest);
    let first = keys.for_key(&1).try_acquire().unwrap();
    let held = keys.for_key(&1);
    let second = keys.for_key(&2).try_acquire().unwrap();
    let third = keys.for_key(&3).try_acquire().unwrap();
    assert_eq!(alive(&keys), [2, 3]);
    assert!(held.try_acquire().is_err(), "its old policy is still full");
    // The key's next call knows nothing of it, and drives out the next.
    let again = keys.for_key(&1).try_acquire().unwrap();
    assert_eq!(alive(&keys), [3, 1]);
    assert_eq!(lost(&keys), 0);
    for permit in [first, second, third, again] {
        permit.success();
    }
    let seen = keys.snapshot();
    assert_eq!((seen.evicted_oldest, keys.len()), (2, 2));
    assert!(seen.keys.iter().all(|(_, shown)| *shown == (1, 0, false)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_holds_its_key() {
    let bulkhead = Bulkhead::builder(1).max_queue(1).max_wait(SECOND);
    let bulkhead = bulkhead.build().unwrap();
    let keys = bulkhead.per_key::<u64>().max_keys(1);
    let keys = keys.overflow(Overflow::Reject).build().unwrap();
    let running = keys.for_key(&1).acquire().await.unwrap();
    let mut waits = spawn(keys.for_key(&1).acquire());
    assert_pending!(waits.poll());
    running.success();
    // The place is the waiter's, who has not heard of it.
    assert!(keys.for_key(&2).acquire().await.is_err());
    assert!(waits.is_woken());
    assert_ready_ok!(waits.poll()).success();
    drop(waits);
    assert!(keys.for_key(&2).acquire().await.is_ok());
    // Dropped, refused for want of time: no trace.
    let running = keys.for_key(&2).acquire().await.unwrap();
    let mut dropped = spawn(keys.for_key(&2).acquire());
    assert_pending!(dropped.poll());
    drop(dropped);
    let mut late = spawn(keys.for_key(&2).acquire());
    assert_pending!(late.poll());
    advance(SECOND).await;
    assert_eq!(assert_ready_err!(late.poll()).reason(), Reason::Full);
    drop(late);
    running.success();
    assert!(keys.for_key(&3).acquire().await.is_ok());
    assert_eq!(keys.snapshot().evicted_for_room, 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_of_a_key_as_of_any_other() {
    struct Timed {
        key: u64,
        until: Option<Deadline>,
    }
    let bulkhead = Bulkhead::builder(1).max_queue(9).max_wait(60 * SECOND);
    let bulkhead = bulkhead.build().unwrap();
    let bulkhead = bulkhead.deadline(|timed: &Timed| timed.until);
    let keys = bulkhead.keyed(|timed: &Timed| timed.key).build().unwrap();
    let slow = |_| async { pending::<Result<(), BoxError>>().await };
    let mut service = keys.layer(service_fn(slow));
    let until = Some(Deadline::after(SECOND));
    let call = |key| Timed { key, until };
    let mut running = spawn(service.ready().await.unwrap().call(call(1)));
    assert_pending!(running.poll());
    let mut waits = spawn(service.ready().await.unwrap().call(call(1)));
    assert_pending!(waits.poll());
    let mut other = spawn(service.ready().await.unwrap().call(call(2)));
    assert_pending!(other.poll());
    advance(SECOND).await;
    let no = assert_ready_err!(waits.poll());
    let no = no.downcast::<Rejected>().unwrap();
    assert_eq!(no.reason(), Reason::Expired);
    drop((running, waits, other));
    let idle = |(_, seen): &(u64, buttress::bulkhead::Snapshot)| seen.in_flight == 0;
    assert!(keys.snapshot().keys.iter().all(idle));
}

/// The same through [`for_key`](Guard::for_key), whose calls have no request to read from.
#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_a_key_without_tower() {
    let bulkhead = Bulkhead::builder(1).max_queue(9).max_wait(60 * SECOND);
    let bulkhead = bulkhead.build().unwrap();
    let until = Deadline::after(SECOND);
    let bulkhead = bulkhead.deadline(move |(): &()| Some(until));
    let keys = bulkhead.per_key::<u64>().build().unwrap();
    let running = keys.for_key(&1).acquire().await.unwrap();
    let mut waits = spawn(keys.for_key(&1).acquire());
    assert_pending!(waits.poll());
    advance(SECOND).await;
    assert_eq!(assert_ready_err!(waits.poll()).reason(), Reason::Expired);
    running.success();
    drop(waits);
    assert_eq!(keys.with(&1, Template::snapshot).unwrap().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_in_debt_is_kept_and_one_that_has_paid_is_not() {
    let one = NonZeroU32::MIN;
    let limit = RateLimit::builder(Quota::per_second(one)).build().unwrap();
    let keys = limit.per_key::<u64>().max_keys(2);
    let keys = keys.overflow(Overflow::Reject).build().unwrap();
    assert!(keys.for_key(&1).try_acquire().is_ok());
    assert!(keys.for_key(&1).try_acquire().is_err());
    assert!(keys.for_key(&2).try_acquire().is_ok());
    let no = keys.for_key(&3).try_acquire().unwrap_err();
    assert_eq!(no.reason(), Reason::TooManyKeys);
    advance(SECOND).await;
    assert!(keys.for_key(&3).try_acquire().is_ok());
    assert!(keys.for_key(&4).try_acquire().is_ok());
    assert!(keys.for_key(&3).try_acquire().is_err(), "it is in debt");
}

#[tokio::test(start_paused = true)]
async fn a_pair_per_key_and_keys_in_a_pair() {
    let limit = || {
        let quota = Quota::per_second(NonZeroU32::new(2).unwrap());
        RateLimit::builder(quota).name("rate").build().unwrap()
    };
    let both = Guard::all((limit(), breaker()));
    let pairs = both.per_key::<u64>().build().unwrap();
    assert_eq!(pairs.name(), "keyed");
    for outcome in [Outcome::Failure; 2] {
        pairs.for_key(&1).try_acquire().unwrap().settle(outcome);
    }
    let no = pairs.for_key(&1).try_acquire().unwrap_err();
    assert_eq!(no.policy(), "hosts", "an open breaker answers first");
    for _ in 0..2 {
        pairs.for_key(&2).try_acquire().unwrap().success();
    }
    let no = pairs.for_key(&2).try_acquire().unwrap_err();
    assert_eq!(no.policy(), "rate");
    let (limit_seen, breaker_seen) = pairs.with(&1, Template::snapshot).unwrap();
    assert_eq!(limit_seen.policy, "rate");
    assert_eq!(breaker_seen.state, State::Open);
    let mut config = pairs.template().config();
    config.1.min_calls = 0;
    config.0.burst = 1;
    pairs.reconfigure_all(config.clone()).unwrap_err();
    assert_eq!(pairs.template().config().0.burst, 2, "both or neither");
    config.1.min_calls = 7;
    pairs.reconfigure_all(config.clone()).unwrap();
    assert_eq!(pairs.with(&1, Template::config), Some(config));

    let by = |request: &Request| request.host.clone();
    let per_host = breaker().keyed(by).build().unwrap();
    let all = Guard::all((limit(), per_host.clone()));
    let mut service = all.layer(service_fn(answer));
    for _ in 0..2 {
        let call = service.ready().await.unwrap().call(to("bad"));
        call.await.unwrap_err();
    }
    advance(SECOND).await;
    let no = service.ready().await.unwrap().call(to("bad")).await;
    let no = no.unwrap_err().downcast::<Rejected>().unwrap();
    assert_eq!(no.policy(), "hosts");
    // The refused call gave back what the limit had granted.
    for host in ["a", "b"] {
        service.ready().await.unwrap().call(to(host)).await.unwrap();
    }
    assert_eq!(per_host.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_service_that_was_made_ready_is_the_one_that_is_called() {
    let template = Bulkhead::builder(1).max_queue(1).max_wait(SECOND);
    let keys = template.build().unwrap();
    let keys = keys.keyed(|_: &Ask| 1_u64).build().unwrap();
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = keys.layer(strict);
    make_ready(&mut service);
    let mut first = spawn(service.call(Ask::answer().after(1)));
    assert_pending!(first.poll());
    make_ready(&mut service);
    let mut second = spawn(service.call(Ask::answer()));
    assert_pending!(second.poll());
    assert_eq!(watch.calls(), 1);
    assert_ready_ok!(first.poll());
    assert_ready_ok!(second.poll());
    assert_eq!(watch.calls(), 2);
}

#[test]
fn values_and_futures_go_to_other_threads() {
    fn assert<T: Send + Sync + 'static>(_: &T) {}
    let per_host = breaker().per_key::<String>().build().unwrap();
    assert(&per_host);
    assert(&per_host.for_key("a"));
    assert(&per_host.for_key("a").call(|| ready(Ok::<_, ()>(1))));
    assert(&per_host.for_key("a").acquire());
    let by = |request: &Request| request.host.clone();
    let layered = breaker().keyed(by).build().unwrap().layer(());
    assert(&layered);
    let _: Guard<_, OnError> = per_host;
}
