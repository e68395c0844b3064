//! An attempt that uses up, in every poll, all that a task may do in one go leaves nothing for the
//! hedge's timer. It is late like any other, and is hedged.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use buttress::Hedge;
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn one_that_never_gives_way_is_hedged_all_the_same() {
    let hedge = Hedge::builder(SECOND).build().unwrap();
    let clock = tokio::spawn(async {
        loop {
            advance(SECOND / 10).await;
        }
    });
    let call = hedge.call(|attempt| {
        let mut polls = 0;
        poll_fn(move |cx| {
            if !attempt.is_first() {
                return Poll::Ready(Ok::<_, ()>(attempt.number()));
            }
            polls += 1;
            assert!(polls < 10_000, "it goes on for ever");
            loop {
                let one = std::pin::pin!(tokio::task::coop::consume_budget());
                if one.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
    });
    // A task of its own, since only those are held to it.
    assert_eq!(tokio::spawn(call).await.unwrap(), Ok(2));
    clock.abort();
}
