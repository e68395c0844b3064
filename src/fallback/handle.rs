//! The value that is the layer and the handle.

use std::{fmt, future::Future};

use futures::future::{MapErr, TryFuture, TryFutureExt};
use tower::Layer;

use super::{
    account::{Account, Snapshot},
    backup::{AsyncFunction, AsyncFunctionOf, Backup, Function, FunctionOf, Value},
    builder::Builder,
    config::Config,
    mark::{Mark, Unmarked},
    service::{Covered, ResponseFuture},
    shared::Shared,
    standby::Standby,
};
use crate::{
    classify::{Classify, OnError},
    error::{Error, InvalidConfig},
    replay::Cloned,
    sys::Arc,
    telemetry::{Event, Subscription, Voice},
};

/// Answers in place of a call that failed: the value you build, the layer you apply, the handle.
///
/// It is a cheap clone, a [`tower::Layer`] whose service is [`Covered`], and
/// [`call`](Self::call) for code without tower. All clones share one limit. `B` is the
/// [backup](Backup), `C` judges what has failed, `M` [marks](Mark) the backup's answers. See
/// [`fallback`](crate::fallback).
pub struct Fallback<B, C = OnError, M = Unmarked> {
    shared: Arc<Shared<B, C, M>>,
}

/// The future of [`Fallback::call`], `F` being the closure's.
pub type Call<F, B, C = OnError, M = Unmarked> = ResponseFuture<
    MapErr<F, fn(<F as TryFuture>::Error) -> Error<<F as TryFuture>::Error>>,
    (),
    B,
    C,
    M,
>;

impl<B> Fallback<B> {
    /// A backup of your own making.
    #[must_use]
    pub fn builder(backup: B) -> Builder<B> {
        Builder::new(backup)
    }
}

impl<T> Fallback<Value<T>> {
    /// Answers with a clone of this value.
    #[must_use]
    pub fn value(value: T) -> Builder<Value<T>> {
        Builder::new(Value(value))
    }
}

impl<F> Fallback<Function<F>> {
    /// Answers with what this function makes of the failed result.
    ///
    /// ```
    /// use buttress::Fallback;
    /// use tower::BoxError;
    ///
    /// let fallback = Fallback::function(|failed: Result<String, BoxError>| match failed {
    ///     Ok(response) => Ok(response), // one that the classifier takes for a failure
    ///     Err(error) => Ok(format!("nothing, since {error}")),
    /// })
    /// .build()?;
    /// # let _ = fallback;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn function<T, E>(function: F) -> Builder<Function<F>>
    where
        F: Fn(Result<T, E>) -> Result<T, E>,
    {
        Builder::new(Function(function))
    }
}

impl<K, F> Fallback<FunctionOf<K, F>> {
    /// Answers with what this function makes of the parts of the request that the first one keeps, and
    /// of the failed result. The first runs with every call: let it be cheap.
    ///
    /// ```
    /// use buttress::Fallback;
    /// use tower::BoxError;
    ///
    /// struct Request {
    ///     id: u32,
    /// }
    ///
    /// let fallback = Fallback::function_of(
    ///     |request: &Request| request.id,
    ///     |id, _: Result<String, BoxError>| Ok(format!("member {id}")),
    /// )
    /// .build()?;
    /// # let _ = (fallback, Request { id: 1 }.id);
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn function_of<R, P, T, E>(keep: K, function: F) -> Builder<FunctionOf<K, F>>
    where
        K: Fn(&R) -> P,
        F: Fn(P, Result<T, E>) -> Result<T, E>,
    {
        Builder::new(FunctionOf { keep, function })
    }
}

impl<F> Fallback<AsyncFunction<F>> {
    /// Answers with what this async function makes of the failed result.
    ///
    /// ```
    /// use buttress::Fallback;
    /// use tower::BoxError;
    ///
    /// let fallback = Fallback::async_function(|_: Result<String, BoxError>| async {
    ///     Ok(tokio::fs::read_to_string("yesterday").await?)
    /// })
    /// .max_concurrent(4)
    /// .build()?;
    /// # let _ = fallback;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn async_function<T, E, Fut>(function: F) -> Builder<AsyncFunction<F>>
    where
        F: Fn(Result<T, E>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Builder::new(AsyncFunction(function))
    }
}

impl<K, F> Fallback<AsyncFunctionOf<K, F>> {
    /// Answers with what this async function makes of the parts of the request that the first one
    /// keeps, and of the failed result. The first runs with every call: let it be cheap.
    ///
    /// ```
    /// use buttress::Fallback;
    /// use tower::BoxError;
    ///
    /// let fallback = Fallback::async_function_of(
    ///     |id: &u32| *id,
    ///     |id, _: Result<String, BoxError>| async move {
    ///         Ok(tokio::fs::read_to_string(format!("{id}")).await?)
    ///     },
    /// )
    /// .build()?;
    /// # let _ = fallback;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn async_function_of<R, P, T, E, Fut>(
        keep: K,
        function: F,
    ) -> Builder<AsyncFunctionOf<K, F>>
    where
        K: Fn(&R) -> P,
        F: Fn(P, Result<T, E>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Builder::new(AsyncFunctionOf { keep, function })
    }
}

