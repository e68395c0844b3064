//! A pipeline like another, with a state of its own.
#![allow(clippy::disallowed_types, reason = "tests may take locks")]

use std::sync::{Arc, Mutex};

use buttress::{
    Fallback, Resilience,
    breaker::{Order, State},
    pipeline::Config,
};

type Names = Arc<Mutex<Vec<&'static str>>>;

#[tokio::test(start_paused = true)]
async fn a_fork_has_settings_strategies_and_listeners_but_not_the_state() {
    let heard = Names::default();
    let told = Arc::clone(&heard);
    let first = Resilience::builder()
        .name("members")
        .config(Config::standard())
        .fallback(Fallback::value("nobody").max_concurrent(7))
        .on_event(move |event| told.lock().unwrap().push(event.policy))
        .build()
        .unwrap();
    first.order(Order::ForceOpen(None));
    let fork = first.fork("orders");
    assert_eq!((fork.name(), fork.config()), ("orders", first.config()));
    assert_eq!(fork.config().fallback.max_concurrent, 7);
    let state = |of: &Resilience<_, _, _, _>| of.snapshot().breaker.unwrap().state;
    assert_eq!(
        (state(&first), state(&fork)),
        (State::ForcedOpen, State::Closed)
    );

    let fails = |_| async { Err::<&str, _>("down") };
    assert_eq!(fork.call(fails).await, Ok("nobody"));
    assert_eq!(fork.snapshot().fallback.unwrap().answered, 1);
    assert_eq!(first.snapshot().fallback.unwrap().answered, 0);
    assert_eq!(fork.snapshot().breaker.unwrap().failed, 3);
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0], "members");
    assert!(heard.len() > 1 && heard[1..].iter().all(|name| *name == "orders"));
}
