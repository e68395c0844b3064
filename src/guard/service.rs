//! The one async shell: the service and the future of every admission policy.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use pin_project::{pin_project, pinned_drop};
use tower::Service;

use super::{
    ending::EndWith,
    policy::{Admission, Admit, Flag, Policy, Spare},
    settle::{AtResponse, Ending, Settlement},
};
use crate::{
    error::{CarryRejected, Rejected},
    sys::Now,
};

/// A service behind a guard: what [`Guard`](super::Guard) makes as a [`tower::Layer`].
///
/// Its error is the inner service's own; see [`CarryRejected`] for what that must be able to hold.
/// A clone shares the policies' state and owns no readiness.
///
/// A refusal is the answer of `call`, never of `poll_ready`. When a call would be refused for
/// certain, `poll_ready` answers ready without asking the inner service, which may never become
/// ready again, and the call that follows is refused. So behind a load balancer that judges by
/// readiness and speed, an open circuit breaker looks fast and idle: balance outside it by errors,
/// or eject the endpoint.
#[derive(Debug)]
pub struct Guarded<S, G, M = AtResponse> {
    inner: S,
    guard: G,
    ending: M,
    /// The last `poll_ready` answered for the policies, without the inner service.
    refused: Option<Rejected>,
}

impl<S, G> Guarded<S, G> {
    pub(super) const fn new(inner: S, guard: G) -> Self {
        Self {
            inner,
            guard,
            ending: AtResponse,
            refused: None,
        }
    }
}

impl<S, G, M> Guarded<S, G, M> {
    /// The guard: the handle to its policies.
    pub const fn guard(&self) -> &G {
        &self.guard
    }

    /// When a call has ended.
    pub const fn ending(&self) -> &M {
        &self.ending
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, G, M, N> EndWith<N> for Guarded<S, G, M> {
    type Ended = Guarded<S, G, N>;

    fn end_with(self, ending: N) -> Self::Ended {
        Guarded {
            inner: self.inner,
            guard: self.guard,
            ending,
            refused: None,
        }
    }
}

impl<S: Clone, G: Clone, M: Clone> Clone for Guarded<S, G, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            guard: self.guard.clone(),
            ending: self.ending.clone(),
            refused: None,
        }
    }
}

impl<S, R, G, M> Service<R> for Guarded<S, G, M>
where
    S: Service<R>,
    S::Error: CarryRejected,
    G: Admit<R> + Clone,
    G::Queues: Spare<S>,
    M: Ending<G, S::Response, S::Error> + Clone,
{
    type Response = M::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, G, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if let Some(no) = self.guard.check(&Now::lazy()) {
            self.refused = Some(no);
            return Poll::Ready(Ok(()));
        }
        self.refused = None;
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        self.start(request, |future| future)
    }
}

impl<S, G, M: Clone> Guarded<S, G, M> {
    /// A call, and what becomes of its future. The way of a call that starts at once is kept apart from all
    /// others: where they join, what the one does not need of the future would be moved along with it.
    #[inline(always)]
    pub(crate) fn start<R, T>(
        &mut self,
        request: R,
        then: impl FnOnce(ResponseFuture<S, R, G, M>) -> T,
    ) -> T
    where
        S: Service<R>,
        G: Admit<R> + Clone,
        G::Queues: Spare<S>,
    {
        let Self {
            inner,
            guard,
            ending,
            refused,
        } = self;
        let now = Now::lazy();
        let state = match refused.take() {
            // The inner service was not made ready, so not even a wait that has just ended counts.
            Some(no) => State::Refused(Some(guard.refuse(no, &now))),
            None => match guard.admit(&now, &request) {
                Admission::Granted(ticket) => {
                    let state = State::start(guard, ticket, inner, request);
                    return then(ResponseFuture::new(ending.clone(), state));
                }
                Admission::Refused(no) => State::Refused(Some(no)),
                Admission::Wait(wait) => {
                    let spare = |inner: &mut S, wait: &_| G::Queues::spare(inner, wait);
                    State::wait(guard, wait, inner, request, spare)
                }
            },
        };
        aside(ResponseFuture::new(ending.clone(), state), then)
    }
}

#[cold]
#[inline(never)]
fn aside<F, T>(future: F, then: impl FnOnce(F) -> T) -> T {
    then(future)
}

/// The future of a guarded call. Dropped at any point, it gives back all that it holds.
#[must_use = "a guarded call that is not awaited is abandoned"]
#[pin_project]
pub struct ResponseFuture<S: Service<R>, R, G: Policy, M> {
    ending: M,
    #[pin]
    state: State<S, R, G>,
}

impl<S: Service<R>, R, G: Policy, M> ResponseFuture<S, R, G, M> {
    #[inline]
    pub(super) const fn new(ending: M, state: State<S, R, G>) -> Self {
        Self { ending, state }
    }
}

