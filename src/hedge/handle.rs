//! The value that is the layer and the handle.

use std::{fmt, future::Future};

use tower::Layer;

use super::{
    builder::Builder,
    closure::{Call, Direct, FlatCall},
    config::{Config, Delay},
    future::ResponseFuture,
    service::Hedged,
    snapshot::Snapshot,
    state::State,
};
use crate::{
    budget::handle::Budget,
    classify::{Classify, OnError},
    deadline::NoDeadline,
    error::{CarryRejected, Error, InvalidConfig},
    replay::{Attempt, Cloned, Repeat, RepeatFlat},
    sys::Arc,
    telemetry::{Event, Subscription},
};

/// Sends a request that is late a second time, and takes the answer that comes first.
///
/// A cheap clone (one `Arc`), a [`tower::Layer`] whose service is [`Hedged`], the handle to the shared
/// state, and [`call`](Self::call) for code without tower. See [`hedge`](crate::hedge).
///
/// `C` judges the results, `Y` replays the requests, `D` reads their deadlines.
pub struct Hedge<C = OnError, Y = Cloned, D = NoDeadline> {
    shared: Arc<Shared<C, Y, D>>,
}

struct Shared<C, Y, D> {
    state: State,
    classify: C,
    replay: Y,
    deadline: D,
}

impl Hedge {
    /// Starts with the delay, which must be given, and the defaults.
    ///
    /// ```
    /// use buttress::{Hedge, hedge::Percentile};
    /// use std::time::Duration;
    ///
    /// let fixed = Hedge::builder(Duration::from_millis(20)).build()?;
    /// let p95 = Hedge::builder(Percentile::new(0.95, Duration::from_millis(20))).build()?;
    /// # let _ = (fixed, p95);
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub fn builder(delay: impl Into<Delay>) -> Builder {
        Builder::new(delay.into())
    }
}

impl<C, Y, D> Hedge<C, Y, D> {
    pub(super) fn new(state: State, classify: C, replay: Y, deadline: D) -> Self {
        let shared = Shared {
            state,
            classify,
            replay,
            deadline,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    #[inline]
    pub(super) fn state(&self) -> &State {
        &self.shared.state
    }

    #[inline]
    pub(super) fn replay(&self) -> &Y {
        &self.shared.replay
    }

    #[inline]
    pub(super) fn deadline(&self) -> &D {
        &self.shared.deadline
    }

    /// What judges the results.
    #[must_use]
    #[inline]
    pub fn classifier(&self) -> &C {
        &self.shared.classify
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.state().voice.policy()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.state().pace.config()
    }

    /// Takes other settings while it runs. Calls in flight go by them from their next hedge on.
    ///
    /// What was measured stays, unless a percentile's window is another: then it starts empty, and the
    /// event says so.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name(), self.budget().is_some())?;
        self.state().reconfigure(config);
        Ok(())
    }

    /// Delay and counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.state().snapshot()
    }

    /// The budget that hedges draw on, unless it is unbudgeted.
    #[must_use]
    pub fn budget(&self) -> Option<&Budget> {
        self.state().budget()
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.state().voice.subscribe(Arc::new(listener))
    }

    /// A hedge of another name that has measured nothing yet, with the settings, strategies and the
    /// builder's listeners of this one. A budget that was given is shared with it; one of its own it
    /// has anew.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        C: Clone,
        Y: Clone,
        D: Clone,
    {
        let Shared {
            state,
            classify,
            replay,
            deadline,
        } = &*self.shared;
        let state = state.fork(name.as_ref());
        Self::new(state, classify.clone(), replay.clone(), deadline.clone())
    }

    /// Runs one call without tower: `call` makes an attempt each time that it is called, and is told
    /// which.
    ///
    /// The first attempt starts here and now. Requests and their deadlines are the closure's own affair;
    /// the strategies for them are not asked.
    ///
    /// # Errors
    ///
    /// [`Error::Inner`] with the call's own error. The hedge itself refuses nothing; for what else is
    /// called inside see [`call_flat`](Self::call_flat).
    ///
    /// # Panics
    ///
    /// When polled outside a tokio runtime with a timer, unless the first attempt answers at once.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: all attempts are dropped with it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::Hedge;
    /// use std::{convert::Infallible, time::Duration};
    /// use tokio::time::sleep;
    ///
    /// let hedge = Hedge::builder(Duration::from_millis(5)).build()?;
    /// let answer = hedge.call(|attempt| async move {
    ///     if attempt.is_first() {
    ///         sleep(Duration::from_secs(60)).await; // it hangs
    ///     }
    ///     Ok::<_, Infallible>(attempt.number())
    /// });
    /// assert_eq!(answer.await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, Fut, T, E>(&self, call: F) -> Call<F, C, Y, D>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, Error<E>>,
    {
        ResponseFuture::direct(Direct(self.clone()), Repeat(call))
    }

    /// Like [`call`](Self::call), for an error type that can hold a refusal: it stays as it is. So calls
    /// of other policies nest in it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::{CircuitBreaker, Error, Hedge};
    /// use std::time::Duration;
    ///
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let hedge = Hedge::builder(Duration::from_millis(5)).build()?;
    /// let answer: Result<u32, Error<std::io::Error>> = hedge
    ///     .call_flat(|_| breaker.call(|| async { Ok(7) }))
    ///     .await;
    /// assert_eq!(answer?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_flat<F, Fut, T, E>(&self, call: F) -> FlatCall<F, C, Y, D>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: CarryRejected,
        C: Classify<T, E>,
    {
        ResponseFuture::direct(Direct(self.clone()), RepeatFlat(call))
    }
}

impl<C, Y, D> Clone for Hedge<C, Y, D> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C, Y, D> fmt::Debug for Hedge<C, Y, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("name", &self.name())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

impl<S, C, Y, D> Layer<S> for Hedge<C, Y, D> {
    type Service = Hedged<S, C, Y, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedged::new(inner, self.clone())
    }
}
