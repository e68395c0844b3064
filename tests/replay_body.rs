//! Requests whose bodies are streams, sent again: what is kept, what is forgotten, and when there is no second one.
#![cfg(feature = "http")]

#[path = "support/bodies.rs"]
mod bodies;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bodies::{Script, Step, trailers};
use buttress::{
    http::{Buffered, Idempotent, ReplayBody},
    replay::{Attempt, Replay},
};
use bytes::Bytes;
use http::{Method, Request, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use proptest::prelude::*;

type Sending = Request<ReplayBody<Script>>;

type Kept = <Buffered as Replay<Sending>>::Kept;

fn again(buffered: Buffered, kept: &Kept) -> Option<Sending> {
    buffered.again(kept, Attempt::FIRST)
}

fn last(buffered: Buffered, kept: Kept) -> Option<Sending> {
    buffered.last(kept, Attempt::FIRST)
}

fn request(script: Script) -> Sending {
    Request::new(ReplayBody::from(script))
}

type Next = Poll<Option<Result<Frame<Bytes>, bodies::Broken>>>;

fn poll(request: &mut Sending) -> Next {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(request.body_mut()).poll_frame(&mut cx)
}

/// The next bytes.
fn data(request: &mut Sending) -> Bytes {
    loop {
        match poll(request) {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => return frame.into_data().expect("data"),
            other => panic!("{other:?}"),
        }
    }
}

/// All that comes: bytes and trailers.
async fn all(request: Sending) -> (Bytes, Option<http::HeaderMap>) {
    let all = request.into_body().collect().await.unwrap();
    let trailers = all.trailers().cloned();
    (all.to_bytes(), trailers)
}

#[tokio::test]
async fn exactly_the_cap_is_sent_again_and_a_byte_more_is_not() {
    let within = [Step::Data(40), Step::Data(24)];
    let beyond = [Step::Data(40), Step::Data(25)];
    let many = vec![Step::Data(1); 64];
    let too_many = vec![Step::Data(1); 65];
    for (steps, replayable) in [
        (&within[..], true),
        (&beyond, false),
        (&many, true),
        (&too_many, false),
        (&[Step::Data(64)], true),
        (&[Step::Data(65)], false),
    ] {
        for exact in [false, true] {
            let mut script = Script::new(steps.iter().cloned());
            if exact {
                script = script.exact();
            }
            let mut first = request(script);
            let kept = Buffered::new(64).keep(&mut first);
            assert_eq!(kept.is_some(), replayable || !exact);
            let sent = all(first).await;
            let again = kept.and_then(|kept| last(Buffered::new(64), kept));
            assert_eq!(again.is_some(), replayable, "{steps:?}");
            if let Some(again) = again {
                assert_eq!(again.body().size_hint().exact(), Some(64));
                assert_eq!(all(again).await, sent);
            }
        }
    }
}

#[tokio::test]
async fn a_later_copy_goes_on_where_the_earlier_one_was_dropped() {
    let buffered = Buffered::new(10);
    let script = Script::new([Step::Data(3), Step::Data(3), Step::Trailers(0), Step::Fail]);
    let mut first = request(script.exact());
    let kept = buffered.keep(&mut first).unwrap();
    assert_eq!(first.body().size_hint().exact(), Some(6));
    assert_eq!(data(&mut first), [1, 2, 3][..]);
    assert_eq!(first.body().size_hint().exact(), Some(3));
    assert!(again(buffered, &kept).is_none(), "the first one has it");
    drop(first);
    // Never begun, begun, and one that has begun with the rest.
    for reads in 0..3 {
        let mut next = again(buffered, &kept).unwrap();
        assert_eq!(next.body().size_hint().exact(), Some(6));
        let read: Vec<u8> = (0..reads).flat_map(|_| data(&mut next)).collect();
        assert_eq!(read, (1..=3 * reads).collect::<Vec<u8>>());
    }
    let last = last(buffered, kept).unwrap();
    assert_eq!(last.body().size_hint().exact(), Some(6));
    let (bytes, ending) = all(last).await;
    assert_eq!(
        (&bytes[..], ending),
        (&[1, 2, 3, 4, 5, 6][..], Some(trailers(0)))
    );
}

#[tokio::test]
async fn what_was_read_to_its_end_may_be_sent_by_several_at_once() {
    let buffered = Buffered::new(10);
    for script in [
        Script::new([Step::Data(3), Step::Trailers(0)]),
        Script::new([Step::Data(3), Step::Trailers(0)]).eager(),
    ] {
        let mut first = request(script);
        let kept = buffered.keep(&mut first).unwrap();
        assert_eq!(data(&mut first), [1, 2, 3][..]);
        assert!(again(buffered, &kept).is_none());
        assert!(matches!(poll(&mut first), Poll::Ready(Some(Ok(frame))) if frame.is_trailers()));
        if !first.body().is_end_stream() {
            assert!(matches!(poll(&mut first), Poll::Ready(None)));
        }
        // The first one lives still.
        let (a, b) = (
            again(buffered, &kept).unwrap(),
            again(buffered, &kept).unwrap(),
        );
        let whole = (Bytes::from_static(&[1, 2, 3]), Some(trailers(0)));
        assert_eq!((all(a).await, all(b).await), (whole.clone(), whole));
        drop(first);
        assert!(last(buffered, kept).is_some());
    }
}

#[tokio::test]
async fn a_body_that_failed_or_panicked_is_not_sent_again() {
    let buffered = Buffered::new(10);
    let mut first = request(Script::new([Step::Data(3), Step::Fail, Step::Data(3)]));
    let kept = buffered.keep(&mut first).unwrap();
    data(&mut first);
    assert!(matches!(
        poll(&mut first),
        Poll::Ready(Some(Err(bodies::Broken)))
    ));
    assert!(
        matches!(poll(&mut first), Poll::Ready(None)),
        "nothing comes after an error"
    );
    drop(first);
    assert!(again(buffered, &kept).is_none());

    let mut first = request(Script::new([Step::Panic, Step::Data(3)]));
    let kept = buffered.keep(&mut first).unwrap();
    catch_unwind(AssertUnwindSafe(|| poll(&mut first))).unwrap_err();
    drop(first);
    assert!(again(buffered, &kept).is_none());
}

#[tokio::test]
async fn an_empty_body_is_left_as_it_is() {
    let buffered = Buffered::new(0);
    let mut first = request(Script::default().eager());
    let kept = buffered.keep(&mut first).unwrap();
    assert!(again(buffered, &kept).unwrap().body().is_end_stream());
    let end = last(buffered, kept).unwrap();
    assert_eq!(end.body().size_hint().exact(), Some(0));
    assert_eq!(all(end).await, (Bytes::new(), None));
    // Trailers alone are not counted.
    let mut first = request(Script::new([Step::Trailers(0)]));
    let kept = buffered.keep(&mut first).unwrap();
    all(first).await;
    let again = last(buffered, kept).unwrap();
    assert_eq!(all(again).await, (Bytes::new(), Some(trailers(0))));
}

#[test]
fn the_head_is_kept() {
    let mut first = request(Script::new([Step::Data(1)]));
    *first.method_mut() = Method::PUT;
    *first.uri_mut() = "https://members/7?full".parse().unwrap();
    *first.version_mut() = Version::HTTP_2;
    first.headers_mut().insert("traceparent", 7.into());
    first.extensions_mut().insert("mine");
    let kept = Buffered::new(10).keep(&mut first).unwrap();
    // What a layer further in changes is not seen.
    first.headers_mut().clear();
    drop(first);
    let check = |again: Sending| {
        assert_eq!(again.method(), Method::PUT);
        assert_eq!(again.uri(), "https://members/7?full");
        assert_eq!(again.version(), Version::HTTP_2);
        assert_eq!(again.headers()["traceparent"], "7");
        assert_eq!(again.extensions().get(), Some(&"mine"));
    };
    check(again(Buffered::new(10), &kept).unwrap());
    check(last(Buffered::new(10), kept).unwrap());
}

#[test]
fn a_body_that_is_kept_already_is_not_kept_twice() {
    let mut first = request(Script::new([Step::Data(1)]));
    let outer = Buffered::new(10).keep(&mut first).unwrap();
    assert!(Buffered::new(10).keep(&mut first).is_none());
    drop(first);
    assert!(again(Buffered::new(10), &outer).is_some());
}

#[test]
fn only_what_may_be_done_twice_is_kept() {
    let keep = |method: Method, key: bool, strategy: Idempotent<Buffered>| {
        let mut request = request(Script::new([Step::Data(1)]));
        *request.method_mut() = method;
        if key {
            request.headers_mut().insert("idempotency-key", 7.into());
        }
        strategy.keep(&mut request).is_some()
    };
    let usual = Idempotent::of(Buffered::new(10));
    for (method, idempotent) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::PUT, true),
        (Method::DELETE, true),
        (Method::POST, false),
        (Method::PATCH, false),
    ] {
        assert_eq!(keep(method.clone(), false, usual), idempotent);
        assert_eq!(keep(method.clone(), true, usual), idempotent);
        assert_eq!(keep(method.clone(), false, usual.or_keyed()), idempotent);
        assert!(keep(method, true, usual.or_keyed()));
    }
}

