//! A guarded call allocates nothing, whatever becomes of it.
//!
//! (The first one registers its metrics. And somebody's error type may allocate to hold a refusal, as
//! a box does; the one here does not.)
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Waker},
    time::Duration,
};

use allocator::{allocations, assert_none, now_or_never};

use buttress::{
    CircuitBreaker, Error, Fallback, Reason,
    breaker::{Builder, State},
    fallback::Backup,
};
use tower::{Layer, Service, service_fn};

/// The inner service's error, which takes no heap.
#[derive(Debug)]
struct Down;

type Flat = Error<Down>;

fn answer(up: bool) -> Ready<Result<u32, Flat>> {
    ready(if up { Ok(1) } else { Err(Error::Inner(Down)) })
}

/// One guarded call on the stack, from readiness to its end.
fn send<S>(service: &mut S, up: bool) -> Result<u32, Flat>
where
    S: Service<bool, Response = u32, Error = Flat>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    now_or_never(service.call(up))
}

/// All three ways in succeed.
fn succeeds(breaker: &CircuitBreaker) {
    let mut service = breaker.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, true).is_ok()));
    assert_none(|| assert!(now_or_never(breaker.call(|| ready(Ok::<_, Down>(())))).is_ok()));
    assert_none(|| breaker.try_acquire().unwrap().success());
}

/// All three ways in are refused.
fn refuses(breaker: &CircuitBreaker, reason: Reason) {
    let mut service = breaker.layer(service_fn(answer));
    let is = |error: Flat| matches!(&error, Error::Rejected(no) if no.reason() == reason);
    assert_none(|| assert!(is(send(&mut service, true).unwrap_err())));
    assert_none(|| {
        let refused = now_or_never(breaker.call(|| ready(Ok::<(), Down>(()))));
        assert!(is(refused.unwrap_err()));
    });
    assert_none(|| assert_eq!(breaker.try_acquire().unwrap_err().reason(), reason));
}

/// Opens at the first failure.
fn touchy() -> Builder {
    CircuitBreaker::builder().count_window(100).min_calls(1)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
    assert!(allocations(|| drop(black_box([1; 10].repeat(10)))) >= 1);
    assert_eq!(allocations(|| assert_eq!(black_box(1), 1)), 0);
}

#[test]
fn a_success_with_a_count_window() {
    succeeds(&CircuitBreaker::builder().count_window(100).build().unwrap());
}

#[test]
fn a_success_with_a_time_window() {
    succeeds(&CircuitBreaker::builder().build().unwrap());
    // Short enough for the window to move on from call to call.
    let span = Duration::from_micros(10);
    let builder = CircuitBreaker::builder().time_window(span);
    succeeds(&builder.build().unwrap());
}

#[test]
fn a_success_with_a_threshold_for_slow_calls() {
    let builder = CircuitBreaker::builder().slow_call_duration(Duration::from_secs(60));
    succeeds(&builder.build().unwrap());
    let builder = touchy().slow_call_duration(Duration::from_secs(60));
    succeeds(&builder.build().unwrap());
}

#[test]
fn a_slow_call() {
    // Every call is, and none may open it.
    let breaker = touchy()
        .slow_call_duration(Duration::from_nanos(1))
        .build()
        .unwrap();
    breaker.force_closed();
    succeeds(&breaker);
    assert!(breaker.snapshot().slow > 0);
}

#[test]
fn a_failure_below_the_threshold() {
    for builder in [
        CircuitBreaker::builder(),
        CircuitBreaker::builder().count_window(100),
    ] {
        let breaker = builder.failure_ratio(0.75).min_calls(2).build().unwrap();
        let mut service = breaker.layer(service_fn(answer));
        assert_none(|| {
            send(&mut service, true).unwrap();
            send(&mut service, false).unwrap_err();
            let failed = now_or_never(breaker.call(|| ready(Err::<(), _>(Down))));
            failed.unwrap_err();
            breaker.try_acquire().unwrap().success();
        });
        assert_eq!(breaker.snapshot().state, State::Closed);
        assert!(breaker.snapshot().failed > 0);
    }
}

