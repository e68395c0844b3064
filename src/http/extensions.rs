//! What is kept in the extensions of requests and responses.

use ::http::{Request, Response};

use super::sent::Sent;
use crate::{
    deadline::{CarryDeadline, instant::Deadline},
    fallback::Mark,
};

/// In the extensions: a strategy that keeps the [`Deadline`] of a request there, and marks the response
/// of a fallback with [`FellBack`].
///
/// Extensions do not leave the process; for headers see [`header`](crate::header). The first extension
/// of a message allocates.
///
/// ```
/// use buttress::{Deadline, deadline::CarryDeadline, http::InExtensions};
/// use http::Request;
/// use std::time::Duration;
///
/// let mut request = Request::new(());
/// let deadline = Deadline::after(Duration::from_secs(1));
/// InExtensions.write(&mut request, deadline);
/// assert_eq!(request.extensions().get(), Some(&deadline));
/// assert_eq!(InExtensions.read(&request), Some(deadline));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InExtensions;

/// The same through [`Resilient::request`](crate::pipeline::Resilient::request).
impl<B> CarryDeadline<Sent<Request<B>>> for InExtensions {
    const WRITES: bool = true;

    fn read(&self, sent: &Sent<Request<B>>) -> Option<Deadline> {
        self.read(sent.get_ref())
    }

    fn write(&self, sent: &mut Sent<Request<B>>, deadline: Deadline) {
        self.write(sent.get_mut(), deadline);
    }
}

impl<B> CarryDeadline<Request<B>> for InExtensions {
    const WRITES: bool = true;

    fn read(&self, request: &Request<B>) -> Option<Deadline> {
        request.extensions().get().copied()
    }

    fn write(&self, request: &mut Request<B>, deadline: Deadline) {
        request.extensions_mut().insert(deadline);
    }
}

/// In the extensions of a response: it is not the service's own, but a fallback's. Put there by
/// [`InExtensions`], given to a fallback's [`mark`](crate::fallback::Builder::mark).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// use buttress::{Fallback, http::{FellBack, InExtensions}};
/// use http::Response;
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// let fallback = Fallback::function(|_: Result<Response<String>, BoxError>| {
///     Ok(Response::new(String::from("yesterday's news")))
/// })
/// .name("news")
/// .mark(InExtensions)
/// .build()?;
/// let news = ServiceBuilder::new()
///     .layer(fallback)
///     .service(service_fn(|()| async { Err(BoxError::from("down")) }));
/// let response = news.oneshot(()).await?;
/// assert_eq!(response.extensions().get(), Some(&FellBack { policy: "news" }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FellBack {
    /// The fallback's name. Of several around each other the outermost that fell back.
    pub policy: &'static str,
}

impl<B> Mark<Response<B>> for InExtensions {
    fn mark(&self, response: &mut Response<B>, policy: &'static str) {
        response.extensions_mut().insert(FellBack { policy });
    }
}
