//! What is kept of bodies is let go: at the first byte beyond the cap, and when nobody will ask for it.
#![cfg(feature = "http")]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "support/bodies.rs"]
mod bodies;

use std::{
    pin::Pin,
    task::{Context, Waker},
};

use bodies::{Script, Step};
use buttress::{
    http::{Buffered, ReplayBody},
    replay::{Attempt, Replay},
};
use http::Request;
use http_body::Body;

const CAP: usize = 64 * 1024;
/// What stands around it: heads, locks, the rest of the script.
const SMALL: i64 = 2 * 1024;

type Sending = Request<ReplayBody<Script>>;

fn read(request: &mut Sending) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(request.body_mut()).poll_frame(&mut cx).is_ready());
}

fn begin(steps: &[Step]) -> (Sending, i64) {
    let script = Script::new(steps.iter().cloned());
    let before = allocator::live();
    (Request::new(ReplayBody::from(script)), before)
}

#[test]
fn beyond_the_cap_all_is_let_go_at_once() {
    let half = CAP / 2;
    let (mut first, before) = begin(&[Step::Data(half), Step::Data(half), Step::Data(1)]);
    let kept = Buffered::new(CAP).keep(&mut first).unwrap();
    let held = || allocator::live() - before;
    read(&mut first);
    assert!(held() >= half as i64);
    read(&mut first);
    // To the byte, and no room beside it.
    let whole = CAP as i64;
    assert!((whole..whole + SMALL).contains(&held()), "{}", held());
    read(&mut first);
    assert!(held() < SMALL, "{}", held());
    let last: Option<Sending> = Buffered::new(CAP).last(kept, Attempt::FIRST);
    assert!(last.is_none());
}

#[test]
fn the_last_copy_keeps_nothing() {
    let (mut first, before) = begin(&[Step::Data(1000), Step::Data(30_000), Step::Data(30_000)]);
    let kept = Buffered::new(CAP).keep(&mut first).unwrap();
    read(&mut first);
    drop(first);
    let last: Option<Sending> = Buffered::new(CAP).last(kept, Attempt::FIRST);
    let mut last = last.unwrap();
    for _ in 0..3 {
        read(&mut last);
        assert!(allocator::live() - before < SMALL);
    }
}

#[test]
fn nothing_more_is_kept_for_a_call_that_was_answered() {
    let (mut first, before) = begin(&[Step::Data(30_000), Step::Data(10), Step::Data(10)]);
    let kept = Buffered::new(CAP).keep(&mut first).unwrap();
    read(&mut first);
    assert!(allocator::live() - before >= 30_000);
    drop(kept);
    read(&mut first);
    assert!(allocator::live() - before < SMALL);
}
