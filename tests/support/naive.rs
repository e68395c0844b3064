//! The retry loop that everybody writes first, as a layer.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress::backoff::Backoff;
use tokio::time::{sleep, timeout};
use tower::{BoxError, Layer, Service, ServiceExt};

/// Three attempts, with a good backoff: exponential from 100 ms, full jitter. Every failure is retried.
#[derive(Clone)]
pub(crate) struct Naive {
    attempt_timeout: Duration,
    backoff: Backoff,
    calls: Arc<AtomicU64>,
}

pub(crate) const ATTEMPTS: u32 = 3;

impl Naive {
    pub(crate) fn new() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(3600),
            backoff: Backoff::exponential(Duration::from_millis(100)).cap(Duration::from_secs(2)),
            calls: Arc::default(),
        }
    }

    pub(crate) fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }
}

impl<S> Layer<S> for Naive {
    type Service = Retrying<S>;

    fn layer(&self, inner: S) -> Retrying<S> {
        Retrying {
            naive: self.clone(),
            inner,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Retrying<S> {
    naive: Naive,
    inner: S,
}

impl<S> Service<()> for Retrying<S>
where
    S: Service<(), Response = (), Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let Self { naive, mut inner } = self.clone();
        let mut delays = naive.backoff.delays(naive.calls.fetch_add(1, Relaxed));
        Box::pin(async move {
            let mut attempt = 1;
            loop {
                let answer = inner.ready().await?.call(());
                let answer = match timeout(naive.attempt_timeout, answer).await {
                    Ok(answer) => answer,
                    Err(late) => Err(late.into()),
                };
                if answer.is_ok() || attempt == ATTEMPTS {
                    return answer;
                }
                sleep(delays.next().expect("without end")).await;
                attempt += 1;
            }
        })
    }
}