/// What a naive reader of the stream expects of all its copies.
struct Naive {
    steps: Vec<Step>,
    cap: usize,
    exact: bool,
    eager: bool,
    /// Steps that were taken off the stream, and what came of them.
    taken: usize,
    read: Vec<u8>,
    /// The trailers came.
    trailers: Option<u32>,
    ended: bool,
    lost: bool,
}

impl Naive {
    fn total(&self) -> usize {
        Script::new(self.steps.iter().cloned()).left()
    }

    fn replayable(&self) -> bool {
        !self.lost
    }
}

/// Reads a copy for so many polls, and compares each.
fn read_copy(naive: &mut Naive, copy: &mut Sending, polls: usize) {
    let mut before = naive.read.clone();
    let mut late_trailers = naive.ended.then_some(naive.trailers).flatten();
    for _ in 0..polls {
        let left = before.len() + Script::new(naive.steps[naive.taken..].iter().cloned()).left();
        if naive.exact || (naive.ended && !naive.steps.is_empty()) {
            assert_eq!(copy.body().size_hint().exact(), Some(left as u64));
        }
        let said_end = copy.body().is_end_stream();
        let frame = poll(copy);
        if said_end {
            assert!(matches!(frame, Poll::Ready(None)));
        }
        if !before.is_empty() {
            let Poll::Ready(Some(Ok(frame))) = frame else {
                panic!("what was read comes first: {frame:?}")
            };
            assert_eq!(frame.into_data().unwrap(), before);
            before.clear();
            continue;
        }
        if naive.ended {
            match late_trailers.take() {
                Some(code) => {
                    let Poll::Ready(Some(Ok(frame))) = frame else {
                        panic!("trailers come last: {frame:?}")
                    };
                    assert_eq!(frame.into_trailers().unwrap(), trailers(code));
                }
                None => assert!(matches!(frame, Poll::Ready(None))),
            }
            continue;
        }
        let step = naive.steps.get(naive.taken).cloned();
        naive.taken += usize::from(step.is_some());
        match step {
            None => {
                assert!(matches!(frame, Poll::Ready(None)));
                naive.ended = true;
            }
            Some(Step::Pending) => assert!(frame.is_pending()),
            Some(Step::Fail | Step::Panic) => {
                assert!(matches!(frame, Poll::Ready(Some(Err(bodies::Broken)))));
                naive.lost = true;
                return;
            }
            Some(Step::Data(bytes)) => {
                let Poll::Ready(Some(Ok(frame))) = frame else {
                    panic!("data: {frame:?}")
                };
                let data = frame.into_data().unwrap();
                assert_eq!(data.len(), bytes);
                let from = naive.read.len();
                let expected = (from..from + bytes).map(|n| (n as u8).wrapping_add(1));
                assert!(data.iter().copied().eq(expected));
                naive.read.extend_from_slice(&data);
                naive.lost |= naive.read.len() > naive.cap;
                // A source may tell its end together with its last frame.
                naive.ended |= naive.eager && naive.taken == naive.steps.len();
            }
            Some(Step::Trailers(code)) => {
                let Poll::Ready(Some(Ok(frame))) = frame else {
                    panic!("trailers: {frame:?}")
                };
                assert_eq!(frame.into_trailers().unwrap(), trailers(code));
                naive.trailers = Some(code);
                naive.ended = true;
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..40).prop_map(Step::Data),
        1 => Just(Step::Pending),
    ];
    let end = prop_oneof![
        3 => Just(None),
        2 => (0u32..17).prop_map(|code| Some(Step::Trailers(code))),
        1 => Just(Some(Step::Fail)),
    ];
    (prop::collection::vec(step, 0..12), end).prop_map(|(mut steps, end)| {
        steps.extend(end);
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn copies_are_what_a_naive_reader_expects(
        steps in steps(),
        cap in 0usize..160,
        (exact, eager) in any::<(bool, bool)>(),
        copies in prop::collection::vec(0usize..20, 1..6),
    ) {
        let mut script = Script::new(steps.iter().cloned());
        if exact { script = script.exact(); }
        if eager { script = script.eager(); }
        let mut naive = Naive {
            steps, cap, exact, eager, taken: 0, read: Vec::new(), trailers: None, ended: false, lost: false,
        };
        naive.ended = eager && naive.steps.is_empty();
        let buffered = Buffered::new(cap);
        let mut copy = request(script);
        let Some(kept) = buffered.keep(&mut copy) else {
            prop_assert!(exact && naive.total() > cap);
            return Ok(());
        };
        prop_assert!(!(exact && naive.total() > cap));
        let (polls_of_last, earlier) = copies.split_last().unwrap();
        for polls in earlier {
            read_copy(&mut naive, &mut copy, *polls);
            let live = again(buffered, &kept);
            prop_assert_eq!(live.is_some(), naive.replayable() && naive.ended);
            drop((live, copy));
            let Some(next) = again(buffered, &kept) else {
                prop_assert!(!naive.replayable());
                return Ok(());
            };
            prop_assert!(naive.replayable());
            copy = next;
        }
        read_copy(&mut naive, &mut copy, *polls_of_last);
        drop(copy);
        let last = last(buffered, kept);
        prop_assert_eq!(last.is_some(), naive.replayable());
        if let Some(mut copy) = last {
            read_copy(&mut naive, &mut copy, 30);
        }
    }
}
