//! How one policy per key is built.

use std::{fmt, marker::PhantomData, time::Duration};

use super::{
    config::{Config, Overflow},
    handle::PerKey,
    key::{Borrowed, ByCaller, Finds},
    policy::{Configure, Keyed},
};
use crate::{
    error::InvalidConfig,
    guard::{Guard, Template},
    sys::Arc,
    telemetry::{Event, Listener, Voice, intern},
};

/// Makes one policy per key out of a guard. See [`keyed`](crate::keyed).
pub struct Builder<P: Template, K, F, C, D> {
    template: Guard<P, C, D>,
    by: F,
    name: Option<String>,
    config: Config,
    configure: Option<Configure<P, K>>,
    listeners: Vec<Listener>,
    of: PhantomData<fn() -> K>,
}

impl<P: Template, C, D> Guard<P, C, D> {
    /// One policy like this one for each key: what `by` makes of a request says whose it is.
    ///
    /// This one stays the template: each new key has the settings that it has at that moment. See
    /// [`keyed`](crate::keyed).
    ///
    /// ```
    /// use buttress::CircuitBreaker;
    ///
    /// struct Request {
    ///     client: u64,
    /// }
    ///
    /// let breaker = CircuitBreaker::builder().name("clients").build()?;
    /// let per_client = breaker.keyed(|request: &Request| request.client).build()?;
    /// assert_eq!(per_client.name(), "clients");
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub fn keyed<R, K, F>(self, by: F) -> Builder<P, K, F, C, D>
    where
        R: ?Sized,
        F: Fn(&R) -> K,
    {
        Builder::new(self, by)
    }

    /// The same for keys that are looked up as the request has them, and owned only when they are
    /// new: for a `&str`, the policies are kept under `String`s, and a known key costs no allocation.
    ///
    /// ```
    /// use buttress::CircuitBreaker;
    /// use std::sync::Arc;
    ///
    /// struct Request {
    ///     host: String,
    /// }
    ///
    /// let breaker = CircuitBreaker::builder().name("hosts").build()?;
    /// let per_host = breaker
    ///     .keyed_ref(|request: &Request| request.host.as_str())
    ///     .keep_as::<Arc<str>>()
    ///     .build()?;
    /// assert!(per_host.is_empty());
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    pub fn keyed_ref<R, Q, F>(self, by: F) -> Builder<P, Q::Owned, Borrowed<F, Q>, C, D>
    where
        R: ?Sized,
        Q: ToOwned + ?Sized,
        F: Fn(&R) -> &Q,
    {
        Builder::new(self, Borrowed::new(by))
    }

    /// The same with what finds keys and is a type of its own: those of `http::keys` (feature `http`), or yours,
    /// see [`Finds`].
    pub fn keyed_by<F: Finds>(self, by: F) -> Builder<P, F::Key, F, C, D> {
        Builder::new(self, by)
    }

    /// The same where no request says whose it is, but whoever makes a call does: see
    /// [`for_key`](Guard::for_key).
    ///
    /// ```
    /// use buttress::CircuitBreaker;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let per_host = CircuitBreaker::builder().build()?.per_key::<String>().build()?;
    /// let read = || tokio::fs::read_to_string("Cargo.toml");
    /// let text = per_host.for_key("files").call(read).await?;
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn per_key<K>(self) -> Builder<P, K, ByCaller, C, D> {
        Builder::new(self, ByCaller)
    }
}

impl<P: Template, K, F, Q: ?Sized, C, D> Builder<P, K, Borrowed<F, Q>, C, D> {
    /// Keeps keys as these: as `Arc<str>`, say, of which a [`Snapshot`](super::Snapshot) is cheaper.
    /// Comes before [`configure`](Self::configure), which is then to be given anew.
    #[must_use]
    pub fn keep_as<L>(self) -> Builder<P, L, Borrowed<F, Q>, C, D> {
        Builder {
            template: self.template,
            by: self.by,
            name: self.name,
            config: self.config,
            configure: None,
            listeners: self.listeners,
            of: PhantomData,
        }
    }
}

impl<P: Template, K, F, C, D> Builder<P, K, F, C, D> {
    fn new(template: Guard<P, C, D>, by: F) -> Self {
        Self {
            template,
            by,
            name: None,
            config: Config::default(),
            configure: None,
            listeners: Vec::new(),
            of: PhantomData,
        }
    }

    /// The name in refusals, events and metrics of its own. Default: the template's, which the
    /// policies of all keys have anyway.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// All settings at once; what was set before is overwritten.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How many keys may have a policy of their own. Default: 10,000.
    #[must_use]
    pub fn max_keys(mut self, keys: u32) -> Self {
        self.config.max_keys = keys;
        self
    }

    /// An idle policy that was not used for this long is forgotten. Default: 10 minutes.
    #[must_use]
    pub fn idle_for(mut self, unused: Duration) -> Self {
        self.config.idle_for = unused;
        self
    }

    /// What becomes of a call whose key finds no place. Default: [`Overflow::Share`].
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.config.overflow = overflow;
        self
    }

    /// Gives keys settings of their own: made of the template's when the key is new, and when the
    /// settings of all change.
    ///
    /// Settings that break a rule are not taken: the key has the template's, and
    /// [`Snapshot::faulty_settings`](super::Snapshot) counts it and says what was wrong.
    ///
    /// ```
    /// use buttress::{CircuitBreaker, breaker};
    ///
    /// let per_host = CircuitBreaker::builder()
    ///     .build()?
    ///     .per_key::<String>()
    ///     .configure(|host, mut config: breaker::Config| {
    ///         if host == "reports" {
    ///             config.min_calls = 100;
    ///         }
    ///         config
    ///     })
    ///     .build()?;
    /// # let _ = per_host;
    /// # Ok::<(), buttress::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn configure(
        mut self,
        of_key: impl Fn(&K, P::Config) -> P::Config + Send + Sync + 'static,
    ) -> Self {
        self.configure = Some(Box::new(of_key));
        self
    }

    /// Tells this listener of its own events; those of the keys' policies are told to the listeners of
    /// the template.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Builds it. Results are judged, and waits end, as the template's do.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names every setting that breaks a rule, with its value and the rule.
    pub fn build(self) -> Result<PerKey<P, K, F, C, D>, InvalidConfig>
    where
        P: Send + Sync + 'static,
        C: Clone + Send + Sync + 'static,
        D: Clone + Send + Sync + 'static,
    {
        let name = match &self.name {
            Some(name) => intern(name),
            None => self.template.policy().name(),
        };
        self.config.validate(name)?;
        let keyed = Keyed::new(
            self.by,
            Box::new(self.template.clone()),
            self.configure,
            self.config,
            Voice::new(name, self.listeners),
        );
        Ok(self.template.around(keyed))
    }
}

impl<P: Template, K, F, C, D> fmt::Debug for Builder<P, K, F, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
