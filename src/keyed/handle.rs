//! What the value offers as a handle.

use std::{borrow::Borrow, hash::Hash};

use super::{config::Config, for_key::ForKey, policy::Keyed, snapshot::Snapshot};
use crate::{
    classify::OnError,
    deadline::NoDeadline,
    error::InvalidConfig,
    guard::{Guard, Now, Template},
    sys::Arc,
    telemetry::{Event, Subscription},
};

/// One policy per key: the value you build, the layer you apply, the handle you turn.
///
/// It is a [`Guard`] around a [`Keyed`]: of [`Guard::keyed`], [`keyed_ref`](Guard::keyed_ref) or
/// [`per_key`](Guard::per_key).
///
/// To name one in a struct: `P` is what stands in the guard that was made keyed, a
/// [`Breaker`](crate::breaker::Breaker), [`Limiter`](crate::rate_limit::Limiter) or
/// [`Places`](crate::bulkhead::Places), and `F` what finds the key: a function pointer, one in a
/// [`Borrowed`](super::Borrowed) after `keyed_ref`, or [`ByCaller`](super::ByCaller) after `per_key`.
///
/// ```
/// use buttress::{CircuitBreaker, RateLimit, breaker::Breaker, guard::Guarded, rate_limit::Limiter};
/// use buttress::{keyed::{Borrowed, ByCaller, PerKey}, rate_limit::Quota};
/// use std::num::NonZeroU32;
/// use tower::Layer;
///
/// struct Request {
///     client: u64,
///     host: String,
/// }
///
/// type Client = fn(&Request) -> u64;
/// type Host = fn(&Request) -> &str;
///
/// struct Gateway<S> {
///     quotas: PerKey<Limiter, u64, Client>,
///     hosts: Guarded<S, PerKey<Breaker, String, Borrowed<Host, str>>>,
///     files: PerKey<Breaker, String, ByCaller>,
/// }
///
/// impl<S> Gateway<S> {
///     fn new(http: S) -> Result<Self, buttress::InvalidConfig> {
///         let limit = RateLimit::builder(Quota::per_second(NonZeroU32::new(50).unwrap())).build()?;
///         let breaker = CircuitBreaker::builder().build()?;
///         let by_host = breaker.fork("hosts").keyed_ref((|request| &request.host) as Host);
///         Ok(Self {
///             quotas: limit.keyed((|request| request.client) as Client).build()?,
///             hosts: by_host.build()?.layer(http),
///             files: breaker.fork("files").per_key().build()?,
///         })
///     }
/// }
/// # Gateway::new(()).unwrap();
/// ```
pub type PerKey<P, K, F, C = OnError, D = NoDeadline> = Guard<Keyed<P, K, F>, C, D>;

impl<P: Template, K, F, C, D> PerKey<P, K, F, C, D> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.policy().voice.policy()
    }

    /// How many keys have a policy of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policy().keys.len() as usize
    }

    /// Whether no key has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The settings in force, of the keys; those of the policies are the
    /// [template](Self::template)'s.
    #[must_use]
    pub fn config(&self) -> Config {
        self.policy().config()
    }

    /// Takes other settings while it runs. Where fewer keys are allowed than there are, idle ones are
    /// evicted at once, as far as there are any; the others stay until they are.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`](super::Builder::build); the settings in force
    /// stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.policy().reconfigure(config)
    }

    /// The policy that the others are made like. Its settings are those of every key that is new.
    #[must_use]
    pub fn template(&self) -> &P {
        self.policy().template()
    }

    /// Gives the template other settings, and every key's policy, with what
    /// [`configure`](super::Builder::configure) makes of them.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from the policy's own; all settings in force stay.
    pub fn reconfigure_all(&self, config: P::Config) -> Result<(), InvalidConfig> {
        self.policy().reconfigure_all(config)
    }

    /// All keys with their policies' snapshots, and counts, of this moment. It takes time with the
    /// number of keys, and new keys wait for a part of it; calls of known keys do not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<K, P::Snapshot>
    where
        K: Clone,
    {
        self.policy().snapshot()
    }

    /// Shows the policy of this key, to look at it or to give it an order. None for a key that has no
    /// policy of its own; [`for_key`](Self::for_key) makes one.
    ///
    /// ```
    /// use buttress::{CircuitBreaker, breaker::Order};
    ///
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let per_host = breaker.per_key::<String>().build()?;
    /// assert!(per_host.for_key("files").try_acquire().is_ok());
    /// let found = per_host.with("files", |breaker| breaker.order(Order::ForceOpen(None)));
    /// assert!(found.is_some());
    /// assert!(per_host.for_key("files").try_acquire().is_err());
    /// assert!(per_host.for_key("pages").try_acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with<Q, T>(&self, key: &Q, look: impl FnOnce(&P) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let keys = &self.policy().keys;
        let hash = keys.hashes().hash(key);
        let hold = keys.find(hash, |known| known.borrow() == key)?;
        Some(look(hold.policy()))
    }

    /// The place of this key, for calls without tower. A key that has no policy gets one, as if it had
    /// made a call.
    ///
    /// ```
    /// // `Template` for the `snapshot` of one key's policy.
    /// use buttress::{CircuitBreaker, guard::Template};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let per_host = breaker.per_key::<String>().build()?;
    /// let read = || tokio::fs::read_to_string("Cargo.toml");
    /// let text = per_host.for_key("files").call(read).await?;
    /// assert_eq!(per_host.with("files", |breaker| breaker.snapshot().calls), Some(1));
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn for_key<Q>(&self, key: &Q) -> ForKey<P, K, F, C, D>
    where
        K: Borrow<Q> + Eq,
        Q: Hash + Eq + ToOwned<Owned: Into<K>> + ?Sized,
        D: Clone,
    {
        let keyed = self.policy();
        let hash = keyed.keys.hashes().hash(key);
        let known = keyed.keys.find(hash, |known| known.borrow() == key);
        let place = match known {
            Some(hold) => Ok(hold),
            None => keyed.enter_new(&Now::lazy(), hash, key.to_owned().into()),
        };
        ForKey::new(self.clone(), place)
    }

    /// Tells this listener of its own events, until the subscription is dropped; those of the keys'
    /// policies are told to the listeners of the template. See [`telemetry`](crate::telemetry).
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.policy().voice.subscribe(Arc::new(listener))
    }
}
