//! What handlers return.

use ::axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use ::http::{StatusCode, header::CONTENT_TYPE};

use crate::{
    error::{Error, Rejected},
    http::response,
};

/// As [`http::response`](crate::http::response) says.
///
/// ```
/// use axum::response::IntoResponse;
/// use buttress::{Reason, Rejected};
///
/// let response = Rejected::new("payments", Reason::RateLimited).into_response();
/// assert_eq!(response.status(), 429);
/// ```
impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        response(&self).map(Body::from)
    }
}

/// A refusal as such; an inner error is a 502 (Bad Gateway), without its text.
///
/// ```
/// use axum::response::IntoResponse;
/// use buttress::{Bulkhead, Error};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), buttress::InvalidConfig> {
/// let places = Bulkhead::builder(8).build()?;
/// let handler = async || -> Result<String, Error<std::io::Error>> {
///     places.call(|| tokio::fs::read_to_string("no such file")).await
/// };
/// assert_eq!(handler().await.into_response().status(), 502);
/// # Ok(())
/// # }
/// ```
impl<E> IntoResponse for Error<E> {
    fn into_response(self) -> Response {
        match self {
            Self::Rejected(rejected) => rejected.into_response(),
            Self::Inner(_) => {
                let kind = [(CONTENT_TYPE, "application/problem+json")];
                (StatusCode::BAD_GATEWAY, kind, BAD_GATEWAY).into_response()
            }
        }
    }
}

const BAD_GATEWAY: &str =
    r#"{"title":"Bad Gateway","status":502,"detail":"what was asked for this has failed"}"#;
