//! All patterns in one stack, in the order that the docs give: what one of them does reaches the others.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use buttress::{
    CircuitBreaker, Deadline, Fallback, Retry, Timeout,
    backoff::{Backoff, Jitter},
    breaker::State,
    deadline::ReadWrite,
};
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Default)]
struct Request {
    answer_by: Option<Deadline>,
}

/// What reached the member service: when, and how much time it was given, in milliseconds.
type Asked = Arc<Mutex<Vec<(u128, u128)>>>;

struct Shop {
    hangs: Arc<AtomicBool>,
    asked: Asked,
    retry: Retry<buttress::OnError, buttress::replay::Cloned, Read>,
    breaker: CircuitBreaker,
}

type Read = fn(&Request) -> Option<Deadline>;
type Write = fn(&mut Request, Deadline);

fn read(request: &Request) -> Option<Deadline> {
    request.answer_by
}

fn write(request: &mut Request, deadline: Deadline) {
    request.answer_by = Some(deadline);
}

impl Shop {
    fn open() -> Self {
        let backoff = Backoff::constant(100 * MILLISECOND).jitter(Jitter::None);
        Self {
            hangs: Arc::default(),
            asked: Arc::default(),
            retry: Retry::builder()
                .backoff(backoff)
                .max_attempts(9)
                .deadline(read as Read)
                .build()
                .unwrap(),
            breaker: CircuitBreaker::builder()
                .count_window(10)
                .min_calls(5)
                .build()
                .unwrap(),
        }
    }

    /// Fallback, whole call, retry, breaker, one attempt.
    fn members(
        &self,
    ) -> impl Service<Request, Response = &'static str, Error = BoxError, Future: Send> + Clone + use<>
    {
        let carried = ReadWrite::new::<Request>(read as Read, write as Write);
        let whole = Timeout::builder(1_000 * MILLISECOND)
            .name("whole call")
            .deadline(carried);
        let attempt = Timeout::builder(300 * MILLISECOND)
            .name("one attempt")
            .deadline(read as Read);
        let (hangs, asked) = (Arc::clone(&self.hangs), Arc::clone(&self.asked));
        let begun = Instant::now();
        ServiceBuilder::new()
            .layer(Fallback::value("from the shelf").build().unwrap())
            .layer(whole.build().unwrap())
            .layer(self.retry.clone())
            .layer(self.breaker.clone())
            .layer(attempt.build().unwrap())
            .service(service_fn(move |request: Request| {
                let given = request.answer_by.expect("it has a deadline").remaining();
                let now = begun.elapsed().as_millis();
                asked.lock().unwrap().push((now, given.as_millis()));
                let hangs = hangs.load(SeqCst);
                async move {
                    if hangs {
                        pending::<()>().await;
                    }
                    Ok::<_, BoxError>("fresh")
                }
            }))
    }
}

async fn ask(shop: &Shop) -> (&'static str, u128) {
    let begun = Instant::now();
    let answer = shop.members().oneshot(Request::default()).await.unwrap();
    (answer, begun.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_timed_retried_within_the_deadline_heard_by_the_breaker_and_covered() {
    let shop = Shop::open();
    assert_eq!(ask(&shop).await, ("fresh", 0));
    assert_eq!(*shop.asked.lock().unwrap(), [(0, 1_000)]);
    shop.asked.lock().unwrap().clear();

    // Attempts of 300 ms, 100 ms apart; the third is cut off by the deadline. (tokio's timer is up to
    // a millisecond late.)
    shop.hangs.store(true, SeqCst);
    let (answer, took) = ask(&shop).await;
    assert_eq!(answer, "from the shelf");
    assert!((1_000..=1_003).contains(&took), "{took}");
    let asked = std::mem::take(&mut *shop.asked.lock().unwrap());
    assert_eq!(asked.len(), 3);
    for ((at, given), expected) in asked.into_iter().zip([0, 400, 800]) {
        assert!((expected..=expected + 3).contains(&at), "{at}");
        assert_eq!(at + given, 1_000, "the same deadline for all attempts");
    }
    assert_eq!(shop.breaker.snapshot().failed, 3);

    // The breaker opens at the first attempt of the next call; the refusal of the second is not retried.
    let (answer, took) = ask(&shop).await;
    assert_eq!(answer, "from the shelf");
    assert!((400..=403).contains(&took), "{took}");
    assert_eq!(shop.breaker.snapshot().state, State::Open);
    let before = shop.asked.lock().unwrap().len();
    assert_eq!(ask(&shop).await, ("from the shelf", 0));
    assert_eq!(shop.asked.lock().unwrap().len(), before);
}
