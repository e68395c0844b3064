//! What a whole pipeline costs a call that succeeds at its first attempt: no allocation, and few bytes.
//! And for a hedged call the one box that it is in.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    future::{Future, Ready, ready},
    mem::{size_of, size_of_val},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocator::{allocations, assert_none, now_or_never};
use buttress::{
    Deadline, Error, Fallback, Resilience, deadline::ReadWrite, pipeline::Config, rate_limit,
    replay::Attempt,
};
use support::paused;
use tower::{Layer, Service, service_fn};

type Flat = Error<()>;

/// The five patterns: rate limit, breaker, bulkhead, retry, timeouts.
fn five() -> Config {
    let mut config = Config::standard();
    config.rate_limit = Some(rate_limit::Config::per_second(1_000_000));
    config
}

fn built(config: Config) -> Resilience {
    Resilience::builder().config(config).build().unwrap()
}

/// Answers at its second poll, and wakes nobody: the caller polls again by itself.
struct Second(bool);

impl Future for Second {
    type Output = Result<(), Flat>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.0, true) {
            false => Poll::Pending,
            true => Poll::Ready(Ok(())),
        }
    }
}

fn at_once<T>(_: T) -> Ready<Result<(), Flat>> {
    ready(Ok(()))
}

fn at_second<T>(_: T) -> Second {
    Second(false)
}

/// Polled twice, in place.
fn twice<F: Future>(call: F) -> F::Output {
    let mut call = pin!(call);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(cx).is_pending());
    match call.poll(cx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it answers at its second poll"),
    }
}

fn send<S: Service<R>, R>(service: &mut S, request: R) -> S::Future {
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(cx), Poll::Ready(Ok(()))));
    service.call(request)
}

/// Each pattern alone, all of them, and none.
fn configs() -> Vec<Config> {
    let all = five();
    let mut configs = vec![all.clone(), Config::default(), Config::standard()];
    let mut with = |one: fn(&mut Config, Config)| {
        let mut config = Config::default();
        one(&mut config, all.clone());
        configs.push(config);
    };
    with(|config, all| config.deadline = all.deadline);
    with(|config, all| config.retry = all.retry);
    with(|config, all| config.rate_limit = all.rate_limit);
    with(|config, all| config.breaker = all.breaker);
    with(|config, all| config.bulkhead = all.bulkhead);
    with(|config, all| config.attempt_timeout = all.attempt_timeout);
    configs
}

#[test]
fn a_call_that_is_answered_at_once_allocates_nothing() {
    paused(async {
        for config in configs() {
            let all = built(config);
            let mut service = all.layer(service_fn(at_once));
            assert_none(|| now_or_never(send(&mut service, 7_u32)).unwrap());
            assert_none(|| now_or_never(all.call(|_| ready(Ok::<_, ()>(())))).unwrap());
            assert_none(|| now_or_never(all.call_flat(at_once)).unwrap());
        }
    });
}

/// A pending call takes tokio's timers, which live in its own future.
#[test]
fn nor_does_one_that_is_answered_after_a_while() {
    paused(async {
        for config in configs() {
            let all = built(config);
            let mut service = all.layer(service_fn(at_second));
            assert_none(|| twice(send(&mut service, 7_u32)).unwrap());
            assert_none(|| twice(all.call_flat(at_second)).unwrap());
        }
    });
}

#[test]
fn nor_does_one_that_is_dropped() {
    paused(async {
        let all = built(five());
        let mut service = all.layer(service_fn(at_second));
        assert_none(|| drop(send(&mut service, 7_u32)));
        assert_none(|| {
            let mut call = pin!(send(&mut service, 7_u32));
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(call.as_mut().poll(cx).is_pending());
        });
    });
}

/// While the budget is short a success makes a deposit.
#[test]
fn nor_does_one_that_pays_into_the_budget() {
    paused(async {
        let mut config = five();
        config.budget.ratio = 1e-9;
        let all = built(config);
        let mut failed = tokio_test::task::spawn(all.call(|_| ready(Err::<(), _>(()))));
        assert!(failed.poll().is_pending());
        tokio::time::advance(Duration::from_millis(500)).await;
        let _ = failed.poll();
        assert!(all.snapshot().budget.drawn > 0);
        let mut service = all.layer(service_fn(at_once));
        assert_none(|| now_or_never(send(&mut service, 7_u32)).unwrap());
        assert!(all.snapshot().budget.balance < 30.0);
    });
}

