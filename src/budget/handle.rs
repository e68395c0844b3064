//! The bucket, with a clock, a name and a voice.

use std::fmt;

use tokio::time::Instant;

use super::{
    bucket::{Bucket, Drawn},
    builder::Builder,
    config::Config,
};
use crate::{
    error::InvalidConfig,
    sys::{Arc, Now, nanos_between},
    telemetry::{Event, EventKind, Listener, Meter, Subscription, Voice, names},
};

/// An allowance for extra attempts, shared by all retries and hedges that it is given to.
///
/// A cheap clone: all clones are one budget. See [`budget`](crate::budget).
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    bucket: Bucket,
    /// Times are counted from here.
    origin: Instant,
    voice: Voice,
    meter: Meter,
}

/// A budget at a glance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub policy: &'static str,
    /// How many extra attempts are in it; a fraction is on its way to one.
    pub balance: f64,
    /// Those among them that are set aside for calls that wait to send them.
    pub reserved: u64,
    /// Extra attempts allowed, ever.
    pub drawn: u64,
    /// Extra attempts refused, ever.
    pub refused: u64,
}

impl Budget {
    /// Starts with the defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(config: Config, voice: Voice) -> Self {
        let shared = Shared {
            bucket: Bucket::new(config),
            origin: Now::lazy().get(),
            meter: Meter::new(voice.policy(), &names::BUDGET_BALANCE),
            voice,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Of a policy that was given none: with the defaults, named like it, told to the same listeners.
    pub(crate) fn own(policy: &'static str, listeners: &[Listener]) -> Self {
        let voice = Voice::new(policy, listeners.iter().cloned());
        Self::new(Config::default(), voice)
    }

    /// The same settings and a balance of its own, under this name.
    #[must_use]
    pub fn fork(&self, name: impl AsRef<str>) -> Self {
        Self::new(self.config(), self.shared.voice.fork(name.as_ref()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.voice.policy()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.bucket.config()
    }

    /// Takes other settings while it runs. What is there stays, as far as it fits.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] as from [`Builder::build`]; the settings in force stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name())?;
        let now = self.nanos(&Now::lazy());
        self.shared.bucket.reconfigure(config, now);
        self.show();
        self.shared.voice.tell(EventKind::Reconfigured {
            window_cleared: false,
        });
        Ok(())
    }

    /// Balance and counts of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.nanos(&Now::lazy());
        let seen = self.shared.bucket.look(now);
        Snapshot {
            policy: self.name(),
            balance: seen.balance as f64 / 1e9,
            reserved: seen.reserved,
            drawn: seen.drawn,
            refused: seen.refused,
        }
    }

    /// Tells this listener of every event, until the subscription is dropped.
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.shared.voice.subscribe(Arc::new(listener))
    }

    /// A call was answered: deposits the ratio. Retries and hedges do it themselves; this is for extra
    /// attempts of your own. One load while the budget is full.
    #[inline]
    pub fn deposit(&self) {
        if self.shared.bucket.deposit() {
            self.show();
        }
    }

    /// A deposit would change nothing.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.shared.bucket.is_full()
    }

    /// Takes one extra attempt, if there is one: ask right before sending it.
    #[must_use = "an attempt that was refused is not to be sent"]
    pub fn withdraw(&self) -> bool {
        self.draw(&Now::lazy())
    }

    pub(crate) fn draw(&self, now: &Now) -> bool {
        self.told(self.shared.bucket.draw(self.nanos(now)))
    }

    /// Sets an attempt aside that is to be sent later, if there is one.
    pub(crate) fn reserve(&self, now: &Now) -> Option<Reserved> {
        let drawn = self.shared.bucket.reserve(self.nanos(now));
        // In hand before it is told: should the recorder panic, it goes back.
        let reserved = drawn.granted.then(|| Reserved(Some(self.clone())));
        self.told(drawn);
        reserved
    }

    fn told(&self, drawn: Drawn) -> bool {
        self.show();
        if drawn.ran_dry {
            self.shared.voice.tell(EventKind::BudgetExhausted);
        }
        drawn.granted
    }

    /// Tells the gauge. Of several threads one that was overtaken would leave it at an old balance,
    /// perhaps for hours: so who told it looks once more.
    #[inline(never)]
    fn show(&self) {
        let Shared { bucket, meter, .. } = &*self.shared;
        let mut balance = bucket.balance();
        loop {
            meter.show(balance);
            let told = std::mem::replace(&mut balance, bucket.balance());
            if balance == told {
                break;
            }
        }
    }

    fn nanos(&self, now: &Now) -> u64 {
        nanos_between(self.shared.origin, now.get())
    }
}

/// An extra attempt that was set aside. Dropped, it goes back.
#[derive(Debug)]
pub(crate) struct Reserved(Option<Budget>);

impl Reserved {
    /// It is sent.
    pub(crate) fn redeem(mut self, now: &Now) -> bool {
        let budget = self.0.take();
        budget.is_some_and(|budget| {
            let nanos = budget.nanos(now);
            budget.told(budget.shared.bucket.redeem(nanos))
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.shared.bucket.release();
        }
    }
}

impl Default for Budget {
    /// With the defaults of [`Config`], named `budget`.
    fn default() -> Self {
        Self::own("budget", &[])
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("name", &self.name())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}
