//! A refusal of an inner policy says nothing about the dependency, also when it comes in a box that
//! was put around another error.

use std::io;

use buttress::{CircuitBreaker, Error, Refusal};
use tower::{BoxError, Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_boxed_refusal_of_an_inner_call_opens_nothing() {
    let inner = CircuitBreaker::builder().name("inner").build().unwrap();
    inner.force_open();
    let outer = CircuitBreaker::builder().count_window(4).build().unwrap();
    let guarded = outer.layer(service_fn(move |()| {
        let answer = inner.call(|| async { Ok::<_, io::Error>(()) });
        async move {
            answer.await?;
            Ok::<_, BoxError>(())
        }
    }));
    for _ in 0..8 {
        let error = guarded.clone().oneshot(()).await.unwrap_err();
        assert!(error.is::<Error<io::Error>>());
        assert_eq!(error.rejected().unwrap().policy(), "inner");
    }
    assert_eq!(outer.snapshot().calls, 0, "ignored, not failed");
}
