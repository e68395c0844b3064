//! A timed call allocates nothing: neither when it is answered at once, nor when it waits, nor (but for
//! the caller's own error) when its time runs out.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

use std::{
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocator::{assert_none, count};
use buttress::{Deadline, Error, Timeout, deadline::CarryDeadline, timeout::Limit};
use tower::{Layer, Service, service_fn};

type Flat = Error<()>;

/// Answers after so many `Pending`s.
struct After(u32);

impl Future for After {
    type Output = Result<u32, Flat>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Poll::Pending
            }
            None => Poll::Ready(Ok(7)),
        }
    }
}

/// One call on the stack, polled until it answers.
fn finish<F: Future>(call: F) -> F::Output {
    let mut call = pin!(call);
    loop {
        if let Poll::Ready(output) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn send<D: CarryDeadline<u32>, L: Limit<u32>>(timeout: &Timeout<D, L>, pendings: u32) -> bool {
    let mut service = timeout.layer(service_fn(After));
    finish(service.call(pendings)).is_ok()
}

#[test]
fn the_counter_counts() {
    let before = count();
    drop(black_box(Box::new(1)));
    assert_eq!(count() - before, 1);
}

#[test]
fn nothing_is_allocated() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _within = runtime.enter();
    let plain = Timeout::builder(Duration::from_secs(60)).build().unwrap();
    let heard = plain.fork("heard");
    let _heard = heard.subscribe(|_| ());
    let deadline = Deadline::after(Duration::from_secs(30));
    let clamped = Timeout::builder(Duration::from_secs(60))
        .deadline(|_: &u32| Some(deadline))
        .by_request(|_: &u32| Some(Duration::from_secs(50)))
        .build()
        .unwrap();
    for pendings in 0..3 {
        assert_none(|| assert!(send(&plain, pendings)));
        assert_none(|| assert!(send(&heard, pendings)));
        assert_none(|| assert!(send(&clamped, pendings)));
        assert_none(|| assert!(finish(plain.call_flat(|| After(pendings))).is_ok()));
        assert_none(|| assert!(finish(plain.call(|| After(pendings))).is_ok()));
    }
    let zero = Timeout::builder(Duration::from_secs(60));
    let zero = zero.by_request(|_: &u32| Some(Duration::ZERO));
    let zero = zero.build().unwrap();
    assert_none(|| assert!(!send(&zero, 1)));
}