impl<S> Fallback<Standby<S, Cloned>> {
    /// Answers with what this service answers to the same request, kept by a
    /// [replay strategy](Builder::replay).
    ///
    /// It is cloned for each failed call and made ready then: while all is well it need not be ready.
    /// Of a service that is not [`Sync`] the fallback is not `Sync` either; tower's
    /// `BoxCloneSyncService` is.
    #[must_use]
    pub fn service(service: S) -> Builder<Standby<S, Cloned>> {
        Builder::new(Standby {
            service,
            replay: Cloned,
        })
    }
}

impl<B, C, M> Fallback<B, C, M> {
    pub(super) fn new(backup: B, classify: C, mark: M, account: Arc<Account>) -> Self {
        Self {
            shared: Arc::new(Shared {
                backup,
                classify,
                mark,
                account,
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.account.voice.policy()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.account.config()
    }

    /// Takes other settings while it runs. Backups that run stay; with a lower limit the next one
    /// starts when enough of them have ended.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name())?;
        self.shared.account.reconfigure(&config);
        Ok(())
    }

    /// Takes settings that keep the rules and are others than those in force; does not keep it alive.
    pub(crate) fn settings_from_afar(&self) -> Box<dyn Fn(&Config) + Send + Sync> {
        let account = Arc::downgrade(&self.shared.account);
        Box::new(move |config| {
            if let Some(account) = account.upgrade().filter(|it| it.config() != *config) {
                account.reconfigure(config);
            }
        })
    }

    /// Counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.account.snapshot()
    }

    /// Tells this listener of every event, until the subscription is dropped. See
    /// [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.shared.account.voice.subscribe(Arc::new(listener))
    }

    /// The same backup, settings and strategies under another name, with a limit and counts of its
    /// own, and the builder's listeners.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self
    where
        B: Clone,
        C: Clone,
        M: Clone,
    {
        self.fork_in(self.shared.account.voice.fork(name.as_ref()))
    }

    pub(crate) fn fork_in(&self, voice: Voice) -> Self
    where
        B: Clone,
        C: Clone,
        M: Clone,
    {
        let Shared {
            backup,
            classify,
            mark,
            ..
        } = &*self.shared;
        let account = Account::new(&self.config(), voice);
        Self::new(backup.clone(), classify.clone(), mark.clone(), account)
    }

    /// Runs one call without tower. The closure runs here and now; the backup, if it comes to that, in
    /// the future.
    ///
    /// # Errors
    ///
    /// What the backup fails with; or the call's own error, in [`Error::Inner`], when there was no
    /// backup.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back what it holds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::Fallback;
    ///
    /// let fallback = Fallback::value(String::from("[defaults]")).build()?;
    /// let text = fallback.call(|| tokio::fs::read_to_string("no/such/file")).await?;
    /// assert_eq!(text, "[defaults]");
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, Fut, T, E>(&self, call: F) -> Call<Fut, B, C, M>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        B: Backup<(), T, Error<E>>,
        C: Classify<T, Error<E>>,
        M: Mark<T>,
    {
        self.run((), |()| call().map_err(Error::Inner as fn(E) -> Error<E>))
    }

    /// The same for a closure whose error can hold a refusal already: for a call within a call. The
    /// error type stays what it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::{CircuitBreaker, Fallback};
    ///
    /// let fallback = Fallback::value(0).build()?;
    /// let breaker = CircuitBreaker::builder().build()?;
    /// breaker.force_open();
    /// let answer = fallback
    ///     .call_flat(|| breaker.call(|| async { Ok::<_, std::io::Error>(42) }))
    ///     .await?;
    /// assert_eq!(answer, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), in the closure's own type.
    pub fn call_flat<F, Fut, T, E>(&self, call: F) -> ResponseFuture<Fut, (), B, C, M>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        B: Backup<(), T, E>,
        C: Classify<T, E>,
        M: Mark<T>,
    {
        self.run((), |()| call())
    }

    #[inline]
    pub(crate) fn run<F, R>(
        &self,
        request: R,
        call: impl FnOnce(R) -> F,
    ) -> ResponseFuture<F, R, B, C, M>
    where
        F: TryFuture,
        B: Backup<R, F::Ok, F::Error>,
    {
        ResponseFuture::begin(&self.shared, request, call)
    }
}

impl<B, C, M> Clone for Fallback<B, C, M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<B, C, M> fmt::Debug for Fallback<B, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("name", &self.name())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

impl<S, B, C, M> Layer<S> for Fallback<B, C, M> {
    type Service = Covered<S, B, C, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Covered::new(inner, self.clone())
    }
}
