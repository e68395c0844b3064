//! The instant by which a request is to be answered, noted when it arrives.

use std::task::{Context, Poll};

use ::http::Request;
use tower::{Layer, Service};

use super::extensions::InExtensions;
use crate::deadline::CarryDeadline;

/// A layer that reads a request's deadline once, at its arrival, and notes the instant in its extensions.
///
/// All that stands behind it, layers and handlers, sees that instant, however long the request has waited
/// meanwhile: with [`InExtensions`], or with the [`DeadlineHeader`](super::DeadlineHeader) itself, which goes by
/// the earlier of the two. Let it be the outermost layer.
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use buttress::{Bulkhead, Deadline, http::{DeadlineHeader, InExtensions, arrive, respond}};
/// use std::time::Duration;
///
/// // Waits for a place, but no longer than the caller waits for an answer.
/// let places = Bulkhead::builder(64).max_queue(100).max_wait(Duration::from_secs(5)).build()?;
///
/// async fn members(deadline: Option<Extension<Deadline>>) -> String {
///     format!("{:?} are left", deadline.map(|Extension(deadline)| deadline.remaining()))
/// }
///
/// let app: Router = Router::new()
///     .route("/members", get(members))
///     .layer(respond(places.deadline(InExtensions)))
///     .layer(arrive(DeadlineHeader::ENVOY));
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
///
/// A request without a deadline is left as it is, and an earlier one that is noted already stays. A client can
/// forge a later deadline than it has, or none: it cannot make a [`Timeout`](crate::Timeout) of yours longer.
pub const fn arrive<D>(deadline: D) -> Arrive<D> {
    Arrive { deadline }
}

/// A layer that notes a request's deadline: made by [`arrive`].
#[derive(Debug, Clone, Copy)]
pub struct Arrive<D> {
    deadline: D,
}

impl<S, D: Clone> Layer<S> for Arrive<D> {
    type Service = Arriving<S, D>;

    fn layer(&self, inner: S) -> Arriving<S, D> {
        Arriving {
            inner,
            deadline: self.deadline.clone(),
        }
    }
}

/// A service under [`arrive`].
#[derive(Debug, Clone)]
pub struct Arriving<S, D> {
    inner: S,
    deadline: D,
}

impl<S, D, B> Service<Request<B>> for Arriving<S, D>
where
    S: Service<Request<B>>,
    D: CarryDeadline<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(told) = self.deadline.read(&request) {
            let noted = InExtensions.read(&request);
            if noted.is_none_or(|noted| told < noted) {
                InExtensions.write(&mut request, told);
            }
        }
        self.inner.call(request)
    }
}
