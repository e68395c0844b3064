//! A service is `Debug` when the inner one is: its strategies may be closures, which never are.

use std::{fmt::Debug, time::Duration};

use buttress::{Deadline, Fallback, Hedge, Outcome, Retry, Timeout};
use tower::{BoxError, Layer};

#[derive(Debug, Clone)]
struct Inner;

fn shows(service: impl Debug) {
    assert!(format!("{service:?}").contains("Inner"));
}

#[test]
fn services_with_closures_are_debug() {
    let judge = |_: Result<&u32, &BoxError>| Outcome::Success;
    let by = |_: &u32| None::<Deadline>;
    let again = |n: &u32| Some(*n);
    let second = Duration::from_secs(1);
    let timeout = Timeout::builder(second).deadline(by).build().unwrap();
    shows(timeout.layer(Inner));
    let retry = Retry::builder().classify(judge).deadline(by).replay(again);
    shows(retry.build().unwrap().layer(Inner));
    let fallback = Fallback::value(1).classify(judge).mark(|_: &mut u32| ());
    shows(fallback.build().unwrap().layer(Inner));
    let hedge = Hedge::builder(second).classify(judge).deadline(by);
    shows(hedge.replay(again).build().unwrap().layer(Inner));
}
