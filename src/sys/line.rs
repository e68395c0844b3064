//! What lies on which cache line, and which thread writes where.

use std::ops::Deref;

/// A value on a cache line of its own: what one core writes does not take away what others read.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line<T>(pub(crate) T);

impl<T> Deref for Line<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// A small number that tells threads apart, for spreading writes; threads share it by turns.
#[cfg(not(buttress_loom))]
#[inline]
#[allow(clippy::disallowed_types, reason = "this is the door")]
fn lane() -> usize {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicUsize, Ordering},
    };

    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    #[cold]
    fn assign() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let lane = NEXT.fetch_add(1, Ordering::Relaxed) % (1 << 16);
        LANE.set(lane);
        lane
    }

    match LANE.get() {
        usize::MAX => assign(),
        lane => lane,
    }
}

/// The same in every run that the model checker replays: an id's hash would not be.
#[cfg(buttress_loom)]
fn lane() -> usize {
    let id = format!("{:?}", loom::thread::current().id());
    id.bytes()
        .filter(u8::is_ascii_digit)
        .fold(0, |n, digit| n * 10 + usize::from(digit - b'0'))
}

/// This thread's of several, of which there are a power of two, or none.
#[inline]
pub(crate) fn own_lane<T>(lanes: &[Line<T>]) -> Option<&T> {
    // With none, the mask lets every number pass.
    lanes
        .get(lane() & lanes.len().wrapping_sub(1))
        .map(|own| &own.0)
}