#[test]
fn nor_does_one_with_every_strategy() {
    paused(async {
        type Request = (u32, Option<Deadline>);
        let carried = ReadWrite::new(
            |request: &Request| request.1,
            |request: &mut Request, deadline| request.1 = Some(deadline),
        );
        let all = Resilience::builder()
            .config(five())
            .deadline_in(carried)
            .on_attempt(|request: &mut Request, attempt: Attempt| request.0 = attempt.number())
            .fallback(Fallback::value(()))
            .build()
            .unwrap();
        let mut service = all.layer(service_fn(at_once));
        assert_none(|| now_or_never(send(&mut service, (0, None))).unwrap());
        let mut service = all.layer(service_fn(at_second));
        assert_none(|| twice(send(&mut service, (0, None))).unwrap());
    });
}

/// A refusal is plain data.
#[test]
fn nor_does_one_that_is_refused() {
    paused(async {
        let all = built(five());
        all.order(buttress::breaker::Order::ForceOpen(None));
        let mut service = all.layer(service_fn(at_once));
        assert_none(|| assert!(now_or_never(send(&mut service, 7_u32)).is_err()));
        assert_none(|| assert!(now_or_never(all.call_flat(at_once)).is_err()));
    });
}

#[test]
fn a_hedged_call_takes_one_box() {
    paused(async {
        let mut config = Config::latency_sensitive();
        config.rate_limit = five().rate_limit;
        let all = built(config);
        let mut quick = all.layer(service_fn(at_once));
        let mut later = all.layer(service_fn(at_second));
        let mut both = || {
            now_or_never(send(&mut quick, 7_u32)).unwrap();
            twice(send(&mut later, 7_u32)).unwrap();
        };
        both();
        assert_eq!(allocations(both), 2);
        let call = || now_or_never(all.call_flat(at_once)).unwrap();
        call();
        assert_eq!(allocations(call), 1);
    });
}

/// What the future of a call is made of, beyond the inner one, in bytes, on a machine of 64 bits:
///
/// | part | bytes |
/// |---|---|
/// | the attempt's timer (tokio's 112, a tag) and its tag | 120 + 8 |
/// | how long an attempt may take, and the call | 8 + 16 |
/// | who is told when it takes longer | 16 |
/// | the way back to the policies, and their tickets | 8 + 40 |
/// | how far the attempt is, how far the call | 8 + 8 |
/// | for later attempts: the terms once more | 24 |
/// | a service: refusal, way to the policies, who is told | 32 + 8 + 8 |
/// | the call's deadline, its pause, the number of the attempt | 16 + 8 + 8 |
/// | who sends the attempts | 8 |
///
/// That is 344, and up to 7 to round the inner one's up. While a call waits for its turn, the request takes
/// the place of the inner future, and counts for as much where it is larger.
const MOST: usize = 360;

fn assert_light<const ROOM: usize, R: Clone + Default>() {
    let all = built(five());
    let inner = service_fn(|_: R| {
        let room = [0_u8; ROOM];
        async move {
            ready(()).await;
            std::hint::black_box(&room);
            Ok::<_, Flat>(())
        }
    });
    let mut alone = inner;
    let bare = size_of_val(&alone.call(R::default()));
    let kept = size_of::<R>() + size_of_val(&inner);
    let whole = size_of_val(&all.layer(inner).call(R::default()));
    let beyond = whole - bare.max(size_of::<R>()) - kept;
    println!("{beyond} bytes beyond {bare} of the inner call and {kept} kept");
    assert!(beyond <= MOST, "{beyond} bytes");
}

#[test]
fn its_future_is_little_more_than_the_inner_one() {
    assert_light::<0, ()>();
    assert_light::<0, u64>();
    assert_light::<100, [u64; 4]>();
    assert_light::<1_000, [u64; 4]>();
    assert_light::<1_000, [u64; 32]>();
    assert_light::<0, [u64; 32]>();
}

#[test]
fn a_closure_weighs_no_more() {
    let all = built(five());
    let bare = size_of_val(&ready(Ok::<(), Flat>(())));
    let whole = size_of_val(&all.call_flat(at_once));
    println!("{whole} bytes around {bare}");
    assert!(whole <= bare + MOST, "{whole} over {bare}");
}
