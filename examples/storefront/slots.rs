//! What a gateway has so many of and no more: every request holds a slot until it is answered, and so a
//! hang in one service reaches every page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

/// The same in every copy.
pub const SLOTS: usize = 64;

/// The body of an answer that got no slot.
pub const NO_SLOT: &str = "no slot is free";

pub struct Slots {
    free: Semaphore,
    fullest: AtomicUsize,
}

impl Slots {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            free: Semaphore::new(SLOTS),
            fullest: AtomicUsize::new(0),
        })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        SLOTS - self.free.available_permits()
    }

    /// The most that were ever taken at one time.
    pub fn fullest(&self) -> usize {
        self.fullest.load(Ordering::Relaxed)
    }
}

pub async fn take_slot(State(slots): State<Arc<Slots>>, request: Request, next: Next) -> Response {
    let Ok(_slot) = slots.free.try_acquire() else {
        slots.fullest.store(SLOTS, Ordering::Relaxed);
        return (StatusCode::SERVICE_UNAVAILABLE, NO_SLOT).into_response();
    };
    slots.fullest.fetch_max(slots.taken(), Ordering::Relaxed);
    next.run(request).await
}