#[pin_project(project = Progress)]
pub(super) enum State<S: Service<R>, R, G: Policy> {
    /// The inner call runs. It is dropped before its settlement: what the call holds is gone by the
    /// time the next one may start.
    Running {
        #[pin]
        future: S::Future,
        settlement: Settlement<G>,
    },
    /// A policy makes the call wait. Takes no room for policies that never do.
    Waiting(#[pin] <G::Queues as Flag>::If<Waiting<S, R, G>>),
    /// Nothing was started.
    Refused(Option<Rejected>),
}

pub(super) type WaitOf<G> = <<G as Policy>::Queues as Flag>::If<<G as Policy>::Wait>;

impl<S: Service<R>, R, G: Admit<R> + Clone> State<S, R, G> {
    /// `spare` gets hold of the ready service, should the call have to wait.
    #[inline]
    pub(super) fn begin(
        guard: &G,
        service: &mut S,
        request: R,
        now: &Now,
        spare: impl FnOnce(&mut S, &WaitOf<G>) -> S,
    ) -> Self {
        match guard.admit(now, &request) {
            Admission::Granted(ticket) => Self::start(guard, ticket, service, request),
            Admission::Refused(no) => Self::Refused(Some(no)),
            Admission::Wait(wait) => Self::wait(guard, wait, service, request, spare),
        }
    }

    #[cold]
    fn wait(
        guard: &G,
        wait: WaitOf<G>,
        service: &mut S,
        request: R,
        spare: impl FnOnce(&mut S, &WaitOf<G>) -> S,
    ) -> Self {
        let turn = Turn::new(guard, wait);
        let service = spare(service, turn.wait());
        let guard = guard.clone();
        let wait = turn.keep();
        Self::Waiting(G::Queues::map(wait, |wait| Waiting {
            wait,
            guard,
            service,
            request: Some(request),
        }))
    }

    #[inline(always)]
    fn start(guard: &G, ticket: G::Ticket, service: &mut S, request: R) -> Self {
        let mut settlement = Settlement::new(guard, ticket);
        let future = settlement.watch(|| service.call(request));
        Self::Running { future, settlement }
    }
}

impl<S, R, G, M> Future for ResponseFuture<S, R, G, M>
where
    S: Service<R>,
    S::Error: From<Rejected>,
    G: Admit<R> + Clone,
    M: Ending<G, S::Response, S::Error>,
{
    type Output = Result<M::Response, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                Progress::Running { future, settlement } => {
                    let result = ready!(settlement.watch(|| future.poll(cx)));
                    let settlement = settlement.take();
                    // What the call holds is gone before its place is free.
                    this.state.set(State::Refused(None));
                    return Poll::Ready(this.ending.end(result, settlement));
                }
                Progress::Waiting(waiting) => {
                    ready!(G::Queues::pin(waiting).poll_start(cx))
                }
                Progress::Refused(no) => {
                    let no = no.take().expect("polled after it answered");
                    return Poll::Ready(Err(no.into()));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<R>, R, G: Policy, M> fmt::Debug for ResponseFuture<S, R, G, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running { .. } => "running",
            State::Waiting(_) => "waiting",
            State::Refused(_) => "refused",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

/// A turn in a queue while the call that will wait for it is put together. Cloning the service or
/// reading a deadline may panic, and then there will be none.
pub(super) struct Turn<'a, G: Policy> {
    guard: &'a G,
    wait: Option<WaitOf<G>>,
}

impl<'a, G: Policy> Turn<'a, G> {
    pub(super) const fn new(guard: &'a G, wait: WaitOf<G>) -> Self {
        let wait = Some(wait);
        Self { guard, wait }
    }

    pub(super) const fn wait(&self) -> &WaitOf<G> {
        self.wait.as_ref().expect("only `keep` takes it")
    }

    pub(super) fn keep(mut self) -> WaitOf<G> {
        self.wait.take().expect("only a drop takes it as well")
    }
}

impl<G: Policy> Drop for Turn<'_, G> {
    fn drop(&mut self) {
        if let Some(wait) = self.wait.take() {
            let wait = pin!(wait);
            self.guard.leave(G::Queues::pin(wait));
        }
    }
}

/// A call that waits for its turn, with all it needs to start then.
#[pin_project(PinnedDrop)]
pub(super) struct Waiting<S, R, G: Policy> {
    #[pin]
    wait: G::Wait,
    guard: G,
    /// The very instance that was polled ready.
    service: S,
    /// Taken when the wait has ended, either way.
    request: Option<R>,
}

impl<S: Service<R>, R, G: Admit<R> + Clone> Waiting<S, R, G> {
    fn poll_start(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<State<S, R, G>> {
        let this = self.project();
        let request = this.request.as_ref().expect("polled after it answered");
        let turn = ready!(this.guard.poll_wait(this.wait, request, &Now::lazy(), cx));
        let request = this.request.take().expect("it is there a line above");
        Poll::Ready(match turn {
            Ok(ticket) => State::start(this.guard, ticket, this.service, request),
            Err(no) => State::Refused(Some(no)),
        })
    }
}

#[pinned_drop]
impl<S, R, G: Policy> PinnedDrop for Waiting<S, R, G> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if this.request.is_some() {
            this.guard.leave(this.wait);
        }
    }
}