#[test]
fn a_call_that_is_dropped() {
    let breaker = touchy().build().unwrap();
    let mut service = breaker.layer(service_fn(answer));
    assert_none(|| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        drop(service.call(true));
        drop(breaker.try_acquire().unwrap());
    });
}

/// Bar: none beyond what the backup itself keeps of a request, when the first attempt succeeds.
#[test]
fn a_success_with_a_backup_at_hand() {
    fn succeeds<B>(builder: buttress::fallback::Builder<B>)
    where
        B: Backup<bool, u32, Flat> + Backup<(), u32, Flat>,
    {
        let fallback = builder.build().unwrap();
        let mut service = fallback.layer(service_fn(answer));
        assert_none(|| assert!(send(&mut service, true).is_ok()));
        assert_none(|| assert!(now_or_never(fallback.call(|| ready(Ok::<_, Down>(1)))).is_ok()));
        assert_none(|| assert!(now_or_never(fallback.call_flat(|| answer(true))).is_ok()));
        assert_eq!(fallback.snapshot().answered, 0);
    }
    succeeds(Fallback::value(2));
    succeeds(Fallback::function(|_: Result<u32, Flat>| Ok(2)));
    succeeds(Fallback::async_function(|_: Result<u32, Flat>| async {
        Ok(2)
    }));
    let fallback = Fallback::service(service_fn(answer)).build().unwrap();
    let mut service = fallback.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, true).is_ok()));
}

#[test]
fn a_call_answered_by_a_backup() {
    let fallback = Fallback::async_function(|_: Result<u32, Flat>| async { Ok(2) });
    let fallback = fallback.build().unwrap();
    let mut service = fallback.layer(service_fn(answer));
    assert_none(|| assert_eq!(send(&mut service, false).unwrap(), 2));
    assert_eq!(fallback.snapshot().answered, 1001);
}

#[test]
fn a_refusal_while_open() {
    let breaker = touchy().build().unwrap();
    breaker.try_acquire().unwrap().failure();
    refuses(&breaker, Reason::Open);
    breaker.force_open();
    refuses(&breaker, Reason::ForcedOpen);
}

#[test]
fn a_refusal_for_want_of_a_probe() {
    let moment = Duration::from_nanos(1);
    let breaker = touchy().open_for(moment).probes(1).build().unwrap();
    breaker.try_acquire().unwrap().failure();
    let probe = loop {
        // It is open for a nanosecond or two.
        if let Ok(probe) = breaker.try_acquire() {
            break probe;
        }
    };
    refuses(&breaker, Reason::HalfOpen);
    drop(probe);
}

#[test]
fn a_call_that_runs_only_because_the_breaker_is_disabled() {
    let breaker = touchy().build().unwrap();
    breaker.disable();
    breaker.try_acquire().unwrap().failure();
    succeeds(&breaker);
    let mut service = breaker.layer(service_fn(answer));
    assert_none(|| assert!(send(&mut service, false).is_err()));
    assert!(breaker.snapshot().would_have_rejected > 4000);
}

#[test]
fn a_call_of_the_share_while_recovering() {
    let moment = Duration::from_nanos(1);
    let builder = touchy().open_for(moment).probes(1);
    let breaker = builder.ramp(Duration::from_secs(3600)).build().unwrap();
    breaker.try_acquire().unwrap().failure();
    while breaker.try_acquire().map(|probe| probe.success()).is_err() {}
    assert!(breaker.snapshot().recovering);
    let mut service = breaker.layer(service_fn(answer));
    let (mut passed, mut refused) = (0, 0);
    assert_none(|| match send(&mut service, true) {
        Ok(_) => passed += 1,
        Err(_) => refused += 1,
    });
    assert!(passed > 50 && refused > 500, "{passed} and {refused}");
}
