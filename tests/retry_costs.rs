//! What a retry costs a call that succeeds at its first attempt: no allocation but the replay
//! strategy's own. (And no timer: there is no runtime here, and making one would panic.)
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    future::{Ready, ready},
    mem::size_of_val,
    task::{Context, Waker},
};

use allocator::{allocations, assert_none, now_or_never};
use buttress::{
    Budget, Error, Retry,
    backoff::Backoff,
    replay::{Attempt, Cloned, Numbered},
};
use tower::{Layer, Service, service_fn};

type Flat = Error<()>;

fn answer(fails: bool) -> Ready<Result<(), Flat>> {
    ready(if fails { Err(Error::Inner(())) } else { Ok(()) })
}

fn send<S, R>(service: &mut S, request: R) -> Result<(), Flat>
where
    S: Service<R, Response = (), Error = Flat>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    now_or_never(service.call(request))
}

#[test]
fn a_success_at_the_first_attempt_allocates_nothing() {
    let retry = Retry::builder().build().unwrap();
    let mut service = retry.layer(service_fn(answer));
    assert_none(|| send(&mut service, false).unwrap());
    assert_none(|| now_or_never(retry.call(|_| ready(Ok::<_, ()>(())))).unwrap());
    assert_none(|| now_or_never(retry.call_flat(|_| answer(false))).unwrap());

    let number = |_: &mut bool, _: Attempt| ();
    let numbered: Retry<_, Numbered<Cloned, _>> =
        Retry::builder().on_attempt(number).build().unwrap();
    let mut service = numbered.layer(service_fn(answer));
    assert_none(|| send(&mut service, false).unwrap());
}

#[test]
fn while_the_budget_is_not_full_either() {
    let budget = Budget::builder().ratio(1e-9).build().unwrap();
    assert!(budget.withdraw());
    let retry = Retry::builder().budget(budget.clone()).build().unwrap();
    let mut service = retry.layer(service_fn(answer));
    assert_none(|| send(&mut service, false).unwrap());
    assert!(budget.snapshot().balance < 30.0);
}

#[test]
fn a_failure_that_is_not_repeated_and_one_that_is_at_once() {
    let once = Retry::builder().max_attempts(1).build().unwrap();
    let mut service = once.layer(service_fn(answer));
    assert_none(|| send(&mut service, true).unwrap_err().into_inner().unwrap());

    let retry = Retry::builder()
        .backoff(Backoff::none())
        .unbudgeted()
        .build()
        .unwrap();
    let mut service = retry.layer(service_fn(answer));
    let _ = send(&mut service, true);
    // The place for its timer, once a call.
    assert_eq!(allocations(|| drop(send(&mut service, true))), 1);
}

#[test]
fn its_future_is_little_more_than_the_inner_one() {
    let retry = Retry::builder().build().unwrap();
    for_size::<0>(&retry);
    for_size::<100>(&retry);
    for_size::<1000>(&retry);
}

fn for_size<const N: usize>(retry: &Retry) {
    let inner = service_fn(|()| {
        let room = [0_u8; N];
        async move {
            ready(()).await;
            std::hint::black_box(&room);
            Ok::<_, Flat>(())
        }
    });
    let mut inner_alone = inner;
    let bare = size_of_val(&inner_alone.call(()));
    let whole = size_of_val(&retry.layer(inner).call(()));
    assert!(whole <= bare.max(32) + 64, "{whole} over {bare}");
}
