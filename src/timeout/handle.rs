//! The value that is the layer and the handle.

use std::{fmt, future::Future, time::Duration};

use futures::future::TryFutureExt;
use tower::Layer;

use super::{
    builder::Builder,
    config::{Config, nanos},
    future::{Call, ResponseFuture, Terms},
    limit::{Fixed, Limit},
    origin::{Core, Origin},
    service::Timed,
};
use crate::{
    deadline::{CarryDeadline, NoDeadline},
    error::{CarryRejected, Error, InvalidConfig, Rejected},
    sys::{Arc, AtomicU64, Now, Ordering},
    telemetry::{Event, EventKind, Expiry, Subscription, Voice},
};

/// A timeout: the value you build, the layer you apply, the handle you turn.
///
/// It is a cheap clone (one `Arc`), a [`tower::Layer`] whose service is [`Timed`], and `call` for code
/// without tower. See [`timeout`](crate::timeout).
pub struct Timeout<D = NoDeadline, L = Fixed> {
    shared: Arc<Shared<D, L>>,
}

struct Shared<D, L> {
    /// In nanoseconds.
    limit: AtomicU64,
    core: Arc<Core>,
    deadline: D,
    by_request: L,
}

/// A timeout at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// The limit in force.
    pub limit: Duration,
    /// Calls that ran into their limit, ever.
    pub ran_into_limit: u64,
    /// Calls that ran into their request's deadline, ever.
    pub ran_into_deadline: u64,
    /// Calls that were not started, since their request's deadline had passed, ever.
    pub expired: u64,
}

impl Timeout {
    /// Starts with this limit, which has no default.
    #[must_use]
    pub fn builder(limit: Duration) -> Builder {
        Builder::new(limit)
    }
}

impl<D, L> Timeout<D, L> {
    pub(crate) fn new(config: Config, voice: Voice, deadline: D, by_request: L) -> Self {
        let shared = Shared {
            limit: AtomicU64::new(nanos(config.limit)),
            core: Core::new(voice),
            deadline,
            by_request,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The same settings and strategies, and counts of its own, under this name. The builder's
    /// listeners hear of it, too.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        D: Clone,
        L: Clone,
    {
        let Shared {
            core,
            deadline,
            by_request,
            ..
        } = &*self.shared;
        let voice = core.voice().fork(name.as_ref());
        Self::new(self.config(), voice, deadline.clone(), by_request.clone())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.core.voice().policy()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        // It stands alone: no other memory is read on the strength of it.
        Config::new(Duration::from_nanos(
            self.shared.limit.load(Ordering::Relaxed),
        ))
    }

    /// Takes other settings while it runs, for the calls that begin from now on.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name())?;
        let limit = nanos(config.limit);
        self.shared.limit.store(limit, Ordering::Relaxed);
        self.shared.core.voice().tell(EventKind::Reconfigured {
            window_cleared: false,
        });
        Ok(())
    }

    /// The counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let core = &self.shared.core;
        Snapshot {
            policy: self.name(),
            limit: self.config().limit,
            ran_into_limit: core.count(Expiry::Limit),
            ran_into_deadline: core.count(Expiry::Deadline),
            expired: core.count(Expiry::Expired),
        }
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.shared.core.voice().subscribe(Arc::new(listener))
    }

    /// Runs one call without tower.
    ///
    /// What `call` makes is made here and now, and its time runs from its first wait.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when the time ran out, [`Error::Inner`] with the call's own error.
    ///
    /// # Panics
    ///
    /// The future panics when it has to wait outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point, and the call goes with it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::Timeout;
    /// use std::time::Duration;
    ///
    /// let timeout = Timeout::builder(Duration::from_secs(3)).name("files").build()?;
    /// let text = timeout.call(|| tokio::fs::read_to_string("Cargo.toml")).await?;
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, Fut, T, E>(&self, call: F) -> Call<Fut, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        D: CarryDeadline<()>,
        L: Limit<()>,
    {
        let turn: fn(E) -> Error<E> = Error::Inner;
        self.run((), |()| call().map_err(turn))
    }

    /// The same for a call whose error can hold a refusal already, as that of another policy's
    /// `call`: the error type stays as it is.
    ///
    /// # Errors
    ///
    /// The call's own, or the refusal in it when the time ran out.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::{CircuitBreaker, Error, Timeout};
    /// use std::time::Duration;
    ///
    /// let timeout = Timeout::builder(Duration::from_secs(3)).build()?;
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let read = || tokio::fs::read_to_string("Cargo.toml");
    /// let text: Result<String, Error<std::io::Error>> =
    ///     timeout.call_flat(|| breaker.call(read)).await;
    /// # assert!(text?.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_flat<F, Fut, T, E>(&self, call: F) -> ResponseFuture<Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: CarryRejected,
        D: CarryDeadline<()>,
        L: Limit<()>,
    {
        self.run((), |()| call())
    }

    #[inline(always)]
    pub(super) fn run<R, Fut>(
        &self,
        mut request: R,
        call: impl FnOnce(R) -> Fut,
    ) -> ResponseFuture<Fut>
    where
        D: CarryDeadline<R>,
        L: Limit<R>,
    {
        match self.terms(&mut request) {
            Ok(terms) => ResponseFuture::started(call(request), terms, self.origin()),
            Err(no) => ResponseFuture::refused(no, self.origin()),
        }
    }

    /// May it start, and how long may it take?
    #[inline(always)]
    fn terms<R>(&self, request: &mut R) -> Result<Terms, Rejected>
    where
        D: CarryDeadline<R>,
        L: Limit<R>,
    {
        let shared = &*self.shared;
        let now = Now::lazy();
        let deadline = shared.deadline.read(request);
        if deadline.is_some_and(|deadline| deadline.is_over(now.get())) {
            return Err(self.origin().ran_out(Expiry::Expired, Duration::ZERO));
        }
        let limit = match shared.by_request.limit(request) {
            Some(limit) => nanos(limit),
            None => shared.limit.load(Ordering::Relaxed),
        };
        let terms = Terms { limit, deadline };
        terms.tell(&shared.deadline, request, &now);
        Ok(terms)
    }

    #[inline]
    fn origin(&self) -> Origin {
        Origin::new(&self.shared.core)
    }

    /// Its number, for calls that hold it by other means.
    pub(crate) fn id(&self) -> u64 {
        self.shared.core.id()
    }
}

impl<D, L> Clone for Timeout<D, L> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<D, L> fmt::Debug for Timeout<D, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("name", &self.name())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

impl<S, D, L> Layer<S> for Timeout<D, L> {
    type Service = Timed<S, D, L>;

    fn layer(&self, inner: S) -> Self::Service {
        Timed::new(inner, self.clone())
    }
}
