//! An allocator that counts, and what the tests of all patterns measure with it.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Counts what each thread allocates: tests run side by side.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

fn count_one() {
    // A thread that is about to end has no counter any more, and nobody to ask.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

fn weigh(bytes: usize, sign: i64) {
    let _ = LIVE.try_with(|live| live.set(live.get() + sign * bytes as i64));
}

// SAFETY: it only passes on; the counter is a plain cell that allocates nothing itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        weigh(layout.size(), 1);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        weigh(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count_one();
        weigh(layout.size(), -1);
        weigh(new_size, 1);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often this thread has allocated so far.
pub(crate) fn count() -> u64 {
    COUNT.get()
}

/// How many bytes this thread has allocated and not freed; what it freed of other threads' counts against it.
pub(crate) fn live() -> i64 {
    LIVE.get()
}

pub(crate) fn allocations(piece: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    piece();
    COUNT.get() - before
}

/// Calls it once for what only the first call does, and then a thousand times.
pub(crate) fn assert_none(mut call: impl FnMut()) {
    call();
    assert_eq!(allocations(|| (0..1000).for_each(|_| call())), 0);
}

/// The output of a future that is ready at once.
pub(crate) fn now_or_never<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is ready at once"),
    }
}
