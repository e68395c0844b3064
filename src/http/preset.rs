//! The builder of a pipeline, in the words of HTTP.

use super::{idempotent::Idempotent, on_status::OnStatus};
use crate::{classify::OnError, pipeline::Builder, replay::Cloned};

impl<D, F> Builder<OnError, Cloned, D, F> {
    /// For a service that speaks HTTP: [`OnStatus`] judges, and only idempotent requests are sent again
    /// ([`Idempotent`]).
    ///
    /// For a pipeline that is a layer over requests and responses. It is not needed where a client is asked
    /// by [`request`](crate::pipeline::Resilient::request) or reqwest's `execute`, which do the same. What is to be
    /// otherwise comes after it, or is said in its stead:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// use buttress::{Resilience, http::OnStatus, pipeline::Config};
    /// use http::{Request, Response};
    /// use std::{convert::Infallible, sync::atomic::{AtomicU32, Ordering}};
    /// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
    ///
    /// let policy = Resilience::builder()
    ///     .config(Config::standard())
    ///     .http()
    ///     .classify(OnStatus::new().failures([404]))
    ///     .build()?;
    /// # static SENT: AtomicU32 = AtomicU32::new(0);
    /// let service = ServiceBuilder::new().layer(policy).service(service_fn(|_: Request<String>| async {
    /// #   SENT.fetch_add(1, Ordering::SeqCst);
    ///     Ok::<_, BoxError>(Response::builder().status(503).body(())?)
    /// }));
    /// let post = Request::post("/orders").body("one of each".to_owned())?;
    /// let response = service.oneshot(post).await?;
    /// assert_eq!(response.status(), 503); // Asked once.
    /// # assert_eq!(SENT.load(Ordering::SeqCst), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn http(self) -> Builder<OnStatus, Idempotent, D, F> {
        self.classify(OnStatus::new()).replay(Idempotent::new())
    }
}
