//! The settings of one policy per key, their defaults and their rules.

use std::time::Duration;

use crate::error::{InvalidConfig, Violations};

/// What becomes of a call whose key is new, when there is no place and no idle entry to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// All such keys share one policy, made like the others: they are limited, all of them together
    /// as strictly as one key. The default, since it neither refuses a stranger nor forgets an
    /// offender.
    #[default]
    Share,
    /// The call is refused ([`Reason::TooManyKeys`](crate::Reason::TooManyKeys)).
    Reject,
    /// The entry that came first makes room, though it is not idle. Its calls end on what they hold;
    /// what its policy knew is forgotten. Whoever can choose keys can so make others forgotten, and
    /// himself.
    EvictOldest,
}

/// The settings of one policy per key: plain data.
///
/// ```
/// use buttress::keyed::{Config, Overflow};
/// use std::time::Duration;
///
/// let config = Config::default();
/// assert_eq!(config.max_keys, 10_000);
/// assert_eq!(config.idle_for, Duration::from_secs(600));
/// assert_eq!(config.overflow, Overflow::Share);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How many keys may have a policy of their own: 1 or more. Default: 10,000, since what grows with
    /// what clients send must be bounded, and it is about ten megabytes.
    pub max_keys: u32,
    /// An idle policy that was not used for this long is forgotten, though there is room. Not zero.
    /// Default: 10 minutes.
    pub idle_for: Duration,
    /// What becomes of a call whose key finds no place. Default: [`Overflow::Share`].
    pub overflow: Overflow,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_keys: 10_000,
            idle_for: Duration::from_secs(600),
            overflow: Overflow::default(),
        }
    }
}

impl Config {
    /// Checks every rule.
    pub(super) fn validate(&self, policy: &'static str) -> Result<(), InvalidConfig> {
        let mut rules = Violations::default();
        let holds = self.max_keys > 0;
        rules.require(holds, "max_keys", self.max_keys, "must be 1 or more");
        let holds = !self.idle_for.is_zero();
        rules.require(holds, "idle_for", self.idle_for, "must not be zero");
        rules.into_result(policy)
    }

    /// In nanoseconds, saturating after 584 years.
    pub(super) fn unused(&self) -> u64 {
        u64::try_from(self.idle_for.as_nanos()).unwrap_or(u64::MAX)
    }
}
