//! What a client is told that gets nothing else.

use std::error::Error;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use buttress::{Rejected, http};
use hyper_util::client::legacy;

/// Why a request was not answered by an upstream.
#[derive(Debug)]
pub enum Refusal {
    /// No route has this path.
    NoRoute,
    /// Those that have it take other methods: these.
    Method(String),
    /// Its path would be read differently by others.
    Path,
    /// It wants another protocol.
    Upgrade,
    /// Nobody knows who it comes from.
    Unknown,
    /// As many of its requests as may be are under way.
    Share,
    /// A policy said no, or the time ran out.
    Policy(Rejected),
    /// Its body came so slowly that no time was left.
    Slow,
    /// The upstream could not be reached, or did not speak HTTP.
    Broken(legacy::Error),
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        Self::Policy(rejected)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, detail) = match &self {
            // 503, 429 or 504, with `Retry-After` where the policy knows.
            Self::Policy(rejected) => {
                return http::response(rejected).map(Body::from).map(Body::from);
            }
            Self::NoRoute => (StatusCode::NOT_FOUND, "there is no route for this path"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "not with this method"),
            Self::Path => (
                StatusCode::BAD_REQUEST,
                "the path has slashes, dots or escapes in it that others would read differently",
            ),
            Self::Upgrade => (StatusCode::NOT_IMPLEMENTED, "upgrades are not forwarded"),
            Self::Unknown => (StatusCode::UNAUTHORIZED, "no known key"),
            Self::Share => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests of yours are under way",
            ),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long to arrive",
            ),
            Self::Broken(error) => {
                // What broke is the operator's business; a client hears only that it did.
                eprintln!("502: {}", chain(error));
                (StatusCode::BAD_GATEWAY, "the upstream cannot be reached")
            }
        };
        let problem = serde_json::json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
        });
        let mut response = (status, problem.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self {
            Self::Method(allowed) => {
                let allowed = HeaderValue::try_from(allowed).expect("methods are tokens");
                headers.insert(ALLOW, allowed);
            }
            Self::Unknown => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
            }
            _ => {}
        }
        response
    }
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
