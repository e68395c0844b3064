//! What fails for good deposits nothing: where all fails, extra attempts are not to add to it, whether a
//! retry or a hedge sends them, or both by one budget.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::time::Duration;

use buttress::{Budget, Hedge, Retry, backoff::Backoff, hedge::Percentile};
use tokio::time::sleep;
use tower::{BoxError, Service, ServiceBuilder, service_fn};

const DELAY: Duration = Duration::from_millis(10);

fn sealed() -> Budget {
    let budget = Budget::builder().ratio(0.5).min_per_sec(0.0).reserve(2);
    budget.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_that_fails_deposits_nothing() {
    for measured in [false, true] {
        for time in [Duration::ZERO, DELAY / 2, 5 * DELAY] {
            let budget = sealed();
            assert!(budget.withdraw() && budget.withdraw());
            let hedge = match measured {
                false => Hedge::builder(DELAY),
                true => Hedge::builder(Percentile::new(0.9, DELAY)),
            };
            let hedge = hedge.budget(budget.clone()).build().unwrap();
            let call = |fails| {
                hedge.call(move |_| async move {
                    if !time.is_zero() {
                        sleep(time).await;
                    }
                    if fails { Err("down") } else { Ok(()) }
                })
            };
            for _ in 0..10 {
                call(true).await.unwrap_err();
            }
            assert_eq!(budget.snapshot().balance, 0.0, "{measured} {time:?}");
            call(false).await.unwrap();
            assert_eq!(budget.snapshot().balance, 0.5, "{measured} {time:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_inside_a_retry_does_not_pay_for_it() {
    let budget = sealed();
    let retry = Retry::builder().backoff(Backoff::none());
    let mut service = ServiceBuilder::new()
        .layer(retry.budget(budget.clone()).build().unwrap())
        .layer(
            Hedge::builder(DELAY)
                .budget(budget.clone())
                .build()
                .unwrap(),
        )
        .service(service_fn(|()| async {
            Err::<(), _>(BoxError::from("down"))
        }));
    for _ in 0..100 {
        service.call(()).await.unwrap_err();
    }
    assert_eq!(budget.snapshot().drawn, 2, "the reserve, and no more");
}
