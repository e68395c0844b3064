//! A tower service that insists on the contract and does, on request, the worst that real ones do.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    error::Error,
    fmt,
    future::Future,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use tower::{BoxError, Service};

/// What one call is to do. Not `Clone`: no guard may ask that of a request.
#[derive(Debug)]
pub(crate) struct Ask {
    pendings: u32,
    end: End,
}

#[derive(Debug)]
enum End {
    Answer,
    Fail,
    PanicInPoll,
    PanicInCall,
}

impl Ask {
    /// Answers with the number of the instance that was called.
    pub(crate) const fn answer() -> Self {
        Self::ending(End::Answer)
    }

    /// Answers with [`Failed`].
    pub(crate) const fn fail() -> Self {
        Self::ending(End::Fail)
    }

    pub(crate) const fn panic_in_poll() -> Self {
        Self::ending(End::PanicInPoll)
    }

    pub(crate) const fn panic_in_call() -> Self {
        Self::ending(End::PanicInCall)
    }

    /// The same, after this many `Pending`s.
    pub(crate) const fn after(mut self, pendings: u32) -> Self {
        self.pendings = pendings;
        self
    }

    const fn ending(end: End) -> Self {
        Self { pendings: 0, end }
    }
}

/// The error of [`Ask::fail`], with a cause of its own.
#[derive(Debug)]
pub(crate) struct Failed(Cause);

#[derive(Debug)]
pub(crate) struct Cause;

impl Failed {
    pub(crate) const fn new() -> Self {
        Self(Cause)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mock failed")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because it was asked to")
    }
}

impl Error for Cause {}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// What the mocks of one family have seen, and the levers to move them.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    instances: AtomicU32,
    ready_polls: AtomicU32,
    calls: AtomicU32,
    polls: AtomicU32,
    dropped: AtomicU32,
    held_back: Mutex<Option<Vec<Waker>>>,
    broken: Mutex<bool>,
}

impl Watch {
    /// How often an instance was polled ready.
    pub(crate) fn ready_polls(&self) -> u32 {
        self.ready_polls.load(SeqCst)
    }

    /// Calls that reached an instance.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }

    /// How often a future was polled.
    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(SeqCst)
    }

    /// Futures dropped, answered or not.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped.load(SeqCst)
    }

    /// From now on no instance becomes ready.
    pub(crate) fn hold_back(&self) {
        self.held_back.lock().unwrap().get_or_insert_default();
    }

    /// They become ready again.
    pub(crate) fn let_go(&self) {
        let waiting = self.held_back.lock().unwrap().take();
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// From now on `poll_ready` answers with an error.
    pub(crate) fn break_down(&self) {
        *self.broken.lock().unwrap() = true;
    }
}

/// The service: a call without readiness of this very instance is a panic.
pub(crate) struct Strict<E = BoxError> {
    instance: u32,
    ready: bool,
    watch: Arc<Watch>,
    error: PhantomData<fn() -> E>,
}

impl<E> Strict<E> {
    pub(crate) fn new() -> (Self, Arc<Watch>) {
        let watch = Arc::<Watch>::default();
        (Self::instance(&watch), watch)
    }

    fn instance(watch: &Arc<Watch>) -> Self {
        Self {
            instance: watch.instances.fetch_add(1, SeqCst),
            ready: false,
            watch: Arc::clone(watch),
            error: PhantomData,
        }
    }

    pub(crate) const fn number(&self) -> u32 {
        self.instance
    }
}

impl<E> Clone for Strict<E> {
    fn clone(&self) -> Self {
        Self::instance(&self.watch)
    }
}

impl<E: From<Failed>> Service<Ask> for Strict<E> {
    type Response = u32;
    type Error = E;
    type Future = Answer<E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.watch.ready_polls.fetch_add(1, SeqCst);
        if *self.watch.broken.lock().unwrap() {
            return Poll::Ready(Err(Failed::new().into()));
        }
        if let Some(waiting) = &mut *self.watch.held_back.lock().unwrap() {
            waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Answer<E> {
        assert!(self.ready, "called without having been polled ready");
        self.ready = false;
        self.watch.calls.fetch_add(1, SeqCst);
        if matches!(ask.end, End::PanicInCall) {
            panic!("the mock panics in call");
        }
        Answer {
            ask,
            answered: false,
            instance: self.instance,
            watch: Arc::clone(&self.watch),
            error: PhantomData,
        }
    }
}

/// The future of [`Strict`].
pub(crate) struct Answer<E> {
    ask: Ask,
    answered: bool,
    instance: u32,
    watch: Arc<Watch>,
    error: PhantomData<fn() -> E>,
}

impl<E: From<Failed>> Future for Answer<E> {
    type Output = Result<u32, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.answered, "polled after it answered");
        self.watch.polls.fetch_add(1, SeqCst);
        if let Some(left) = self.ask.pendings.checked_sub(1) {
            self.ask.pendings = left;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.answered = true;
        Poll::Ready(match self.ask.end {
            End::Answer => Ok(self.instance),
            End::Fail => Err(Failed::new().into()),
            End::PanicInPoll | End::PanicInCall => panic!("the mock panics in poll"),
        })
    }
}

impl<E> Drop for Answer<E> {
    fn drop(&mut self) {
        self.watch.dropped.fetch_add(1, SeqCst);
    }
}

/// The words of the panic that this must end with.
pub(crate) fn panic_of<T>(piece: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(piece)) else {
        panic!("it did not panic");
    };
    let words = payload.downcast_ref::<&str>().map(ToString::to_string);
    words.unwrap_or_else(|| *payload.downcast::<String>().expect("a panic with words"))
}

/// One poll for readiness, by a task that nobody wakes.
pub(crate) fn poll_ready<S: Service<Ask>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

/// Makes it ready, at once.
pub(crate) fn make_ready<S: Service<Ask>>(service: &mut S) {
    assert!(matches!(poll_ready(service), Poll::Ready(Ok(()))));
}

/// Makes it ready and calls it.
pub(crate) fn send<S: Service<Ask>>(service: &mut S, ask: Ask) -> S::Future {
    make_ready(service);
    service.call(ask)
}
