//! A hedge's types: named, and as free to move as what is inside.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    cell::Cell,
    future::{Future, Ready, ready},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    Adapt, Deadline, Hedge, OnError, Outcome, deadline,
    hedge::{self, Hedged},
    replay::{Attempt, Cloned, Numbered},
};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Echo;

impl Service<u32> for Echo {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        ready(Ok(request))
    }
}

/// A field's type can be written down, with every strategy.
struct Client {
    plain: Hedged<Echo>,
    special: Hedged<Echo, Judge, Numbered<Cloned, Write>, Read>,
    running: Option<hedge::ResponseFuture<Echo, u32, Hedge>>,
}

type Judge = fn(Result<&u32, &BoxError>) -> Outcome;
type Write = fn(&mut u32, Attempt);
type Read = fn(&u32) -> Option<Deadline>;

#[tokio::test(start_paused = true)]
async fn types_have_names() {
    let judge: Judge = |_| Outcome::Success;
    let write: Write = |request, attempt| *request += attempt.number();
    let read: Read = |_| None;
    let plain = Hedge::builder(SECOND).build().unwrap();
    let builder: hedge::Builder<Judge> = Hedge::builder(SECOND).classify(judge);
    let special = builder.on_attempt(write).deadline(read).build().unwrap();
    let mut client = Client {
        plain: plain.layer(Echo),
        special: special.layer(Echo),
        running: None,
    };
    client.running = Some(client.plain.call(1));
    assert_eq!(client.running.unwrap().await.unwrap(), 1);
    assert_eq!(client.special.call(1).await.unwrap(), 2);
    assert_eq!(client.plain.hedge().name(), "hedge");
    let _: (&Echo, &mut Echo) = (&client.special.into_inner(), client.plain.get_mut());
}

#[test]
fn values_go_anywhere_and_futures_where_the_inner_ones_go() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    anywhere::<Hedge>();
    anywhere::<Hedge<Judge, Numbered<Cloned, Write>, Read>>();
    anywhere::<Hedge<OnError, Cloned, deadline::NoDeadline>>();
    anywhere::<Hedged<Echo>>();
    anywhere::<hedge::Config>();
    anywhere::<hedge::Snapshot>();
    fn goes<T: Send + Sync>(_: T) {}
    goes(Hedge::builder(SECOND));
    let hedge = Hedge::builder(SECOND).build().unwrap();
    goes(hedge.layer(Echo).oneshot(1));
    goes(hedge.layer(Echo).call(1));
    goes(hedge.call(|_| async { Ok::<_, ()>(()) }));
    fn spawned<F: Future + Send + 'static>(_: F) {}
    let stack = ServiceBuilder::new().layer(hedge.clone()).layer(Adapt);
    let stack = stack.service_fn(|name: String| async move { Ok::<_, ()>(name) });
    spawned(stack.oneshot(String::new()));
    spawned(hedge.call(|_| async { Ok::<_, ()>(()) }));
}

/// Neither `Send` nor `'static` is asked for.
#[tokio::test(start_paused = true)]
async fn what_stays_here_and_is_borrowed_is_fine() {
    let calls = Rc::new(Cell::new(0));
    let text = String::from("borrowed");
    let hedge = Hedge::builder(SECOND).build().unwrap();
    let answer = hedge.call(|attempt| {
        let (calls, text) = (Rc::clone(&calls), &text);
        async move {
            calls.set(calls.get() + 1);
            if attempt.is_first() {
                std::future::pending::<()>().await;
            }
            Ok::<_, ()>(text.as_str())
        }
    });
    assert_eq!(answer.await, Ok("borrowed"));
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_hedged_future_is_the_inner_one_a_timer_and_some_words() {
    type Of<S> = hedge::ResponseFuture<S, u32, Hedge>;
    let timer = size_of::<tokio::time::Sleep>();
    // The inner future, what it takes to send another, the last result.
    let inner = size_of::<<Echo as Service<u32>>::Future>() + size_of::<(Echo, u32)>();
    let result = size_of::<Option<Result<u32, BoxError>>>();
    let most = inner + result + timer + 160;
    assert!(
        size_of::<Of<Echo>>() <= most,
        "{} {most} {timer}",
        size_of::<Of<Echo>>()
    );
    assert_eq!(size_of::<Hedge>(), size_of::<usize>());
    assert_eq!(size_of::<Hedged<Echo>>(), size_of::<usize>());
}
