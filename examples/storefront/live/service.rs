//! A member service that is never well and never down.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use reqwest::Url;
use tokio::net::TcpListener;

/// So many of every ten calls fail, evenly among the others.
pub const FAIL_OF_TEN: u32 = 3;

pub async fn start() -> io::Result<Url> {
    let app = Router::new()
        .route("/", get(answer))
        .with_state(Arc::new(AtomicU32::new(0)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async { serve(listener, app).await });
    Ok(url.parse().expect("an address makes a URL"))
}

async fn answer(State(came): State<Arc<AtomicU32>>) -> Result<&'static str, StatusCode> {
    if fails(came.fetch_add(1, Ordering::Relaxed)) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok("here you are")
}

const fn fails(call: u32) -> bool {
    call % 10 * FAIL_OF_TEN % 10 < FAIL_OF_TEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_of_any_ten_fail_and_one_or_two_of_any_five() {
        for first in 0..20 {
            let failed = |calls: u32| (first..first + calls).filter(|call| fails(*call)).count();
            assert_eq!(failed(10), 3);
            assert!((1..=2).contains(&failed(5)));
        }
    }
}
